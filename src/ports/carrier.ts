/** What carries records between two nodes: a byte stream, and a framing that tells one record from the next. */

/** One connected socket, or an in-memory stand-in for it. At most one read and one write are in flight. */
export interface ByteStream {
  /** Reads some bytes into the view; null at end of stream. */
  read(into: Uint8Array): Promise<number | null>;
  /** Writes some bytes from the view and says how many; the view must stay untouched until then. */
  write(from: Uint8Array): Promise<number>;
  /** Half-close: no more bytes will be written, reading goes on. */
  closeWrite(): Promise<void>;
  /** Closes both directions at once. Idempotent, never throws. */
  close(): void;
  /** `address:port` of the other end, for logs and limits. */
  readonly remoteAddress: string;
  /** `address:port` of this end, as the other one asked for it; absent where nobody knows. */
  readonly localAddress?: string;
}

/**
 * What {@link MessageFraming.next} found: a whole `message` at `[messageStart, messageEnd)`; `incomplete`, more bytes
 * are needed; a `control` frame was taken and `takeReply()` may hold an answer; the peer `closed` in an orderly way.
 * After message and control, parsing goes on at `nextStart`.
 */
export type FramingResult = "message" | "incomplete" | "control" | "closed";

/**
 * Sans-IO framing of binary messages over a byte stream, in place in the caller's buffer.
 * Throws `PosternError` (blame: peer) on a violation; the connection is then to be closed.
 */
export interface MessageFraming {
  /** Most bytes that a header in front of a message takes. */
  readonly headerBytes: number;
  /** Longest message that is sent or accepted. */
  readonly maxMessageBytes: number;
  /**
   * Frames the message at `[start, end)`; the `headerBytes` before `start` are free to use. On return the wire bytes
   * begin at `start - headerBytes` (the message may have been moved down to meet a shorter header) and end at the
   * returned offset.
   */
  frame(buffer: Uint8Array, start: number, end: number): number;
  /** Looks for the next message in `[start, end)` of the buffer, unmasking in place. */
  next(buffer: Uint8Array, start: number, end: number): FramingResult;
  readonly messageStart: number;
  readonly messageEnd: number;
  readonly nextStart: number;
  /** Why the peer closed, in its own words, once it did. Not authenticated. */
  readonly peerReason: string | undefined;
  /** Wire bytes that the framing itself owes the peer (pong, close), or null. */
  takeReply(): Uint8Array | null;
  /** Wire bytes of an orderly close. */
  closing(code: number, reason: string): Uint8Array;
}
