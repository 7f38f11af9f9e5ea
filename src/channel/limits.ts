/** Everything about a channel that an operator may set. */
import { MUX_LIMITS, type MuxLimits } from "../mux/mod.ts";
import { HEARTBEAT_LIMITS, type HeartbeatLimits } from "./heartbeat.ts";
import { REKEY_LIMITS, type RekeyLimits } from "./record_key.ts";

export interface ChannelLimits {
  /** Longest time for each step of the handshake. */
  readonly stepMs: number;
  readonly heartbeat: HeartbeatLimits;
  readonly rekey: RekeyLimits;
  readonly mux: MuxLimits;
  /** Records are filled up to length buckets; not unless said. */
  readonly padding?: boolean;
}

export const CHANNEL_LIMITS: ChannelLimits = Object.freeze({
  stepMs: 10_000,
  heartbeat: HEARTBEAT_LIMITS,
  rekey: REKEY_LIMITS,
  mux: MUX_LIMITS,
});
