/** Opens transport records in place in the core's memory. Any failure is final for the channel. */
import { PosternError } from "../errors/mod.ts";
import type { SealingCore } from "../ports/mod.ts";
import { readRecordEpoch, RECORD_HEADER_BYTES, RECORD_TAG_BYTES } from "../wire/mod.ts";
import { RecordKey, type RekeyLimits } from "./record_key.ts";

export class RecordOpener {
  readonly #core: SealingCore;
  readonly #key: RecordKey;

  constructor(core: SealingCore, key: Uint8Array, limits: RekeyLimits, now: number) {
    this.#core = core;
    this.#key = new RecordKey(core, key, limits, now);
  }

  /**
   * Opens the record at `[start, end)`; its frames then lie between header and tag. Returns where they end.
   * @throws PosternError `record_bad_epoch`, `record_rekey_overdue`, `record_tag_mismatch`
   */
  open(start: number, end: number, now: number): number {
    const memory = this.#core.memory;
    const epoch = readRecordEpoch(memory, start);
    if (epoch === this.#key.epoch + 1) this.#key.advance(now);
    else if (epoch !== this.#key.epoch) {
      throw new PosternError(
        "record_bad_epoch",
        `Cannot open record: epoch ${epoch} after ${this.#key.epoch}`,
      );
    }
    // Twice the limit: the peer's clock and ours start at different moments, and records may be on the way.
    if (this.#key.isWorn(now, 2)) {
      throw new PosternError(
        "record_rekey_overdue",
        `Cannot open record: the key of epoch ${epoch} is worn out`,
      );
    }
    const body = start + RECORD_HEADER_BYTES;
    const bytes = end - RECORD_TAG_BYTES - body;
    this.#key.count(bytes);
    if (!this.#core.open(this.#key.handle, start, RECORD_HEADER_BYTES, body, bytes)) {
      throw new PosternError("record_tag_mismatch", "Cannot open record: its tag does not hold");
    }
    return body + bytes;
  }

  /** The key that the records that follow were sealed with. @param key 32 bytes, copied into the core */
  replaceKey(key: Uint8Array, now: number): void {
    this.#key.replace(key, now);
  }

  wipe(): void {
    this.#key.wipe();
  }
}
