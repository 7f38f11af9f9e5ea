/** The commands about what runs on this machine. */
import type { Command } from "./command.ts";
import { agentKeys, configFlag, jsonFlag } from "./flags.ts";

export const edgeCommand: Command = {
  name: "edge",
  summary: "Run an edge with its control plane.",
  details: ["Example: postern edge --listen 0.0.0.0:8080 --public-host tunnels.example.com"],
  arguments: [],
  flags: [configFlag],
  settings: "edge",
  commonKeys: [
    "listen",
    "admin_listen",
    "public_host",
    "public_url_port",
    "tls.cert_file",
    "tls.key_file",
    "state_directory",
    "anonymous_tunnels",
    "tcp_ports",
    "udp_ports",
    "trusted_proxies",
    "proxy_protocol_from",
    "http2",
    "h2c_from",
    "log.format",
    "log.level",
  ],
  run: async (call) => (await import("./commands/edge.ts")).runEdge(call),
};

export const statusCommand: Command = {
  name: "status",
  summary: "Show what the edge or agent on this machine is doing.",
  arguments: [{
    name: "ROLE",
    help: "edge or agent; both when absent.",
    required: false,
    words: ["edge", "agent"],
  }],
  flags: [
    {
      name: "admin-listen",
      help: "Admin address to ask; 127.0.0.1:9090 (edge) and 127.0.0.1:9091 (agent) when absent.",
      placeholder: "HOST:PORT",
      environment: "POSTERN_ADMIN_LISTEN",
      key: "admin_listen",
    },
    jsonFlag,
  ],
  run: async (call) => (await import("./commands/status.ts")).runStatus(call),
};

export const diagCommand: Command = {
  name: "diag",
  summary: "Check whether an agent could work here.",
  details: ["Prints PASS, FAIL or SKIP for each check; exit code 1 when one fails."],
  arguments: [{ name: "TARGET", help: "Service that is to be published.", required: false }],
  flags: [configFlag, jsonFlag],
  settings: "agent",
  commonKeys: agentKeys,
  run: async (call) => (await import("./commands/diag.ts")).runDiag(call),
};

export const configCommand: Command = {
  name: "config",
  summary: "Show every setting with its value and where it comes from.",
  arguments: [{ name: "ROLE", help: "edge or agent.", required: true, words: ["edge", "agent"] }],
  flags: [configFlag, jsonFlag],
  run: async (call) => (await import("./commands/config.ts")).runConfig(call),
};
