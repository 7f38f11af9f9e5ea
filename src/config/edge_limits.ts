/** What bounds an edge: counts, sizes and rates. */
import { count, duration, rateOrOff, size } from "./values.ts";
import { optional, setting } from "./setting.ts";
import { windowSettings } from "./shared.ts";
import { hourMs, KiB, MiB } from "./units.ts";

/** Nobody accepts more in a second. */
const maxConnectionRate = 1_000_000;

/** Everything that a peer could make grow has a number. */
export const edgeLimitSettings = {
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

/** New sessions of one agent push out old ones; this stops two of them from fighting. */
export const replacementSettings = {
  maxCount: setting(count(1, 1000), "5", "Replacements of one agent's session within the window.", "COUNT"),
  windowMs: setting(duration(100, hourMs), "10s", "Window of the replacement limit.", "DURATION"),
} as const;
