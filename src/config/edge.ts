/** Settings of an edge and of the control plane inside it. Each default states its cost. */
import { adminOidcSettings } from "./admin_oidc.ts";
import { edgeLimitSettings, replacementSettings } from "./edge_limits.ts";
import { edgeTimeoutSettings } from "./edge_timeouts.ts";
import { relaySettings } from "./relay.ts";
import { optional, setting, type Values } from "./setting.ts";
import { channelSettings, heartbeatSettings, logSettings, otelSettings, upgradeSettings } from "./shared.ts";
import { attestationSettings, identitySettings, reauthSettings, tokenSettings } from "./trust.ts";
import { hourMs } from "./units.ts";
import {
  address,
  addressBlocks,
  addressOrOff,
  count,
  duration,
  hostName,
  label,
  path,
  portRangeOrOff,
  toggle,
  toggleOrAuto,
  word,
} from "./values.ts";

/** Most blocks in a list of the edge. */
const maxAccessBlocks = 1_024;

/** Whom the edge serves at all: viewers, agents and control requests alike. Rules of a service come on top. */
const accessSettings = {
  allow: setting(addressBlocks(maxAccessBlocks), "", "Only these address blocks are served.", "CIDR,..."),
  deny: setting(
    addressBlocks(maxAccessBlocks),
    "",
    "These address blocks are refused, also those that `access.allow` names.",
    "CIDR,...",
  ),
} as const;

/** Channels of agents and others to private services, which the edge relays and cannot read. */
const privateChannelSettings = {
  initWindowMs: setting(
    duration(10_000, 600_000),
    "2m",
    "Time in which both endpoints of a channel have to come.",
    "DURATION",
  ),
  tokenLifeMs: setting(
    duration(10_000, 600_000),
    "60s",
    "Life of attach tokens, which never outlive the time above.",
    "DURATION",
  ),
  /** Endpoints ping below it, so that it ends channels whose endpoints are gone. */
  idleTimeoutMs: setting(
    duration(5_000, hourMs),
    "60s",
    "A channel without a record for so long is closed.",
    "DURATION",
  ),
  maxPendingPerOwner: setting(
    count(1, 10_000),
    "256",
    "Channels that one owner may have asked for and not opened yet.",
    "COUNT",
  ),
} as const;

export const edgeSettings = {
  listen: setting(
    address(),
    "127.0.0.1:8080",
    "Address of viewers, agents and control requests.",
    "HOST:PORT",
  ),
  adminListen: setting(
    addressOrOff(),
    "127.0.0.1:9090",
    "Address of /metrics, /healthz, /readyz and /status; off = none. Has no authentication: keep it private.",
    "HOST:PORT|off",
  ),
  takeOver: setting(
    toggle(),
    "false",
    "Listen beside an edge on the same address that is about to stop.",
    "BOOL",
  ),
  /** Two take about 75 MiB more than one, each further one about 40 MiB. */
  workers: setting(
    count(1, 8),
    "1",
    "Threads that serve viewers and agents; a sensible most is the number of cores less one.",
    "COUNT",
  ),
  publicHost: setting(hostName(), "localhost", "Base domain: a service is NAME.<this>.", "DOMAIN"),
  /** Behind a load balancer the public host leads to any edge, and an agent wants the one whose key it knows. */
  edgeHost: optional(
    hostName(),
    "Name at which agents reach this edge, where public_host leads to several; its certificate has to name it.",
    "HOST",
  ),
  publicUrlPort: optional(
    count(1, 65_535),
    "Port in printed URLs when it is not the one listened on.",
    "PORT",
  ),
  publicUrlScheme: setting(
    word("auto", "http", "https"),
    "auto",
    "Scheme in printed URLs; auto = https when this edge has a certificate.",
    "auto|http|https",
  ),
  tls: {
    certFile: optional(path(), "Certificate chain in PEM; read again on SIGHUP.", "FILE"),
    keyFile: optional(path(), "Private key in PEM; read again on SIGHUP.", "FILE"),
  },
  http2: setting(toggle(), "true", "Offer HTTP/2 to viewers that come over TLS.", "BOOL"),
  h2cFrom: setting(
    addressBlocks(64),
    "",
    "Addresses that may speak HTTP/2 without TLS, such as those of a load balancer.",
    "CIDR,...",
  ),
  stateDirectory: setting(
    path(),
    ".postern",
    "Keys, database and audit log; made private to this user.",
    "DIR",
    "~/.local/state/postern/edge",
  ),
  /** Its URL may hold a password. */
  databaseUrlFile: optional(
    path(),
    "File with the URL of a PostgreSQL database, which several edges may share; SQLite in the state directory when absent.",
    "FILE",
  ),
  edgeId: optional(
    label(),
    "Name of this edge; made up and kept in the state directory when absent.",
    "NAME",
  ),
  region: setting(label(), "local", "Region that agents are told.", "NAME"),
  anonymousTunnels: setting(
    toggleOrAuto(),
    "auto",
    "Whether agents without a token may publish; auto = only when listening on loopback.",
    "auto|true|false",
  ),
  tcpPorts: setting(
    portRangeOrOff(),
    "20000-20999",
    "Public ports for tcp services; off = none.",
    "FIRST-LAST|off",
  ),
  udpPorts: setting(
    portRangeOrOff(),
    "20000-20999",
    "Public ports for udp services; off = none.",
    "FIRST-LAST|off",
  ),
  /** An address that is made up costs its owner at most this much more than it cost the sender. */
  udpAmplification: setting(
    count(0, 1000),
    "20",
    "Answers to a udp viewer that has sent one datagram: times its bytes; 0 = no bound.",
    "TIMES",
  ),
  trustedProxies: setting(
    addressBlocks(64),
    "",
    "Proxies in front whose X-Forwarded-For is believed, and whose CF-Connecting-IP and the like are passed on.",
    "CIDR,...",
  ),
  proxyProtocolFrom: setting(
    addressBlocks(64),
    "",
    "Load balancers whose every connection begins with a PROXY protocol header of version 2, on all public ports.",
    "CIDR,...",
  ),
  trustDomain: optional(
    hostName(),
    "Name of the cluster in the identities of its nodes, for good; the public host when absent.",
    "DOMAIN",
  ),
  identity: identitySettings,
  privateChannels: privateChannelSettings,
  adminOidc: adminOidcSettings,
  nodes: {
    listen: setting(
      addressOrOff(),
      "off",
      "Address for connectors and tunnelers, by mutual TLS; off = none.",
      "HOST:PORT|off",
    ),
    maxConnected: setting(count(1, 100_000), "4096", "Nodes that are connected at the same time.", "COUNT"),
  },
  access: accessSettings,
  graceMs: setting(duration(0, 600_000), "30s", "Time a route waits for its agent to come back.", "DURATION"),
  drainTimeoutMs: setting(
    duration(0, hourMs),
    "30s",
    "Time for open streams to end at shutdown.",
    "DURATION",
  ),
  heartbeat: heartbeatSettings,
  tokens: tokenSettings,
  attestation: attestationSettings,
  reauth: reauthSettings,
  replacement: replacementSettings,
  relay: relaySettings,
  channel: channelSettings,
  limits: edgeLimitSettings,
  timeouts: edgeTimeoutSettings,
  upgrade: upgradeSettings,
  log: logSettings,
  otel: otelSettings,
} as const;

/** What `startEdge` takes. Durations are milliseconds (`Ms`), sizes bytes (`Bytes`). */
export type EdgeConfig = Omit<Values<typeof edgeSettings>, "anonymousTunnels"> & {
  /** Whether agents without a token may publish. */
  readonly anonymousTunnels: boolean;
};

/** `iss` of the tokens that control inside of this edge signs. */
export function issuerOf({ publicHost }: Pick<EdgeConfig, "publicHost">): string {
  return `https://${publicHost}`;
}

/** Name of the cluster in the ids of its nodes. An IPv6 address as public host has no colons there. */
export function trustDomainOf(
  { trustDomain, publicHost }: Pick<EdgeConfig, "trustDomain" | "publicHost">,
): string {
  return (trustDomain ?? publicHost).toLowerCase().replaceAll(":", "-").replace(/^-+|-+$/g, "");
}
