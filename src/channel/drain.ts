/**
 * The orderly end of a channel: either side says GOAWAY, the other answers with its own. Once both have, neither opens a
 * stream any more, and the channel is closed when none is open.
 */
import { resetNumber, type ResetReason, resetReason } from "../wire/mod.ts";

/** Payload of GOAWAY: why (16 bits), and after how many ms open streams are cut (32 bits). */
const GOAWAY_BYTES = 6;

export class Drain {
  /** Monotonic time at which open streams are cut; Infinity while nobody drains. */
  deadline = Infinity;
  #sent = false;
  #received = false;

  get sent(): boolean {
    return this.#sent;
  }
  /** Whether the peer knows that no further stream is taken. */
  get received(): boolean {
    return this.#received;
  }
  /** Both sides know that no further stream comes. */
  get isAgreed(): boolean {
    return this.#sent && this.#received;
  }

  /** The GOAWAY to be sent now. */
  goaway(reason: ResetReason, deadlineMs: number): Uint8Array {
    this.#sent = true;
    const payload = new Uint8Array(GOAWAY_BYTES);
    const view = new DataView(payload.buffer);
    view.setUint16(0, resetNumber(reason));
    view.setUint32(2, Math.min(deadlineMs, 0xffff_ffff));
    return payload;
  }

  /** The peer's GOAWAY, of the length that its type has. */
  read(payload: Uint8Array): { reason: ResetReason; deadlineMs: number } {
    this.#received = true;
    const view = new DataView(payload.buffer, payload.byteOffset, GOAWAY_BYTES);
    return { reason: resetReason(view.getUint16(0)), deadlineMs: view.getUint32(2) };
  }
}
