/** `postern ca`. */
import type { Command } from "./command.ts";
import { jsonFlag, operatorFlags } from "./flags.ts";

export const caCommand: Command = {
  name: "ca",
  summary: "Show and rotate the authorities of node certificates, or take a node's identity back.",
  details: [
    "Example: postern ca show",
    "         postern ca rotate --plan",
    "         postern ca rotate --apply",
    "         postern ca revoke --node spiffe://tunnel.example.com/connector/c1 --reason stolen",
    "",
    "A rotation publishes a new issuing CA beside the old one, issues by it after a while, and retires the old one when all",
    "nodes have renewed; control takes each step when it is due. To publish, the root's key has to be in STATE/ca.",
    "Asks control with an operator's token: that of the edge on this machine unless --token-file names another.",
  ],
  arguments: [
    {
      name: "ACTION",
      help: "show, rotate or revoke.",
      required: true,
      words: ["show", "rotate", "revoke"],
    },
  ],
  flags: [
    { name: "plan", help: "Say what a rotation would do." },
    { name: "apply", help: "Start the rotation, or take the step that is due." },
    { name: "root", help: "Make a new root as well." },
    { name: "serial", help: "Take this certificate back, by its serial number.", placeholder: "HEX" },
    {
      name: "key-sha256",
      help: "Take this key back, by the SHA-256 of its SubjectPublicKeyInfo.",
      placeholder: "SHA256",
    },
    { name: "node", help: "Take this node back, whatever key it has.", placeholder: "SPIFFE-ID" },
    { name: "severity", help: "Whether open streams may end; cut when absent.", placeholder: "drain|cut" },
    { name: "reason", help: "Why it is taken back; kept, and shown to operators.", placeholder: "TEXT" },
    ...operatorFlags,
    jsonFlag,
  ],
  run: async (call) => (await import("./commands/ca.ts")).runCa(call),
};
