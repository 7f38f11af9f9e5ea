/** The table of commands. Everything that users can type follows from it; code is imported when it runs. */
import { caCommand } from "./ca_command.ts";
import {
  keyOfProperty,
  ruleKeysOf,
  ruleSettings,
  type ServiceProtocol,
  settingsOf,
} from "../src/config/mod.ts";
import { type Call, type Command, type Flag } from "./command.ts";
import { shells } from "./completions.ts";
import { upgradeCommand } from "./upgrade/command.ts";
import { nodeCommands } from "./node_commands.ts";

const configFlag: Flag = {
  name: "config",
  short: "c",
  help: "Configuration file in YAML.",
  placeholder: "FILE",
  environment: "POSTERN_CONFIG",
  file: true,
};
const jsonFlag: Flag = { name: "json", help: "Print one JSON object, errors included." };
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

/** Of commands that ask control with an operator's token. */
const operatorFlags: readonly Flag[] = [
  {
    name: "control",
    help: "Control plane, or several of one cluster; http://127.0.0.1:8080 when absent.",
    placeholder: "URL,...",
    environment: "POSTERN_CONTROL",
  },
  {
    name: "token-file",
    help: "File with an operator's token.",
    placeholder: "FILE",
    environment: "POSTERN_TOKEN_FILE",
    file: true,
  },
  {
    name: "ca-file",
    help: "Extra certificate authorities in PEM.",
    placeholder: "FILE",
    environment: "POSTERN_CA_FILE",
    file: true,
  },
];

const agentKeys = ["control", "token_file", "tpm", "ca_file", "proxy", "state_directory", "log.level"];

async function publish(protocol: ServiceProtocol, call: Call): Promise<number> {
  return (await import("./commands/agent.ts")).runPublish(protocol, call);
}

export const commands: readonly Command[] = [
  {
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
  },
  {
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
  },
  {
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
  },
  {
    name: "udp",
    summary: "Publish a local UDP service on a public port.",
    details: ["Example: postern udp 53 --name dns"],
    arguments: [{ name: "TARGET", help: "PORT or HOST:PORT.", required: true }],
    flags: [portNameFlag, weightFlag, requireTierFlag, ...ruleFlags("udp"), configFlag, plainFlag],
    settings: "agent",
    commonKeys: agentKeys,
    run: (call) => publish("udp", call),
  },
  {
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
  },
  ...nodeCommands(configFlag),
  {
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
  },
  {
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
  },
  {
    name: "diag",
    summary: "Check whether an agent could work here.",
    details: ["Prints PASS, FAIL or SKIP for each check; exit code 1 when one fails."],
    arguments: [{ name: "TARGET", help: "Service that is to be published.", required: false }],
    flags: [configFlag, jsonFlag],
    settings: "agent",
    commonKeys: agentKeys,
    run: async (call) => (await import("./commands/diag.ts")).runDiag(call),
  },
  {
    name: "attest",
    summary: "Show what this machine's TPM proves, without telling anybody.",
    details: [
      "Example: postern attest --dry-run --tpm unix:/run/tpm.sock",
      "",
      "Shows endorsement key, attestation key and PCRs, and verifies a quote on the spot. With an operator's --token-file it",
      "asks control what it knows of this machine.",
    ],
    arguments: [],
    flags: [
      { name: "dry-run", help: "Required: agents attest by themselves, whenever a channel opens." },
      configFlag,
      jsonFlag,
    ],
    settings: "agent",
    commonKeys: ["tpm", "tpm_ek", "control", "token_file", "ca_file"],
    run: async (call) => (await import("./commands/attest.ts")).runAttest(call),
  },
  {
    name: "token",
    summary: "Issue a management token, or revoke tokens.",
    details: [
      "Example: postern token --owner alice --out agent.token",
      "         postern token revoke --owner alice",
      "",
      "Asks control with an operator's token: that of the edge on this machine unless --token-file names another.",
      "Agents renew the token in their file; --ttl is when that ends.",
    ],
    arguments: [{ name: "ACTION", help: "revoke; issues when absent.", required: false, words: ["revoke"] }],
    flags: [
      { name: "owner", help: "Whose tokens: letters, digits and ._:@-", placeholder: "NAME" },
      {
        name: "role",
        help: "member = its own tunnels; operator = everything.",
        placeholder: "member|operator",
      },
      {
        name: "ttl",
        help: "Time until the token and its renewals end; 30d unless the edge says.",
        placeholder: "DURATION",
      },
      { name: "family", help: "Revoke one token and its renewals only.", placeholder: "ID" },
      {
        name: "out",
        short: "o",
        help: "Write the token into this file, for this user only, instead of printing it.",
        placeholder: "FILE",
        file: true,
      },
      { name: "force", help: "Replace a file that holds something else than a token of this owner." },
      ...operatorFlags,
      jsonFlag,
    ],
    run: async (call) => (await import("./commands/token.ts")).runToken(call),
  },
  {
    name: "enroll",
    summary: "Enrol this machine with its TPM, or a node with a key of its own.",
    details: [
      "Example: postern enroll --token-file rack-7.token --control https://tunnel.example.com",
      "",
      "Takes the TPM at /dev/tpmrm0 unless --tpm or the configuration names another. Nothing secret is kept: the TPM makes the",
      "same keys at every start. May be run again with the same token when it was cut short.",
      "A token of a role and an id needs no TPM: the key is made here, and kept in the state directory for this user only.",
    ],
    arguments: [],
    flags: [
      {
        name: "token-file",
        help: "File with the one-time token of `postern enroll-token`.",
        placeholder: "FILE",
        file: true,
      },
      { name: "force", help: "Take over a state directory that belongs to another machine." },
      configFlag,
      jsonFlag,
    ],
    settings: "agent",
    commonKeys: ["control", "tpm", "tpm_ek", "ca_file", "proxy", "state_directory"],
    run: async (call) => (await import("./commands/enroll.ts")).runEnroll(call),
  },
  {
    name: "enroll-token",
    summary: "Issue a one-time token that lets a machine enrol with its TPM.",
    details: [
      "Example: postern enroll-token --out rack-7.token --label prod --label rack-7",
      "",
      "Asks control with an operator's token: that of the edge on this machine unless --token-file names another.",
      "The token is in the file only: bring that to the machine, and run `postern enroll` there.",
      "With --link it is not even there: whoever opens the link that is printed sees the token, once.",
      "With --role and --id it lets a node in that has no TPM, by a key that the node makes.",
    ],
    arguments: [],
    flags: [
      {
        name: "out",
        short: "o",
        help: "New file for the token, for this user only.",
        placeholder: "FILE",
        file: true,
      },
      { name: "link", help: "Print a link to a page that shows the token once, in the place of --out." },
      {
        name: "label",
        short: "l",
        help: "Label of the machine, may be repeated; an enrolled one keeps its own when absent.",
        placeholder: "LABEL,...",
      },
      { name: "no-labels", help: "Take all labels from a machine that is enrolled already." },
      {
        name: "role",
        placeholder: "edge|connector|tunneler|control",
        help: "Let a node of this role in, by a key of its own and not by a TPM; with --id.",
      },
      { name: "id", placeholder: "ID", help: "Which node it is: its name in the cluster, for good." },
      { name: "ek", help: "SHA-256 of the only endorsement key that may use it.", placeholder: "SHA256" },
      { name: "ttl", help: "Life of the token; 1h unless the edge says.", placeholder: "DURATION" },
      { name: "force", help: "Replace the file when there is one." },
      ...operatorFlags,
      jsonFlag,
    ],
    run: async (call) => (await import("./commands/enroll_token.ts")).runEnrollToken(call),
  },
  {
    name: "admin",
    summary: "Make a link for a new owner of this edge, on its own machine.",
    details: [
      "Example: postern admin reset --out owner.url --config edge.yaml",
      "",
      "For when nobody can sign in any more. Run it as the user of the edge and with its settings: it writes into the edge's own",
      "database. Whoever opens the link first, within an hour, makes an account that may do everything.",
    ],
    arguments: [{ name: "ACTION", help: "reset.", required: true, words: ["reset"] }],
    flags: [
      {
        name: "out",
        short: "o",
        help: "New file for the link, for this user only.",
        placeholder: "FILE",
        file: true,
      },
      { name: "force", help: "Replace the file when there is one." },
      configFlag,
    ],
    settings: "edge",
    commonKeys: ["state_directory", "database_url_file", "public_host", "public_url_port"],
    run: async (call) => (await import("./commands/admin.ts")).runAdmin(call),
  },
  {
    name: "machines",
    summary: "List the machines that are enrolled.",
    arguments: [],
    flags: [...operatorFlags, jsonFlag],
    run: async (call) => (await import("./commands/machines.ts")).runMachines(call),
  },
  {
    name: "machine",
    summary: "Show, revoke, restore or delete a machine.",
    details: [
      "Example: postern machine revoke agent-w5z6k7hq2d3n4p5r6s7t2u3v4a --reason stolen",
      "",
      "A revoked machine has its channels cut within two seconds and cannot enrol again until it is restored.",
      "By the SHA-256 of its endorsement key, a machine can be revoked that never came. One that is revoked can be deleted: it",
      "is not listed any more, and its key stays revoked.",
    ],
    arguments: [
      {
        name: "ACTION",
        help: "show, revoke, restore or delete.",
        required: true,
        words: ["show", "revoke", "restore", "delete"],
      },
      { name: "MACHINE", help: "Agent id, or SHA-256 of the endorsement key.", required: true },
    ],
    flags: [
      { name: "reason", help: "Why it is revoked; kept, and shown to operators.", placeholder: "TEXT" },
      ...operatorFlags,
      jsonFlag,
    ],
    run: async (call) => (await import("./commands/machines.ts")).runMachine(call),
  },
  caCommand([...operatorFlags, jsonFlag]),
  {
    name: "policy",
    summary: "Learn, compare, apply, list or show the PCR policies that machines with a TPM are held to.",
    details: [
      "Example: postern policy learn --label rack --name racks --out racks.yaml",
      "         postern policy diff racks.yaml",
      "         postern policy apply racks.yaml --overlap 24h",
      "         postern policy show racks",
      "",
      "`learn` writes a policy that allows what the machines showed last; nothing is applied. `diff` tells what a file would",
      "change and which machines would pass. `apply` makes it the next version; with --overlap the version before stays",
      "accepted for as long.",
      "Asks control with an operator's token: that of the edge on this machine unless --token-file names another.",
    ],
    arguments: [
      {
        name: "ACTION",
        help: "learn, diff, apply, list or show.",
        required: true,
        words: ["learn", "diff", "apply", "list", "show"],
      },
      { name: "FILE", help: "Policy file for diff and apply; name of the policy for show.", required: false },
    ],
    flags: [
      { name: "agent", help: "Learn from this machine, for it alone.", placeholder: "AGENT-ID" },
      { name: "label", help: "Learn from all machines with this label, for them.", placeholder: "LABEL" },
      { name: "name", help: "Name of the policy.", placeholder: "NAME" },
      { name: "pcrs", help: "PCRs that have to be quoted; 0 to 7 when absent.", placeholder: "PCR,..." },
      { name: "bank", help: "Bank of PCRs; sha256 when absent.", placeholder: "sha256|sha384|sha512" },
      { name: "firmware", help: "Allow no other TPM firmware than theirs." },
      {
        name: "out",
        short: "o",
        help: "File for the policy, YAML or (.json) JSON; standard output when absent.",
        placeholder: "FILE",
        file: true,
      },
      { name: "force", help: "Overwrite the file." },
      { name: "overlap", help: "How long the version before stays accepted.", placeholder: "DURATION" },
      { name: "version", help: "Show this version instead of the newest.", placeholder: "VERSION" },
      ...operatorFlags,
      jsonFlag,
    ],
    run: async (call) => (await import("./commands/policy.ts")).runPolicy(call),
  },
  {
    name: "audit",
    summary: "Show, export or verify the audit log.",
    details: [
      "Example: postern audit",
      "         postern audit export --out audit.jsonl",
      "         postern audit verify --in audit.jsonl --since 4711:HASH",
      "",
      "Each line holds the hash of the line before it. `verify` follows them, and prints the newest line as ID:HASH: note",
      "it elsewhere, and --since shows later whether anything up to it was changed.",
    ],
    arguments: [{
      name: "ACTION",
      help: "export or verify; shows the newest lines when absent.",
      required: false,
      words: ["export", "verify"],
    }],
    flags: [
      { name: "lines", help: "How many lines are shown; 20 when absent.", placeholder: "COUNT" },
      {
        name: "out",
        short: "o",
        help: "File for the export; standard output when absent.",
        placeholder: "FILE",
        file: true,
      },
      { name: "in", help: "Verify an export instead of asking control.", placeholder: "FILE", file: true },
      { name: "since", help: "A line that was noted before.", placeholder: "ID:HASH" },
      ...operatorFlags,
      jsonFlag,
    ],
    run: async (call) => (await import("./commands/audit.ts")).runAudit(call),
  },
  upgradeCommand(configFlag, jsonFlag),
  {
    name: "config",
    summary: "Show every setting with its value and where it comes from.",
    arguments: [{ name: "ROLE", help: "edge or agent.", required: true, words: ["edge", "agent"] }],
    flags: [configFlag, jsonFlag],
    run: async (call) => (await import("./commands/config.ts")).runConfig(call),
  },
  {
    name: "hash-password",
    summary: "Hash a password for the users of a service.",
    details: [
      "Reads the password from standard input, never from the command line. With NAME it prints a line for the file that",
      "--basic-auth-file takes.",
      "Example: postern hash-password ann < password.txt >> shop.users",
    ],
    arguments: [{ name: "NAME", help: "Name of the user.", required: false }],
    flags: [],
    run: async (call) => (await import("./commands/hash_password.ts")).runHashPassword(call),
  },
  {
    name: "version",
    summary: "Print the version.",
    arguments: [],
    flags: [jsonFlag],
    run: async (call) => (await import("./commands/version.ts")).runVersion(call),
  },
  {
    name: "completions",
    summary: "Print a completion script for a shell.",
    details: ["Example: postern completions bash > /etc/bash_completion.d/postern"],
    arguments: [{ name: "SHELL", help: `${shells.join(", ")}.`, required: true, words: shells }],
    flags: [],
    run: async (call) => (await import("./commands/completions.ts")).runCompletions(call),
  },
  {
    name: "explain",
    summary: "Tell what an error code means and what to do.",
    details: ["Example: postern explain name_taken"],
    arguments: [{
      name: "CODE",
      help: "What stands in error[CODE], in a log line or on an error page.",
      required: true,
      offers: "codes",
    }],
    flags: [jsonFlag],
    run: async (call) => (await import("./commands/explain.ts")).runExplain(call),
  },
  {
    name: "help",
    summary: "Show help, or the help of one command or error code.",
    arguments: [{
      name: "COMMAND",
      help: "A command, or an error code.",
      required: false,
      offers: "commands",
    }],
    flags: [{ name: "all", help: "List every setting of the command." }],
    run: async (call) => (await import("./commands/help.ts")).runHelp(call),
  },
];
