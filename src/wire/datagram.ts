/**
 * Datagrams on a stream: each stands behind its length, so that boundaries survive. A datagram of a udp flow may lie in
 * one DATA frame with others, or in several; frames mean nothing to it.
 *
 * ```
 *  0                 2
 *  +-----------------+---- ... ----+
 *  | length u16 BE   | payload     |   0 to 65,507 bytes; greater lengths are reserved
 *  +-----------------+---- ... ----+
 * ```
 */
import { PosternError } from "../errors/mod.ts";

/** Longest datagram: 65,535 less the headers of IPv4 and UDP. */
export const MAX_DATAGRAM_BYTES = 65_507;
/** In front of each. */
export const DATAGRAM_HEADER_BYTES = 2;

/** First room for a datagram whose rest is still to come. */
const FIRST_PART_BYTES = 2_048;

/** A datagram as it goes onto a stream. RangeError above {@link MAX_DATAGRAM_BYTES}. */
export function frameDatagram(payload: Uint8Array): Uint8Array<ArrayBuffer> {
  if (payload.length > MAX_DATAGRAM_BYTES) throw new RangeError(`datagram of ${payload.length} bytes`);
  const framed = new Uint8Array(DATAGRAM_HEADER_BYTES + payload.length);
  framed[0] = payload.length >>> 8;
  framed[1] = payload.length;
  framed.set(payload, DATAGRAM_HEADER_BYTES);
  return framed;
}

/** Finds the datagrams in the bytes of a stream, however these are cut. */
export class DatagramReader {
  /** An incomplete datagram with its header; grows with what has come, not with what was announced. */
  #part = new Uint8Array(0);
  #held = 0;

  /** Bytes kept of a datagram that is not complete. */
  get held(): number {
    return this.#held;
  }

  /**
   * Takes the bytes at `[start, end)` and shows every datagram that they complete; the view is valid during the call only.
   * @throws PosternError `datagram_bad_length`: nothing behind it can be understood
   */
  push(buffer: Uint8Array, start: number, end: number, onDatagram: (payload: Uint8Array) => void): void {
    let at = start;
    while (at < end) {
      if (this.#held > 0) {
        at = this.#complete(buffer, at, end, onDatagram);
        continue;
      }
      if (end - at < DATAGRAM_HEADER_BYTES) return this.#keep(buffer, at, end);
      const next = at + DATAGRAM_HEADER_BYTES + lengthAt(buffer, at);
      if (next > end) return this.#keep(buffer, at, end);
      onDatagram(buffer.subarray(at + DATAGRAM_HEADER_BYTES, next));
      at = next;
    }
  }

  /** Adds to the kept part what it lacks, as far as it is there; returns where the rest begins. */
  #complete(buffer: Uint8Array, at: number, end: number, onDatagram: (payload: Uint8Array) => void): number {
    if (this.#held < DATAGRAM_HEADER_BYTES) {
      this.#keep(buffer, at, at + 1);
      at++;
    }
    const whole = DATAGRAM_HEADER_BYTES + lengthAt(this.#part, 0);
    const next = Math.min(at + whole - this.#held, end);
    this.#keep(buffer, at, next);
    if (this.#held < whole) return next;
    const part = this.#part;
    this.#part = new Uint8Array(0);
    this.#held = 0;
    onDatagram(part.subarray(DATAGRAM_HEADER_BYTES, whole));
    return next;
  }

  #keep(buffer: Uint8Array, start: number, end: number): void {
    const held = this.#held + end - start;
    if (held > this.#part.length) {
      const larger = Math.min(
        Math.max(FIRST_PART_BYTES, 2 * held),
        DATAGRAM_HEADER_BYTES + MAX_DATAGRAM_BYTES,
      );
      const part = new Uint8Array(larger);
      part.set(this.#part.subarray(0, this.#held));
      this.#part = part;
    }
    this.#part.set(buffer.subarray(start, end), this.#held);
    this.#held = held;
  }
}

function lengthAt(buffer: Uint8Array, at: number): number {
  const length = (buffer[at] << 8) | buffer[at + 1];
  if (length > MAX_DATAGRAM_BYTES) {
    throw new PosternError("datagram_bad_length", `Cannot read datagram: length ${length}`);
  }
  return length;
}
