/** Token buckets, one for each client network and group of routes, or for each account. */
import { networkOf } from "../bytes/mod.ts";
import { PosternError } from "../errors/mod.ts";
import type { RateGroup, RateLimit } from "./config.ts";

/** Most buckets that are kept of one kind; about 150 bytes each. */
export const maxBuckets = 20_000;

/** Groups that count an account or an owner, from wherever it comes. */
type AccountGroup = Extract<RateGroup, "account" | "code" | "grant_owner">;

interface Bucket {
  tokens: number;
  /** Monotonic milliseconds. */
  filledAtMs: number;
}

export class RateLimiter {
  readonly #limits: Readonly<Record<RateGroup, RateLimit>>;
  readonly #now: () => number;
  /** Each in order of last use: the first is the one that has rested longest. */
  readonly #ofAddresses = new Map<string, Bucket>();
  /** Apart, also from each other: addresses, and names that somebody tries, are many and must not push out the codes of an account. */
  readonly #ofAccounts: Readonly<Record<AccountGroup, Map<string, Bucket>>> = {
    account: new Map(),
    code: new Map(),
    grant_owner: new Map(),
  };

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
    const isAccount = isAccountGroup(group);
    const buckets = isAccount ? this.#ofAccounts[group] : this.#ofAddresses;
    const key = isAccount ? address : `${group} ${networkOf(address)}`;
    const nowMs = this.#now();
    const bucket = buckets.get(key) ?? { tokens: burst, filledAtMs: nowMs };
    bucket.tokens = Math.min(burst, bucket.tokens + (nowMs - bucket.filledAtMs) * perMs);
    bucket.filledAtMs = nowMs;
    buckets.delete(key);
    buckets.set(key, bucket);
    if (buckets.size > maxBuckets) forgetOldest(buckets);
    if (bucket.tokens < 1) {
      const seconds = Math.max(1, Math.ceil((1 - bucket.tokens) / perMs / 1_000));
      throw new PosternError(
        "rate_limited",
        `Cannot serve request: too many came ${isAccount ? "for this account" : "from this address"}`,
        { detail: { retry_after_seconds: seconds } },
      );
    }
    bucket.tokens -= 1;
  }
}

function isAccountGroup(group: RateGroup): group is AccountGroup {
  return group === "account" || group === "code" || group === "grant_owner";
}

function forgetOldest(buckets: Map<string, Bucket>): void {
  const oldest = buckets.keys().next();
  if (!oldest.done) buckets.delete(oldest.value);
}
