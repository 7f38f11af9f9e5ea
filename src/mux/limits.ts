/** Numbers that both ends of a channel must share, and each side's own bounds. */
export interface MuxLimits {
  /** Credit of a new stream, both directions. Fixed by the protocol version. */
  readonly streamWindowBytes: number;
  /** Largest window that a stream grows to. Costs up to this much memory for a stalled reader. */
  readonly maxStreamWindowBytes: number;
  /** Credit of the channel, all streams together. The bound on memory that one peer can hold. */
  readonly channelWindowBytes: number;
  /** Streams that the peer may have open at once. */
  readonly maxStreams: number;
  /** Control frames (pongs, resets, credit) that may wait to be sent; more is a flood. */
  readonly maxWaitingControl: number;
}

export const MUX_LIMITS: MuxLimits = Object.freeze({
  streamWindowBytes: 262_144,
  maxStreamWindowBytes: 16_777_216,
  channelWindowBytes: 134_217_728,
  maxStreams: 16_384,
  maxWaitingControl: 65_536,
});
