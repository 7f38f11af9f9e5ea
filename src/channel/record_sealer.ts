/** Seals frames into transport records, in place in the core's memory. */
import type { SealingCore } from "../ports/mod.ts";
import { RECORD_HEADER_BYTES, RECORD_TAG_BYTES, RecordKind, writeRecordHeader } from "../wire/mod.ts";
import { RecordKey, type RekeyLimits } from "./record_key.ts";

export class RecordSealer {
  readonly #core: SealingCore;
  readonly #key: RecordKey;

  /** @param key 32 bytes, copied into the core */
  constructor(core: SealingCore, key: Uint8Array, limits: RekeyLimits, now: number) {
    this.#core = core;
    this.#key = new RecordKey(core, key, limits, now);
  }

  get epoch(): number {
    return this.#key.epoch;
  }

  /**
   * Seals the record that starts at `start` of the core's memory and whose frames end at `bodyEnd`.
   * Returns the record's end, behind the tag.
   */
  seal(start: number, bodyEnd: number, now: number): number {
    if (this.#key.isWorn(now)) this.#key.advance(now);
    const body = start + RECORD_HEADER_BYTES;
    writeRecordHeader(this.#core.memory, start, RecordKind.transport, this.#key.epoch);
    this.#key.count(bodyEnd - body);
    this.#core.seal(this.#key.handle, start, RECORD_HEADER_BYTES, body, bodyEnd - body);
    return bodyEnd + RECORD_TAG_BYTES;
  }

  /** The key that the records that follow are sealed with. @param key 32 bytes, copied into the core */
  replaceKey(key: Uint8Array, now: number): void {
    this.#key.replace(key, now);
  }

  wipe(): void {
    this.#key.wipe();
  }
}
