/** Waits between attempts: exponential with full jitter, so that a thousand agents do not come back at once. */
import type { Random } from "../ports/mod.ts";

export interface BackoffLimits {
  readonly initialMs: number;
  readonly maxMs: number;
  /** Give up when no attempt has succeeded for this long; 0 = never. */
  readonly maxElapsedMs: number;
}

export class Backoff {
  readonly #limits: BackoffLimits;
  readonly #random: Random;
  #attempts = 0;
  #since = -1;

  constructor(limits: BackoffLimits, random: Random) {
    this.#limits = limits;
    this.#random = random;
  }

  get attempts(): number {
    return this.#attempts;
  }

  /** An attempt failed: milliseconds to wait before the next one, or undefined to give up. */
  next(now: number): number | undefined {
    if (this.#since < 0) this.#since = now;
    if (this.#limits.maxElapsedMs > 0 && now - this.#since >= this.#limits.maxElapsedMs) return undefined;
    const ceiling = Math.min(this.#limits.maxMs, this.#limits.initialMs * 2 ** Math.min(this.#attempts, 30));
    this.#attempts++;
    const bytes = this.#random(4);
    const unit = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0) / 0x1_0000_0000;
    return Math.floor(unit * ceiling);
  }

  /** An attempt succeeded. */
  reset(): void {
    this.#attempts = 0;
    this.#since = -1;
  }
}
