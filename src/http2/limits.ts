/** What one HTTP/2 connection may cost. Beyond a limit the connection or the stream ends, with the code named here. */
export interface Http2Limits {
  /** Streams at the same time; one more is refused with REFUSED_STREAM. */
  readonly maxConcurrentStreams: number;
  /** Decoded header list, counted as SETTINGS_MAX_HEADER_LIST_SIZE is (RFC 9113 6.5.2): 431 beyond. */
  readonly maxHeaderListBytes: number;
  /** Field lines of one list: 431 beyond. */
  readonly maxHeaders: number;
  /** Streams that the peer resets before their response is whole, in one go and each second: `h2_rapid_reset`. */
  readonly resets: Rate;
  /** Frames that ask for work and bring none (PING, SETTINGS, PRIORITY, empty DATA, refused streams): `h2_control_flood`. */
  readonly controlFrames: Rate;
  /** Unread request bytes of all streams together. */
  readonly connectionWindowBytes: number;
  /** Unread request bytes of one stream: to begin with, and where the origin keeps up. */
  readonly streamWindowBytes: number;
  readonly maxStreamWindowBytes: number;
}

/** How often something may happen. */
export interface Rate {
  readonly burst: number;
  readonly perSecond: number;
}

export const HTTP2_LIMITS: Http2Limits = Object.freeze({
  maxConcurrentStreams: 128,
  maxHeaderListBytes: 64_512,
  maxHeaders: 128,
  resets: { burst: 200, perSecond: 33 },
  controlFrames: { burst: 1_000, perSecond: 100 },
  connectionWindowBytes: 1_048_576,
  streamWindowBytes: 65_535,
  maxStreamWindowBytes: 524_288,
});

/**
 * Longest header block as it is sent, over HEADERS and CONTINUATION together: `h2_header_flood` beyond. Twice what a list
 * may be at most, so that most who send too much are told by 431.
 */
export const MAX_BLOCK_BYTES = 131_072;
/** CONTINUATION frames of one block: `h2_header_flood` beyond. */
export const MAX_CONTINUATIONS = 16;
/** Bytes that wait for the socket before streams are asked for more: their data then waits where its credit counts. */
export const OUTPUT_MARK_BYTES = 131_072;

/** A rate, kept: a bucket that starts full. */
export class Allowance {
  readonly #rate: Rate;
  #left: number;
  #at: number | undefined;

  constructor(rate: Rate) {
    this.#rate = rate;
    this.#left = rate.burst;
  }

  /** Uses one; false when there is none. @param now monotonic, in ms */
  take(now: number): boolean {
    const { burst, perSecond } = this.#rate;
    this.#left = Math.min(burst, this.#left + (now - (this.#at ?? now)) * perSecond / 1_000);
    this.#at = now;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }
}
