/** The command that uses private services. */
import type { Command } from "./command.ts";
import { agentKeys, configFlag } from "./flags.ts";

export const connectCommand: Command = {
  name: "connect",
  summary: "Use a private service of another agent on this machine, end to end encrypted.",
  details: [
    "Example: postern connect db --listen 127.0.0.1:15432",
    "         ssh -o ProxyCommand='postern connect ssh --stdio' user@host",
    "",
    "The other agent's `postern share` prints the fingerprint for --pin: with it not even control can put",
    "another machine in its place.",
  ],
  arguments: [{ name: "SERVICE", help: "NAME of a private service, or OWNER/NAME.", required: true }],
  flags: [
    {
      name: "listen",
      short: "l",
      help: "Where programs of this machine find the service; a port alone is one of this machine.",
      placeholder: "HOST:PORT",
      environment: "POSTERN_PRIVATE_LISTEN",
      key: "private.listen",
    },
    { name: "stdio", help: "One connection over standard input and output, as ssh's ProxyCommand wants it." },
    {
      name: "pin",
      help: "Fingerprint that the other endpoint must have; one of several.",
      placeholder: "FINGERPRINT,...",
      environment: "POSTERN_PRIVATE_PIN",
      key: "private.pin",
    },
    configFlag,
  ],
  settings: "agent",
  commonKeys: [...agentKeys, "private.padding", "channel.hybrid", "drain_timeout"],
  run: async (call) => (await import("./commands/connect.ts")).runConnect(call),
};
