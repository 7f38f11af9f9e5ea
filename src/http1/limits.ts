/** What a head may cost before it is refused. */
export interface HeadLimits {
  /** Longest request target as it is written. */
  readonly maxTargetBytes: number;
  /** Longest head: first line, field lines and the empty line. */
  readonly maxHeadBytes: number;
  /** Most field lines. */
  readonly maxHeaders: number;
}

/** What a body's framing may cost; the body's own length is the caller's to bound. */
export interface BodyLimits {
  /** Largest size that one chunk may declare. */
  readonly maxChunkBytes: number;
  /** Longest extension of one chunk. */
  readonly maxChunkExtensionBytes: number;
  /** Extensions of all chunks of a body together. */
  readonly maxChunkExtensionTotalBytes: number;
  /** Longest trailer section. */
  readonly maxTrailerBytes: number;
  /** Most trailer lines. */
  readonly maxTrailers: number;
}

export const HEAD_LIMITS: HeadLimits = Object.freeze({
  maxTargetBytes: 8 * 1024,
  maxHeadBytes: 32 * 1024,
  maxHeaders: 100,
});

export const BODY_LIMITS: BodyLimits = Object.freeze({
  maxChunkBytes: 2 ** 40,
  maxChunkExtensionBytes: 256,
  maxChunkExtensionTotalBytes: 16 * 1024,
  maxTrailerBytes: 8 * 1024,
  maxTrailers: 32,
});

/** Longest method: the longest registered one has 17 letters. */
export const MAX_METHOD_LENGTH = 24;
/** Interim responses before the final one; a server sends one or two. */
export const MAX_INTERIM_RESPONSES = 16;
