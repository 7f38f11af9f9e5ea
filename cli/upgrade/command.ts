/** The row of `postern upgrade` in the table of commands. */
import type { Command } from "../command.ts";
import { configFlag, jsonFlag } from "../flags.ts";

export const upgradeCommand: Command = {
  name: "upgrade",
  summary: "Take a signed release, and go back when it does not become ready.",
  details: [
    "Example: postern upgrade agent --check --config /etc/postern/agent.yaml",
    "         postern upgrade agent --apply --config /etc/postern/agent.yaml",
    "",
    "Nothing is fetched unless a manifest and a key are named. The new program is verified and tried before it takes the",
    "place of the old one; then the service is restarted, and the old one is put back unless the new one becomes ready.",
  ],
  arguments: [{
    name: "ROLE",
    help: "Whose configuration: edge or agent; agent when absent.",
    required: false,
    words: ["edge", "agent"],
  }],
  flags: [
    { name: "check", help: "Tell whether there is a release for this machine; change nothing." },
    { name: "apply", help: "Take it." },
    { name: "rollback", help: "Go back to the previous program, and restart." },
    { name: "recover", help: "Clear up after an upgrade that was interrupted; for ExecStartPre." },
    { name: "force", help: "Try a release once more that did not become ready before." },
    {
      name: "manifest",
      help: "Manifest instead of upgrade.manifest_url.",
      placeholder: "FILE|URL",
      file: true,
    },
    { name: "key-file", help: "Public keys instead of upgrade.key_file.", placeholder: "FILE", file: true },
    {
      name: "program",
      help: "Executable to replace; the running one when absent.",
      placeholder: "FILE",
      file: true,
    },
    configFlag,
    jsonFlag,
  ],
  settings: "agent",
  commonKeys: [
    "upgrade.channel",
    "upgrade.pin",
    "upgrade.manifest_url",
    "upgrade.key_file",
    "upgrade.ca_file",
    "upgrade.labels",
    "upgrade.restart",
    "upgrade.ready_timeout",
    "admin_listen",
  ],
  run: async (call) => (await import("../commands/upgrade.ts")).runUpgrade(call),
};
