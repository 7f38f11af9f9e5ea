/** Settings of an edge and of the control plane inside it. Each default states its cost. */
import {
  address,
  addressBlocks,
  addressOrOff,
  count,
  duration,
  hostName,
  label,
  nodePairs,
  path,
  portRangeOrOff,
  rateOrOff,
  size,
  someOf,
  textList,
  toggle,
  toggleOrAuto,
  url,
  word,
} from "./values.ts";
import { adminOidcSettings } from "./admin_oidc.ts";
import { tierSchema } from "../identity/mod.ts";
import { optional, setting, type Values } from "./setting.ts";
import {
  channelSettings,
  heartbeatSettings,
  logSettings,
  otelSettings,
  upgradeSettings,
  windowSettings,
} from "./shared.ts";
import { tokenVerificationSettings } from "./token_verification.ts";
import { dayMs, hourMs, KiB, MiB } from "./units.ts";

/** Nobody accepts more in a second. */
const maxConnectionRate = 1_000_000;
/** Most blocks in a list of the edge. */
const maxAccessBlocks = 1_024;

/** Lifetimes of what control signs, longer ones leave a stolen token useful for longer; and who verifies tokens. */
const tokenSettings = {
  stage0Ms: setting(
    duration(1000, 600_000),
    "60s",
    "Life of a token that opens a handshake (single use).",
    "DURATION",
  ),
  stage1Ms: setting(
    duration(1000, 600_000),
    "30s",
    "Life of a token that ends an attested handshake.",
    "DURATION",
  ),
  managementMs: setting(duration(60_000, 30 * dayMs), "24h", "Life of a management token.", "DURATION"),
  /** Refreshing goes on until then, and no longer. */
  managementFamilyMs: setting(
    duration(60_000, 365 * dayMs),
    "30d",
    "Time for which a management token and those refreshed out of it are valid.",
    "DURATION",
  ),
  recreateMs: setting(
    duration(60_000, 7 * dayMs),
    "1h",
    "Life of a recreate token when none is asked for.",
    "DURATION",
  ),
  recreateMaxMs: setting(duration(60_000, 30 * dayMs), "7d", "Longest life of a recreate token.", "DURATION"),
  enrollmentMs: setting(
    duration(60_000, 30 * dayMs),
    "1h",
    "Life of a token that lets a machine enrol (single use) when none is asked for.",
    "DURATION",
  ),
  /** Also how long a used token id is remembered past its expiry. */
  clockSkewMs: setting(duration(0, 300_000), "30s", "Difference of clocks that is forgiven.", "DURATION"),
  ...tokenVerificationSettings,
} as const;

/** Who is believed. An agent with a key in a file proves only that it is the same one as before. */
const attestationSettings = {
  rootsDirectory: optional(
    path(),
    "Certificates of TPM manufacturers, in PEM or DER, read with all directories below; read again on SIGHUP.",
    "DIR",
  ),
  revocationsFile: optional(
    path(),
    "Certificates and keys of TPMs that are not trusted any more, in JSON; read again on SIGHUP.",
    "FILE",
  ),
  tiers: setting(
    someOf(...tierSchema.options),
    tierSchema.options.join(","),
    "Kinds of agents that are admitted: those that attest with a TPM, those with a key in a file (weaker).",
    tierSchema.options.join(","),
  ),
  requirePolicy: setting(
    toggle(),
    "false",
    "Whether machines with a TPM are refused as long as no policy is assigned to them.",
    "BOOL",
  ),
} as const;

/** Lifetimes of what nodes are known by. A stolen key is good for as long, unless it is revoked; each renewal is two writes. */
const identitySettings = {
  connectorMs: setting(duration(60_000, 30 * dayMs), "5m", "Life of a connector's certificate.", "DURATION"),
  tunnelerMs: setting(duration(60_000, 30 * dayMs), "30m", "Life of a tunneler's certificate.", "DURATION"),
  nodeMs: setting(
    duration(60_000, 30 * dayMs),
    "24h",
    "Life of the certificate of an edge or a control.",
    "DURATION",
  ),
  /** Connectors may be off for longer than five minutes. */
  graceMs: setting(
    duration(0, 30 * dayMs),
    "24h",
    "Time after its end for which a certificate's key still renews it; then the node has to be enrolled again.",
    "DURATION",
  ),
  publishMs: setting(
    duration(1_000, 7 * dayMs),
    "10m",
    "Time for which a new authority of nodes is published before it issues.",
    "DURATION",
  ),
} as const;

/** Everything that a peer could make grow has a number. */
const edgeLimitSettings = {
  /** About 8 KiB a plain connection, 30 KiB with TLS: 300 MB when full. */
  maxViewerConnections: setting(
    count(1, 1_000_000),
    "10000",
    "Viewer connections at the same time.",
    "COUNT",
  ),
  maxConnectionsPerAddress: setting(
    count(1, 1_000_000),
    "512",
    "Connections from one address at the same time.",
    "COUNT",
  ),
  /** 120 bytes an address, at most 65,536 addresses: 8 MB when full. */
  connectionRatePerAddress: setting(
    rateOrOff(maxConnectionRate),
    "off",
    "New connections from one address (IPv6: one /64), to all services and control; counted for nobody's proxy.",
    "COUNT/s|m|h|off",
  ),
  connectionBurstPerAddress: optional(
    count(1, 1_000_000),
    "How many of them may come at once; the count of the rate when absent.",
    "COUNT",
  ),
  /** About 100 KiB an idle agent: buffers of one channel. */
  maxAgents: setting(count(1, 100_000), "1000", "Established agent channels at the same time.", "COUNT"),
  /** So that no owner keeps all others' agents out. Without a token, the address counts as the owner. */
  maxAgentsPerOwner: setting(
    count(1, 100_000),
    "500",
    "Established agent channels of one owner at the same time.",
    "COUNT",
  ),
  /** Each may cost one key agreement (0.2 ms of CPU) before it proves anything. */
  maxUnauthenticatedChannels: setting(
    count(1, 100_000),
    "256",
    "Channels that have not proved themselves yet.",
    "COUNT",
  ),
  /** About 300 bytes a stream without queued data. */
  maxStreamsPerChannel: setting(count(1, 1_048_576), "16384", "Open streams in one channel.", "COUNT"),
  ...windowSettings,
  /** Memory of the process, beside its buffers. From three quarters of it on, services that hold much get no new streams. */
  maxUnreadBytes: setting(
    size(4 * MiB, 64 * 1024 * MiB),
    "256MiB",
    "Bytes of all channels that viewers have not taken yet, and of HTTP/2 requests that services have not.",
    "SIZE",
  ),
  /** Refused with 431 before more is buffered. A head has to fit into the buffer that it is read into. */
  maxHeadBytes: setting(size(KiB, 63 * KiB), "63KiB", "Request head.", "SIZE"),
  maxHeaders: setting(count(8, 1000), "128", "Header fields in one head.", "COUNT"),
  maxTargetBytes: setting(size(256, 64 * KiB), "16KiB", "Request target (path and query).", "SIZE"),
  /** Bodies stream: the number bounds control requests only, which are read whole. */
  maxControlBodyBytes: setting(
    size(KiB, 16 * MiB),
    "256KiB",
    "Body of a request to the control plane.",
    "SIZE",
  ),
  /** Each may hold a request at the agent; a window of 64 KiB for each, 1 MiB for all of a connection. */
  maxConcurrentHttp2Streams: setting(
    count(1, 1_000),
    "128",
    "Requests at the same time on one HTTP/2 connection.",
    "COUNT",
  ),
  maxHttp2RequestsPerAddress: setting(
    count(1, 1_000_000),
    "2048",
    "HTTP/2 requests from one address (IPv6: one /64) at the same time, over all its connections.",
    "COUNT",
  ),
  requestsPerConnection: setting(count(1, 1_000_000), "10000", "Requests on one viewer connection.", "COUNT"),
  maxTunnelsPerOwner: setting(count(1, 1_000_000), "100", "Tunnels of one owner.", "COUNT"),
  maxAnonymousTunnels: setting(count(1, 1_000_000), "10000", "Anonymous tunnels, all together.", "COUNT"),
  maxAgentsPerTunnel: setting(
    count(1, 10_000),
    "64",
    "Agents that may ever prove themselves for one tunnel.",
    "COUNT",
  ),
  /** About 6 KiB a machine in the database. */
  maxNodes: setting(count(1, 1_000_000), "10000", "Nodes that have an identity of their own.", "COUNT"),
  maxMachines: setting(count(1, 1_000_000), "10000", "Machines that are enrolled by their TPM.", "COUNT"),
  /** About 3 KiB a flow here, and a socket at its agent. */
  maxUdpFlows: setting(
    count(1, 1_000_000),
    "10000",
    "Flows of udp services at the same time.",
    "COUNT",
  ),
  maxUdpFlowsPerAddress: setting(
    count(1, 1_000_000),
    "512",
    "Udp flows from one address at the same time.",
    "COUNT",
  ),
  /** Senders' addresses can be made up: new flows are what such a flood costs. */
  udpFlowsPerSecond: setting(
    count(1, 1_000_000),
    "1000",
    "New flows of one udp service in a second.",
    "COUNT",
  ),
  maxTunnelsPerAddress: setting(
    count(1, 10_000),
    "32",
    "Anonymous tunnels created from one address.",
    "COUNT",
  ),
} as const;

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

/** Nobody holds a connection for free. */
const edgeTimeoutSettings = {
  peekMs: setting(
    duration(100, 300_000),
    "15s",
    "First bytes of a new connection, a whole TLS ClientHello included.",
    "DURATION",
  ),
  tlsHandshakeMs: setting(duration(100, 300_000), "15s", "TLS handshake.", "DURATION"),
  requestHeadMs: setting(
    duration(100, 300_000),
    "15s",
    "Whole request head after its first byte.",
    "DURATION",
  ),
  idleKeepAliveMs: setting(
    duration(100, hourMs),
    "75s",
    "Idle viewer connection between two requests.",
    "DURATION",
  ),
  /** Ends with the answer's first byte: from then on body and answer may take turns. */
  requestBodyMs: setting(
    duration(100, hourMs),
    "60s",
    "Viewer that sends nothing of the body it announced.",
    "DURATION",
  ),
  originResponseMs: setting(duration(100, hourMs), "60s", "Response head from the service.", "DURATION"),
  /** What a slow reader holds is bounded, but it holds it only as long as it reads on. */
  viewerStallMs: setting(
    duration(1000, hourMs),
    "60s",
    "Viewer that takes nothing of its response.",
    "DURATION",
  ),
  /** A connection that is closed at once is reset, and takes the answer away from a viewer that is sending still. */
  lingerMs: setting(
    duration(100, 60_000),
    "1s",
    "Reading on for a viewer that is still sending when its answer is complete.",
    "DURATION",
  ),
  /** Long polls and upgraded connections send something at least this often, or are cut. */
  streamIdleMs: setting(duration(1000, dayMs), "1h", "Stream without bytes in either direction.", "DURATION"),
} as const;

/** How long a proof of a machine is good for. Each further one costs a quote of its TPM: about a second of that. */
const reauthSettings = {
  intervalMs: setting(
    duration(0, dayMs),
    "300s",
    "Time after which an agent has to prove itself again, up to a fifth longer; 0 = never.",
    "DURATION",
  ),
  graceMs: setting(
    duration(500, hourMs),
    "10s",
    "Time for the proof; traffic goes on meanwhile. In whole seconds, rounded up.",
    "DURATION",
  ),
  /** Until then a machine that was taken over is not noticed while the authorizer is down. */
  maintenanceCapMs: setting(
    duration(0, dayMs),
    "1800s",
    "Most time that proofs are put off while the authorizer is not well; 0 = none.",
    "DURATION",
  ),
  authorizerStatusUri: optional(
    url("https"),
    "Where edges ask how the authorizer is, before they ask an agent: 200 within 5 s means well.",
    "URL",
  ),
  authorizerHosts: setting(
    textList(64, 253, "host names"),
    "",
    "Further hosts that this edge asks how they are, where tokens of other issuers name them.",
    "HOST,...",
  ),
  authorizerCaFile: optional(
    path(),
    "Authorities in PEM that are trusted for that, besides the machine's own.",
    "FILE",
  ),
} as const;

/** New sessions of one agent push out old ones; this stops two of them from fighting. */
const replacementSettings = {
  maxCount: setting(count(1, 1000), "5", "Replacements of one agent's session within the window.", "COUNT"),
  windowMs: setting(duration(100, hourMs), "10s", "Window of the replacement limit.", "DURATION"),
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
  adminOidc: adminOidcSettings,
  nodes: {
    listen: setting(
      addressOrOff(),
      "off",
      "Address for connectors and tunnelers, by mutual TLS; off = none.",
      "HOST:PORT|off",
    ),
    pairs: setting(
      nodePairs(10_000),
      "*/*",
      "Which tunnelers may come to which connectors; a star stands for every one that is enrolled.",
      "CONNECTOR/TUNNELER,...",
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

/** Whether viewers are told to come by https to what ends at the edge. */
function isPublicUrlSecure({ publicUrlScheme, tls }: Pick<EdgeConfig, "publicUrlScheme" | "tls">): boolean {
  return publicUrlScheme === "auto" ? tls.certFile !== null : publicUrlScheme === "https";
}

type UrlConfig = Pick<EdgeConfig, "publicHost" | "publicUrlPort" | "publicUrlScheme" | "tls">;

/** What is the same in every URL that this edge hands out; `boundPort` is the port really listened on. */
export function publicUrlOf(
  config: UrlConfig,
  name: string,
  boundPort: number,
  secure: boolean = isPublicUrlSecure(config),
): string {
  return urlOf(config, `${name}.${config.publicHost}`, boundPort, secure);
}

/** Where people reach control. */
export function controlUrlOf(config: UrlConfig, boundPort: number): string {
  return urlOf(config, config.publicHost, boundPort, isPublicUrlSecure(config));
}

function urlOf(config: UrlConfig, host: string, boundPort: number, secure: boolean): string {
  const port = config.publicUrlPort ?? boundPort;
  const suffix = port === (secure ? 443 : 80) ? "" : `:${port}`;
  return `${secure ? "https" : "http"}://${host}${suffix}`;
}
