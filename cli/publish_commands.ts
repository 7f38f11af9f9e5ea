/** The commands that publish services. */
import {
  keyOfProperty,
  ruleKeysOf,
  ruleSettings,
  type ServiceProtocol,
  settingsOf,
} from "../src/config/mod.ts";
import type { Call, Command, Flag } from "./command.ts";
import { agentKeys, configFlag } from "./flags.ts";

const plainFlag: Flag = { name: "plain", help: "Print lines instead of redrawing the status in place." };
const nameFlag: Flag = {
  name: "name",
  short: "n",
  help:
    "First label of the public host name, made up by control when absent; *.NAME takes all hosts below NAME.",
  placeholder: "NAME",
  environment: "POSTERN_NAME",
  key: "services[].name",
};
/** Of a service that has a port instead of a host name. */
const portNameFlag: Flag = {
  ...nameFlag,
  help: "Name of the service, made up by control when absent; the same name keeps its public port.",
};
const hostHeaderFlag: Flag = {
  name: "host-header",
  help:
    "Host header for the service: a name, `rewrite` = the target's own, `original` = as the viewer sent it.",
  placeholder: "HOST|rewrite|original",
  environment: "POSTERN_HOST_HEADER",
  key: "services[].host_header",
};
const weightFlag: Flag = {
  name: "weight",
  help: "Share of requests when several agents publish the same name.",
  placeholder: "WEIGHT",
  environment: "POSTERN_WEIGHT",
  key: "services[].weight",
};

const requireTierFlag: Flag = {
  name: "require-tier",
  help: "tpm = only agents that attest with a TPM may publish the name; bound-key = any (weaker).",
  placeholder: "tpm|bound-key",
  environment: "POSTERN_REQUIRE_TIER",
  key: "services[].require_tier",
};

const proxyProtocolFlag: Flag = {
  name: "proxy-protocol",
  help:
    "v2 = write a PROXY protocol header, with the viewer's address, before each connection to the service.",
  placeholder: "off|v2",
  environment: "POSTERN_PROXY_PROTOCOL",
  key: "services[].proxy_protocol",
};

/** A flag for each rule that a service of this protocol may have. */
function ruleFlags(protocol: ServiceProtocol): Flag[] {
  const may = new Set([...ruleKeysOf(protocol)].map(keyOfProperty));
  return settingsOf(ruleSettings).filter(({ key }) => may.has(key.split(".", 1)[0])).map((
    { key, flag, setting },
  ): Flag => ({
    name: flag,
    help: setting.help,
    placeholder: setting.placeholder,
    key: `services[].rules.${key}`,
    file: setting.placeholder === "FILE",
  }));
}

async function publish(protocol: ServiceProtocol, call: Call): Promise<number> {
  return (await import("./commands/agent.ts")).runPublish(protocol, call);
}

export const httpCommand: Command = {
  name: "http",
  summary: "Publish a local HTTP service.",
  details: ["Example: postern http 8080 --name web"],
  arguments: [{ name: "TARGET", help: "PORT, HOST:PORT or http://HOST:PORT.", required: true }],
  flags: [
    nameFlag,
    hostHeaderFlag,
    weightFlag,
    requireTierFlag,
    ...ruleFlags("http"),
    configFlag,
    plainFlag,
  ],
  settings: "agent",
  commonKeys: agentKeys,
  run: (call) => publish("http", call),
};

export const tcpCommand: Command = {
  name: "tcp",
  summary: "Publish a local TCP service on a public port.",
  details: ["Example: postern tcp 5432"],
  arguments: [{ name: "TARGET", help: "PORT or HOST:PORT.", required: true }],
  flags: [
    portNameFlag,
    weightFlag,
    requireTierFlag,
    proxyProtocolFlag,
    ...ruleFlags("tcp"),
    configFlag,
    plainFlag,
  ],
  settings: "agent",
  commonKeys: agentKeys,
  run: (call) => publish("tcp", call),
};

export const tlsCommand: Command = {
  name: "tls",
  summary: "Publish a local TLS service by host name; it keeps its certificate, the edge reads nothing.",
  details: ["Example: postern tls 8443 --name web"],
  arguments: [{ name: "TARGET", help: "PORT or HOST:PORT.", required: true }],
  flags: [
    nameFlag,
    weightFlag,
    requireTierFlag,
    proxyProtocolFlag,
    ...ruleFlags("tls"),
    configFlag,
    plainFlag,
  ],
  settings: "agent",
  commonKeys: agentKeys,
  run: (call) => publish("tls", call),
};

/** Privately: without a public entry, to agents that connect. */
export const shareCommand: Command = {
  name: "share",
  summary: "Share a local service with other agents, end to end encrypted, or publish it.",
  details: [
    "Example: postern share 5432 --private --name db",
    "         postern connect db --listen 127.0.0.1:15432     on the other machine",
    "",
    "Without --private it is published, as by the command of its protocol.",
  ],
  arguments: [{ name: "TARGET", help: "PORT or HOST:PORT.", required: true }],
  flags: [
    {
      name: "private",
      help: "No public entry: agents reach it by `postern connect`, and the edge reads nothing.",
    },
    { ...nameFlag, help: "Name of the service, made up by control when absent." },
    {
      name: "protocol",
      help: "What the service speaks; tcp when absent, which carries every protocol over TCP.",
      placeholder: "tcp|http|udp",
    },
    {
      name: "connect",
      help: "Owners besides your own who may connect to it, when it is private.",
      placeholder: "OWNER,...",
      key: "services[].connect",
    },
    weightFlag,
    requireTierFlag,
    configFlag,
    plainFlag,
  ],
  settings: "agent",
  commonKeys: [...agentKeys, "private.pin", "private.padding"],
  run: async (call) => (await import("./commands/agent.ts")).runShare(call),
};

export const udpCommand: Command = {
  name: "udp",
  summary: "Publish a local UDP service on a public port.",
  details: ["Example: postern udp 53 --name dns"],
  arguments: [{ name: "TARGET", help: "PORT or HOST:PORT.", required: true }],
  flags: [portNameFlag, weightFlag, requireTierFlag, ...ruleFlags("udp"), configFlag, plainFlag],
  settings: "agent",
  commonKeys: agentKeys,
  run: (call) => publish("udp", call),
};

export const agentCommand: Command = {
  name: "agent",
  summary: "Publish the services of a configuration file.",
  details: [
    "Example: postern agent --config agent.yaml, with a file such as",
    "",
    "  version: 1",
    "  control: https://tunnel.example.com",
    "  token_file: /etc/postern/agent.token",
    "  services:",
    "    - name: shop",
    "      protocol: http",
    "      target: 127.0.0.1:3000",
    "    - name: database",
    "      protocol: tcp",
    "      target: 127.0.0.1:5432",
    "    - name: vault",
    "      protocol: tls",
    "      target: 127.0.0.1:8200",
    "    - name: dns",
    "      protocol: udp",
    "      target: 127.0.0.1:53",
  ],
  arguments: [],
  flags: [configFlag, plainFlag],
  settings: "agent",
  commonKeys: [...agentKeys, "carriers", "admin_listen", "log.format"],
  run: async (call) => (await import("./commands/agent.ts")).runAgent(call),
};
