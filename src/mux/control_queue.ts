/** Control frames of a channel that wait to be sent, in order and before all data. */
import { PosternError } from "../errors/mod.ts";
import {
  FRAME_HEADER_BYTES,
  FRAME_TABLE,
  FrameType,
  openingBytes,
  resetNumber,
  type ResetReason,
  type StreamOpening,
  writeFrameHeader,
  writeOpening,
} from "../wire/mod.ts";

export class ControlQueue {
  readonly #most: number;
  readonly #wake: () => void;
  #frames: Uint8Array[] = [];
  #flooded = false;

  /** @param most frames that may wait  @param wake there is something to send */
  constructor(most: number, wake: () => void) {
    this.#most = most;
    this.#wake = wake;
  }

  get isEmpty(): boolean {
    return this.#frames.length === 0;
  }
  get isFull(): boolean {
    return this.#frames.length >= this.#most;
  }
  /** Whether a frame found no room: the channel is over. */
  get isFlooded(): boolean {
    return this.#flooded;
  }

  /** OPEN. RangeError when the opening does not fit its frame. */
  open(id: number, opening: StreamOpening): void {
    const frame = frameOf(FrameType.open, id, openingBytes(opening));
    writeOpening(frame, FRAME_HEADER_BYTES, opening);
    this.#push(frame);
  }

  reset(id: number, reason: ResetReason): void {
    const frame = frameOf(FrameType.reset, id, 2);
    writeNumber(frame, FRAME_HEADER_BYTES, resetNumber(reason), 2);
    this.#push(frame);
  }

  /** CREDIT of the channel. */
  credit(bytes: number): void {
    const frame = new Uint8Array(CREDIT_FRAME_BYTES);
    writeCredit(frame, 0, 0, bytes);
    this.#push(frame);
  }

  /** A frame of the channel itself. RangeError when it is longer than its type allows. */
  channelFrame(type: FrameType, payload: Uint8Array): void {
    const { name, maxBytes } = FRAME_TABLE[type];
    if (payload.length > maxBytes) {
      throw new RangeError(`${payload.length} bytes in ${name}, which takes ${maxBytes}`);
    }
    const frame = frameOf(type, 0, payload.length);
    frame.set(payload, FRAME_HEADER_BYTES);
    this.#push(frame);
  }

  /** Writes the frames that fit into `[start, limit)` and returns where they end. */
  fill(buffer: Uint8Array, start: number, limit: number): number {
    if (this.#frames.length === 0) return start; // most records: nothing is allocated for them
    let at = start;
    let taken = 0;
    for (const frame of this.#frames) {
      if (at + frame.length > limit) break;
      buffer.set(frame, at);
      at += frame.length;
      taken++;
    }
    if (taken === this.#frames.length) this.#frames = [];
    else if (taken > 0) this.#frames.splice(0, taken);
    return at;
  }

  clear(): void {
    this.#frames = [];
    this.#flooded = false;
  }

  /** What the channel ends with when too many wait. */
  flood(): PosternError {
    return new PosternError(
      "control_flood",
      `Cannot queue control frame: ${this.#frames.length} wait already`,
    );
  }

  #push(frame: Uint8Array): void {
    // Who resets a stream or returns credit is not to blame: the channel is told, by its next receive or fill.
    if (this.isFull) this.#flooded = true;
    else this.#frames.push(frame);
    this.#wake();
  }
}

export const CREDIT_FRAME_BYTES = FRAME_HEADER_BYTES + 4;

/** Writes a CREDIT frame at `at` and returns its end. */
export function writeCredit(buffer: Uint8Array, at: number, id: number, credit: number): number {
  writeFrameHeader(buffer, at, FrameType.credit, 0, 4, id);
  writeNumber(buffer, at + FRAME_HEADER_BYTES, credit, 4);
  return at + CREDIT_FRAME_BYTES;
}

function frameOf(type: FrameType, id: number, payloadBytes: number): Uint8Array {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + payloadBytes);
  writeFrameHeader(frame, 0, type, 0, payloadBytes, id);
  return frame;
}

function writeNumber(buffer: Uint8Array, at: number, number: number, bytes: 2 | 4): void {
  for (let i = 0; i < bytes; i++) buffer[at + i] = number >>> (8 * (bytes - 1 - i));
}
