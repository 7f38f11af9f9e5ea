/** Token buckets, one for each client network and group of routes. */
import { networkOf } from "../bytes/mod.ts";
import { PosternError } from "../errors/mod.ts";
import type { RateGroup, RateLimit } from "./config.ts";

/** Most buckets that are kept; about 150 bytes each. */
export const maxBuckets = 20_000;

interface Bucket {
  tokens: number;
  /** Monotonic milliseconds. */
  filledAtMs: number;
}

export class RateLimiter {
  readonly #limits: Readonly<Record<RateGroup, RateLimit>>;
  readonly #now: () => number;
  /** In order of last use: the first is the one that has rested longest. */
  readonly #buckets = new Map<string, Bucket>();

  /** @param now monotonic milliseconds. */
  constructor(limits: Readonly<Record<RateGroup, RateLimit>>, now: () => number) {
    this.#limits = limits;
    this.#now = now;
  }

  /**
   * Takes one request from the budget. Throws `rate_limited` with the seconds to wait.
   * @param address what is counted: that of a client, or the name of an account
   */
  spend(group: RateGroup, address: string): void {
    const { perMinute, burst } = this.#limits[group];
    const perMs = perMinute / 60_000;
    const key = `${group} ${networkOf(address)}`;
    const nowMs = this.#now();
    const bucket = this.#buckets.get(key) ?? { tokens: burst, filledAtMs: nowMs };
    bucket.tokens = Math.min(burst, bucket.tokens + (nowMs - bucket.filledAtMs) * perMs);
    bucket.filledAtMs = nowMs;
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > maxBuckets) this.#forgetOldest();
    if (bucket.tokens < 1) {
      const seconds = Math.max(1, Math.ceil((1 - bucket.tokens) / perMs / 1_000));
      throw new PosternError(
        "rate_limited",
        `Cannot serve request: too many came ${
          group === "account" || group === "code" || group === "grant_owner"
            ? "for this account"
            : "from this address"
        }`,
        {
          detail: { retry_after_seconds: seconds },
        },
      );
    }
    bucket.tokens -= 1;
  }

  #forgetOldest(): void {
    const oldest = this.#buckets.keys().next();
    if (!oldest.done) this.#buckets.delete(oldest.value);
  }
}
