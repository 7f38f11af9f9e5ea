/**
 * What the bench's own client and origin say to each other, behind one port. The first byte of a connection decides:
 *
 * ```
 *   ECHO     every byte comes back, one write for each read
 *   SINK     blocks of BLOCK_BYTES; byte 0 of each: MORE or LAST. After a last one: 8 bytes, big-endian, all that came so far; more may follow
 *   SOURCE   bytes without end, until the client closes
 *   TWICE    for every byte two writes of SMALL_BYTES one after the other
 * ```
 * Nothing relies on half-close: not every tunnel passes it on.
 */
export const ECHO = 1;
export const SINK = 2;
export const SOURCE = 3;
export const TWICE = 4;

export const MORE = 0;
export const LAST = 1;

/** One write of bulk. */
export const BLOCK_BYTES = 262_144;
/** One small write. */
export const SMALL_BYTES = 100;
