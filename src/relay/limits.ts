/** What a relay holds at most. Times are in milliseconds. */
export interface RelayLimits {
  /** Connections at the same time, attached or not. */
  readonly maxConnections: number;
  /** Connections of one network (IPv6: a /64) at the same time. */
  readonly maxConnectionsPerAddress: number;
  /** Channels at the same time. */
  readonly maxChannels: number;
  /** Channels at the same time of which a half is missing, or is about to be replaced. */
  readonly maxWaiting: number;
  readonly maxChannelsPerTenant: number;
  /** Time from the connection to a token that holds. */
  readonly attachMs: number;
  /** Bytes that one channel passes in its life, both ways together. */
  readonly maxBytesPerChannel: number;
  /** Bytes that the channels of one tenant pass in {@link tenantWindowMs}, both ways together. */
  readonly maxBytesPerTenant: number;
  readonly tenantWindowMs: number;
  /** Replacements of one channel in {@link replacementWindowMs}. */
  readonly maxReplacements: number;
  readonly replacementWindowMs: number;
}

export const RELAY_LIMITS: RelayLimits = Object.freeze({
  maxConnections: 12_000,
  maxConnectionsPerAddress: 1_024,
  maxChannels: 6_000,
  maxWaiting: 2_000,
  maxChannelsPerTenant: 1_000,
  attachMs: 10_000,
  maxBytesPerChannel: 1_099_511_627_776,
  maxBytesPerTenant: 10_995_116_277_760,
  tenantWindowMs: 3_600_000,
  maxReplacements: 5,
  replacementWindowMs: 10_000,
});
