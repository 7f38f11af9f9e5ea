/** Settings that edge and agent have in common, and what they measure the channel by. */
import { count, duration, label, path, size, text, textList, toggle, url, word } from "./values.ts";
import { optional, setting, unshown } from "./setting.ts";
import { dayMs, GiB, hourMs, KiB, MiB } from "./units.ts";

/** How truthfully and how fast a dead peer is noticed. The edge decides, and tells its agents. */
export const heartbeatSettings = {
  /** One small record each way per interval and channel. */
  intervalMs: setting(
    duration(500, 300_000),
    "10s",
    "Time between two heartbeats on an idle channel.",
    "DURATION",
  ),
  /** Three intervals: one lost heartbeat is no outage; a shorter window flaps on mobile links. */
  offlineMs: setting(
    duration(1000, 900_000),
    "30s",
    "Silence after which a channel counts as dead.",
    "DURATION",
  ),
} as const;

/** Keys of the encrypted channel. */
export const channelSettings = {
  /** ML-KEM-768 adds 2.3 KiB and 0.1 ms to a handshake, and nothing after it. */
  hybrid: setting(
    word("required", "preferred", "off"),
    "required",
    "Post-quantum key exchange: required; preferred = an edge also takes channels without; off = an agent does without.",
    "required|preferred|off",
  ),
  /** A silent peer holds an unauthenticated slot for at most this long per step. */
  handshakeStepMs: setting(duration(500, 60_000), "10s", "Time for each step of the handshake.", "DURATION"),
  /** The earliest of the three triggers new keys. Each rekey costs two key derivations, no round trip. */
  rekey: {
    records: setting(count(1024, 2 ** 32), "1048576", "Records under one key.", "COUNT"),
    bytes: setting(size(MiB, 256 * GiB), "8GiB", "Bytes under one key.", "SIZE"),
    intervalMs: setting(duration(1000, dayMs), "10m", "Time under one key.", "DURATION"),
  },
} as const;

/** Memory that a peer may occupy. The least is what the protocol starts with. */
export const windowSettings = {
  /** The ceiling of one stream's auto-tuned window. */
  maxStreamWindowBytes: setting(
    size(256 * KiB, 256 * MiB),
    "16MiB",
    "Largest receive window of a stream.",
    "SIZE",
  ),
  /** The ceiling over all streams of a channel. */
  maxChannelWindowBytes: setting(
    size(4 * MiB, 1024 * MiB),
    "32MiB",
    "Largest receive window of a channel.",
    "SIZE",
  ),
} as const;

/** Log lines on standard error. */
export const logSettings = {
  format: setting(
    word("text", "json"),
    "text",
    "Log lines for people (text) or machines (json).",
    "text|json",
  ),
  /** debug writes several lines a request: about a tenth of the throughput. */
  level: setting(
    word("debug", "info", "warn", "error"),
    "info",
    "Least severe log lines that are written.",
    "LEVEL",
  ),
} as const;

/** OpenTelemetry. Off by default: an unreachable collector costs most of the throughput. */
export const otelSettings = {
  enabled: setting(toggle(), "false", "Emit OpenTelemetry spans (needs OTEL_DENO=true for export).", "BOOL"),
} as const;

/** `postern upgrade`. Nothing is fetched unless it is run and both a manifest and a key are named. */
export const upgradeSettings = {
  channel: setting(label(), "stable", "Channel of releases that `postern upgrade` takes.", "NAME"),
  pin: optional(
    text("a version"),
    "The only version that `postern upgrade` takes, also an older one; whatever the rollout says.",
    "VERSION",
  ),
  /** May hold the password of a mirror. */
  manifestUrl: unshown(optional(
    url("https", "http", "file"),
    "Signed manifest of the newest release; http from this machine only. Nothing is fetched when absent.",
    "URL",
  )),
  keyFile: optional(path(), "Ed25519 public keys in PEM that releases are signed with.", "FILE"),
  caFile: optional(
    path(),
    "Certificate authorities in PEM that the server of releases may have instead of public ones.",
    "FILE",
  ),
  labels: setting(
    textList(64, 64, "labels"),
    "",
    "Labels of this machine, for releases that are for some labels first.",
    "LABEL,...",
  ),
  restart: optional(
    text("a command"),
    "Command that restarts the service after an upgrade, such as `systemctl restart postern-agent`; run without a shell.",
    "COMMAND",
  ),
  readyTimeoutMs: setting(
    duration(1_000, hourMs),
    "1m",
    "Time for a new version to become ready before the previous one is put back.",
    "DURATION",
  ),
} as const;
