/** Messages of a handshake that wait to go out, each as a record of its own. */
import { RECORD_HEADER_BYTES, RecordKind, writeRecordHeader } from "../wire/mod.ts";

export class HandshakeRecords {
  readonly #out: Uint8Array[] = [];

  get hasOutput(): boolean {
    return this.#out.length > 0;
  }

  push(message: Uint8Array): void {
    this.#out.push(message);
  }

  /** Writes the next message as a whole record at `start`, and returns its end. Call when {@link hasOutput}. */
  fill(buffer: Uint8Array, start: number): number {
    const message = this.#out.shift()!;
    const body = start + RECORD_HEADER_BYTES;
    writeRecordHeader(buffer, start, RecordKind.handshake, 0);
    buffer.set(message, body);
    return body + message.length;
  }
}
