/** Numbers that both ends of a channel share, and each side's own bounds. */

/** Credit of a new stream in both directions. Fixed by the protocol version: both ends count from it. */
export const STREAM_WINDOW_BYTES = 262_144;
/** Credit of a new channel in both directions; a receiver that allows more says so with its first CREDIT frame. */
export const CHANNEL_WINDOW_BYTES = 4_194_304;
/** Longest HTTP trailer section that ends a stream. */
export const MAX_TRAILER_BYTES = 16_384;

export interface MuxLimits {
  /** Largest window that a stream grows to. A stalled reader costs up to this much memory. */
  readonly maxStreamWindowBytes: number;
  /** Window of the channel, all streams together, at least {@link CHANNEL_WINDOW_BYTES}: the most one peer can hold. */
  readonly channelWindowBytes: number;
  /** Streams that the peer may have open at once. */
  readonly maxStreams: number;
  /** Control frames (pongs, resets, credit) that may wait to be sent; more is a flood. */
  readonly maxWaitingControl: number;
}

export const MUX_LIMITS: MuxLimits = Object.freeze({
  maxStreamWindowBytes: 16_777_216,
  channelWindowBytes: 33_554_432,
  maxStreams: 16_384,
  maxWaitingControl: 65_536,
});
