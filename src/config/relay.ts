/** What bounds the relay of private channels. Its connections count as viewer connections as well. */
import { count, duration, size } from "./values.ts";
import { setting } from "./setting.ts";
import { GiB, MiB } from "./units.ts";

export const relaySettings = {
  /** About 1 KiB a quiet connection, 30 KiB with TLS. */
  maxConnections: setting(
    count(1, 1_000_000),
    "8000",
    "Connections of endpoints of private channels at the same time, attached or not.",
    "COUNT",
  ),
  maxConnectionsPerAddress: setting(
    count(1, 1_000_000),
    "256",
    "Such connections from one address (IPv6: one /64) at the same time.",
    "COUNT",
  ),
  maxChannels: setting(count(1, 1_000_000), "4000", "Private channels at the same time.", "COUNT"),
  maxWaiting: setting(
    count(1, 1_000_000),
    "1000",
    "Private channels at the same time whose other half has not come.",
    "COUNT",
  ),
  maxChannelsPerTenant: setting(
    count(1, 1_000_000),
    "500",
    "Private channels of one owner at the same time.",
    "COUNT",
  ),
  attachMs: setting(
    duration(100, 300_000),
    "10s",
    "Time from the upgrade to a token that holds.",
    "DURATION",
  ),
  maxChannelBytes: setting(
    size(MiB, 1_048_576 * GiB),
    "1024GiB",
    "Bytes that one private channel passes, both ways together; then it is closed.",
    "SIZE",
  ),
  maxTenantBytesPerHour: setting(
    size(MiB, 1_048_576 * GiB),
    "10240GiB",
    "Bytes that all private channels of one owner pass in an hour; then they are closed.",
    "SIZE",
  ),
  /** Bulk needs 256 KiB each way; without it a channel waits. */
  maxBufferedBytes: setting(
    size(MiB, 64 * GiB),
    "256MiB",
    "Bytes that private channels which move much are read into.",
    "SIZE",
  ),
  maxTenantBufferedBytes: setting(size(MiB, 64 * GiB), "64MiB", "Of these, those of one owner.", "SIZE"),
} as const;
