/** Settings of an agent: where control is, who the agent is, what it publishes. Each default states its cost. */
import {
  address,
  addresses,
  addressOrOff,
  count,
  duration,
  ipAddress,
  nodeId,
  noProxyRules,
  path,
  pcrs,
  serviceName,
  size,
  targetAddress,
  textList,
  toggle,
  tpmAddressOrOff,
  url,
  urls,
  word,
} from "./values.ts";
import { hostHeader } from "./field_values.ts";
import { ruleSettings } from "./rules.ts";
import { serviceProtocols } from "./protocol.ts";
import { tierSchema } from "../identity/mod.ts";
import { list, optional, setting, unshown, type Values } from "./setting.ts";
import { channelSettings, logSettings, upgradeSettings, windowSettings } from "./shared.ts";
import { ekKinds } from "./tpm_address.ts";
import { dayMs, hourMs, KiB } from "./units.ts";

/** Most services in one agent; the edge may allow fewer. */
const maxServices = 128;
/** Most channels for one service; the edge takes no more. */
const maxCarriers = 8;
/** Most addresses of control. */
const maxControls = 8;
/** Most owners in one list; control takes no more. */
const maxOwners = 64;
/** Most hosts that are taken out of the proxy's way. */
const maxNoProxyRules = 256;

export const serviceSettings = {
  name: optional(
    serviceName(),
    "First label of the public host name, made up by control when absent; *.NAME takes all hosts below NAME.",
    "NAME",
  ),
  protocol: setting(
    word(...serviceProtocols),
    "http",
    "What the service speaks; tls = it ends TLS itself, with a certificate of its own.",
    serviceProtocols.join("|"),
  ),
  target: setting(
    targetAddress(),
    "127.0.0.1:8080",
    "Where the service listens, seen from the agent; a port alone is one of this machine.",
    "HOST:PORT",
  ),
  hostHeader: optional(
    hostHeader(),
    "Host header for the service; the target's own when absent or `rewrite`, `original` = as the viewer sent it.",
    "HOST|rewrite|original",
  ),
  proxyProtocol: setting(
    word("off", "v2"),
    "off",
    "Header before each connection to the service that tells the viewer's address; for tcp and tls.",
    "off|v2",
  ),
  weight: setting(
    count(1, 1000),
    "1",
    "Share of requests when several agents publish the same name.",
    "WEIGHT",
  ),
  requireTier: optional(
    word(...tierSchema.options),
    "Agents that may publish the name: tpm = only such as attest with a TPM; bound-key = any, also with a key in a file " +
      "(weaker). As it was when absent.",
    tierSchema.options.join("|"),
  ),
  private: setting(
    toggle(),
    "false",
    "Whether the service has no public entry: agents reach it by `postern connect`, end to end encrypted.",
    "BOOL",
  ),
  connect: setting(
    textList(maxOwners, 128, "names of owners"),
    "",
    "Owners besides its own who may connect to a private service.",
    "OWNER,...",
  ),
  rules: ruleSettings,
} as const;

export const agentSettings = {
  control: unshown(setting(
    urls(maxControls, "http", "https"),
    "http://127.0.0.1:8080",
    "Control plane, usually the edge itself; of edges that share a database several, the first preferred.",
    "URL,...",
  )),
  caFile: optional(path(), "Extra certificate authorities in PEM for control and edge.", "FILE"),
  tokenFile: optional(path(), "File that holds the management token.", "FILE"),
  tokenRenewal: setting(
    toggle(),
    "true",
    "Whether the token file gets a fresh token at half of its life; false when something else writes it.",
    "BOOL",
  ),
  proxy: unshown(optional(url("http", "https"), "Proxy that reaches control and edge by CONNECT.", "URL")),
  /** Not in the URL: that is seen in process lists and logs. */
  proxyCredentialsFile: optional(path(), "File that holds user:password for the proxy.", "FILE"),
  proxyCaFile: optional(path(), "Extra certificate authorities in PEM for an https:// proxy.", "FILE"),
  /** A proxy elsewhere cannot reach this machine's own loopback. */
  noProxy: setting(
    noProxyRules(maxNoProxyRules),
    "localhost,127.0.0.0/8,::1",
    "Hosts that are reached without the proxy: names with all below them, addresses, blocks; * = all.",
    "HOST,...",
  ),
  stateDirectory: setting(
    path(),
    ".postern",
    "Identity and recreate tokens; made, for this user alone, when absent.",
    "DIR",
    "~/.local/state/postern/agent",
  ),
  identityFile: optional(path(), "Agent key; made in the state directory when absent.", "FILE"),
  tpm: setting(
    tpmAddressOrOff(),
    "off",
    "TPM that proves which machine this is, e.g. /dev/tpmrm0; off = the agent's key is a file.",
    "unix:PATH|tcp:HOST:PORT|DEVICE|stdio|off",
  ),
  tpmEk: optional(
    word(...ekKinds),
    "Which of the TPM's certified keys names this agent; the first of p256, p384, rsa2048 when absent.",
    ekKinds.join("|"),
  ),
  /** A copied state directory opens on no other machine; without a TPM it is as good as the file's permissions. */
  identitySeal: setting(
    word("auto", "tpm", "file"),
    "auto",
    "What keeps the identity of a connector or tunneler in the state directory: a key that only the TPM opens, or the file's " +
      "permissions alone; auto = the TPM where `tpm` names one.",
    "auto|tpm|file",
  ),
  identitySealPcrs: setting(
    pcrs(),
    "none",
    "PCRs of the SHA-256 bank that have to be as they were when the identity was sealed: an update of the firmware may cost a " +
      "new enrollment.",
    "PCR,...|none",
  ),
  adminListen: setting(
    addressOrOff(),
    "127.0.0.1:9091",
    "Address of /metrics, /healthz and /status; off = none. Has no authentication: keep it private.",
    "HOST:PORT|off",
  ),
  /** Of `postern connector` and `postern tunneler`. */
  node: {
    control: setting(
      addresses(16),
      "",
      "Addresses of controls' nodes.listen, in the order of preference.",
      "HOST:PORT,...",
    ),
    listen: setting(
      address(),
      "0.0.0.0:9443",
      "Where a connector waits for tunnelers, by mutual TLS.",
      "HOST:PORT",
    ),
    connector: setting(
      addresses(16),
      "",
      "Connectors that a tunneler comes to, in the order of preference.",
      "HOST:PORT,...",
    ),
    connectorId: optional(
      nodeId(),
      "The only connector that a tunneler takes; any of the cluster when absent.",
      "ID",
    ),
    privateIp: optional(
      ipAddress(),
      "Address of this node in its own network, as it is shown to operators.",
      "IP",
    ),
    enrollmentTokenFile: optional(
      path(),
      "File with the one-time token that gives this node its identity; not looked at once it has one.",
      "FILE",
    ),
  },
  /** Of private channels, at either end. */
  private: {
    listen: optional(
      targetAddress(),
      "Where `postern connect` offers a private service to programs of this machine.",
      "HOST:PORT",
    ),
    /** Who issues grants can put another machine in the place of one that is not pinned. */
    pin: setting(
      textList(64, 64, "fingerprints"),
      "",
      "Fingerprints of which the other endpoint must have one; any when empty.",
      "FINGERPRINT,...",
    ),
    /** Up to twice the bytes for small records, next to nothing for bulk. */
    padding: setting(
      word("off", "buckets"),
      "off",
      "buckets = the relay sees lengths of records rounded up to 128 bytes, 256, 512 and so on.",
      "off|buckets",
    ),
  },
  services: list(serviceSettings, maxServices, "What this agent publishes."),
  /** A thousand agents that lost one edge come back over 30 s instead of at once: full jitter. */
  retry: {
    initialMs: setting(
      duration(10, 600_000),
      "1s",
      "First wait before a new attempt; doubles each time.",
      "DURATION",
    ),
    maxMs: setting(duration(10, hourMs), "30s", "Longest wait before a new attempt.", "DURATION"),
    maxElapsedMs: setting(
      duration(0, 30 * dayMs),
      "0",
      "Give up after this time without a channel; 0 = never.",
      "DURATION",
    ),
  },
  origin: {
    connectMs: setting(duration(10, 300_000), "5s", "Connection to the target.", "DURATION"),
    responseMs: setting(duration(100, hourMs), "60s", "Response head from the target.", "DURATION"),
    /** Below the 75 s of common servers, so that the agent closes first. */
    idleKeepAliveMs: setting(duration(0, hourMs), "55s", "Idle pooled connection to the target.", "DURATION"),
    maxIdleConnections: setting(count(0, 10_000), "512", "Idle pooled connections per target.", "COUNT"),
    maxConnections: setting(count(1, 100_000), "16384", "Connections per target at the same time.", "COUNT"),
    /** A head has to fit into the buffer that it is read into. */
    maxHeadBytes: setting(size(KiB, 63 * KiB), "63KiB", "Response head from the target.", "SIZE"),
  },
  limits: {
    maxStreams: setting(count(1, 1_048_576), "16384", "Open streams in the channel.", "COUNT"),
    ...windowSettings,
  },
  /** Bulk of several viewers over a path that loses packets gains; on a path without loss one is as fast. */
  carriers: setting(
    count(1, maxCarriers),
    "1",
    "Channels side by side for each service; each is proven for itself and counts as an agent at the edge.",
    "COUNT",
  ),
  drainTimeoutMs: setting(
    duration(0, hourMs),
    "30s",
    "Time for open streams to end at shutdown.",
    "DURATION",
  ),
  channel: channelSettings,
  upgrade: upgradeSettings,
  log: logSettings,
} as const;

/** One published service. */
export type ServiceConfig = Values<typeof serviceSettings>;

/** What `startAgent` takes. Durations are milliseconds (`Ms`), sizes bytes (`Bytes`). */
export type AgentConfig = Values<typeof agentSettings>;
