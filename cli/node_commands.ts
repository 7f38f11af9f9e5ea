/** The commands that run connectors and tunnelers. */
import type { Command } from "./command.ts";
import { configFlag } from "./flags.ts";

export const connectorCommand: Command = {
  name: "connector",
  summary: "Run a connector: tunnelers come to it by mutual TLS.",
  details: [
    "Example: postern connector --node-control tunnel.example.com:8443 --node-enrollment-token-file c1.token",
    "",
    "The token of `postern enroll-token --role connector --id ID` is needed at the first start only.",
  ],
  arguments: [],
  flags: [configFlag],
  settings: "agent",
  commonKeys: [
    "control",
    "ca_file",
    "node.control",
    "node.listen",
    "node.private_ip",
    "node.enrollment_token_file",
    "tpm",
    "identity_seal",
    "state_directory",
    "admin_listen",
    "log.format",
  ],
  run: async (call) => (await import("./commands/node.ts")).runNode("connector", call),
};

export const tunnelerCommand: Command = {
  name: "tunneler",
  summary: "Run a tunneler: it comes to a connector by mutual TLS.",
  details: [
    "Example: postern tunneler --connector 10.0.0.7:9443 --node-control tunnel.example.com:8443",
    "",
    "The token of `postern enroll-token --role tunneler --id ID` is needed at the first start only.",
  ],
  arguments: [],
  flags: [
    {
      name: "connector",
      help: "Connectors, in the order of preference.",
      placeholder: "HOST:PORT,...",
      key: "node.connector",
    },
    configFlag,
  ],
  settings: "agent",
  commonKeys: [
    "control",
    "ca_file",
    "node.control",
    "node.connector_id",
    "node.private_ip",
    "node.enrollment_token_file",
    "tpm",
    "identity_seal",
    "state_directory",
    "admin_listen",
    "log.format",
  ],
  run: async (call) => (await import("./commands/node.ts")).runNode("tunneler", call),
};
