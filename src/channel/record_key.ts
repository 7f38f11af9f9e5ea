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
  readonly handle: KeyHandle;
  epoch = 0;
  readonly #core: SealingCore;
  readonly #limits: RekeyLimits;
  #records = 0;
  #bytes = 0;
  #since: number;

  constructor(core: SealingCore, key: Uint8Array, limits: RekeyLimits, now: number) {
    this.#core = core;
    this.handle = core.importKey(key);
    this.#limits = limits;
    this.#since = now;
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
    this.#core.rekey(this.handle);
    this.epoch++;
    this.#records = 0;
    this.#bytes = 0;
    this.#since = now;
  }

  wipe(): void {
    this.#core.wipeKey(this.handle);
  }
}
