/** One direction's record key: how much it has sealed, and when it must change (Noise REKEY, a one-way step). */
import { PosternError } from "../errors/mod.ts";
import type { KeyHandle, SealingCore } from "../ports/mod.ts";

/** When a sender changes its key. The receiver allows twice as much before it calls the peer overdue. */
export interface RekeyLimits {
  readonly records: number;
  readonly bytes: number;
  readonly ms: number;
}

/** 2^20 records or 8 GiB or ten minutes: far below what ChaCha20-Poly1305 could stand, cheap enough not to notice. */
export const REKEY_LIMITS: RekeyLimits = Object.freeze({
  records: 1_048_576,
  bytes: 8_589_934_592,
  ms: 600_000,
});

const MAX_EPOCH = 0xffff;

export class RecordKey {
  #handle: KeyHandle;
  epoch = 0;
  readonly #core: SealingCore;
  readonly #limits: RekeyLimits;
  #records = 0;
  #bytes = 0;
  #since: number;

  constructor(core: SealingCore, key: Uint8Array, limits: RekeyLimits, now: number) {
    this.#core = core;
    this.#handle = core.importKey(key);
    this.#limits = limits;
    this.#since = now;
  }

  get handle(): KeyHandle {
    return this.#handle;
  }

  /** Books one record of `bytes` bytes. */
  count(bytes: number): void {
    this.#records++;
    this.#bytes += bytes;
  }

  /** Whether the key has done `times` what the limits allow. */
  isWorn(now: number, times = 1): boolean {
    return this.#records >= this.#limits.records * times || this.#bytes >= this.#limits.bytes * times ||
      (this.#records > 0 && now - this.#since >= this.#limits.ms * times);
  }

  /** Steps to the next epoch; what was sealed before cannot be opened with the new key. */
  advance(now: number): void {
    if (this.epoch === MAX_EPOCH) {
      throw new PosternError("record_bad_epoch", "Cannot change record key: the epochs are used up");
    }
    this.#core.rekey(this.#handle);
    this.#begin(this.epoch + 1, now);
  }

  /**
   * Puts another key, 32 bytes, in place of its own: one that the two sides have agreed on anew. Both know the record behind
   * which that is, so that the epochs may begin again behind the last one.
   */
  replace(key: Uint8Array, now: number): void {
    this.#core.wipeKey(this.#handle); // first: a channel has its two slots and no third
    this.#handle = this.#core.importKey(key);
    this.#begin((this.epoch + 1) & MAX_EPOCH, now);
  }

  wipe(): void {
    this.#core.wipeKey(this.#handle);
  }

  #begin(epoch: number, now: number): void {
    this.epoch = epoch;
    this.#records = 0;
    this.#bytes = 0;
    this.#since = now;
  }
}
