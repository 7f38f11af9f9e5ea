/** The commands that run connectors and tunnelers, and say who may come to whom. */
import type { Command } from "./command.ts";
import { configFlag, jsonFlag, operatorFlags } from "./flags.ts";

/** Of either role. */
const nodeKeys = [
  "node.private_ip",
  "node.enrollment_token_file",
  "tpm",
  "identity_seal",
  "state_directory",
  "admin_listen",
  "log.format",
];

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
    ...nodeKeys,
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
    ...nodeKeys,
  ],
  run: async (call) => (await import("./commands/node.ts")).runNode("tunneler", call),
};

export const nodesCommand: Command = {
  name: "nodes",
  summary: "Say which tunnelers may come to which connectors.",
  details: [
    "Example: postern nodes allow --connector c1 --tunneler t1",
    "         postern nodes allow --connector 'eu-*' --tunneler label=office",
    "         postern nodes disallow --connector c1 --tunneler t1",
    "         postern nodes rules",
    "",
    "A selector is an id, a pattern of ids with *, or label=NAME for nodes whose enrollment token had that label. What no rule",
    "allows is refused; a rule that is taken away cuts whoever was let in by it alone.",
    "Asks control with an operator's token: that of the edge on this machine unless --token-file names another.",
  ],
  arguments: [
    {
      name: "ACTION",
      help: "allow, disallow or rules.",
      required: true,
      words: ["allow", "disallow", "rules"],
    },
  ],
  flags: [
    { name: "connector", help: "Connectors of the rule.", placeholder: "SELECTOR" },
    { name: "tunneler", help: "Tunnelers of the rule.", placeholder: "SELECTOR" },
    ...operatorFlags,
    jsonFlag,
  ],
  run: async (call) => (await import("./commands/nodes.ts")).runNodes(call),
};
