/**
 * Token buckets: `burst` at once, one more each interval, on a clock that is handed in. A bucket is one number, the time
 * at which it will be full again (the generic cell rate algorithm of ITU-T I.371), so it needs no timer and no object.
 */
import { networkOf } from "../bytes/mod.ts";

export interface BucketRate {
  /** Milliseconds in which one token comes back; above 0. */
  readonly intervalMs: number;
  /** Most tokens that a bucket holds; a whole number above 0. */
  readonly burst: number;
}

/** Intervals that are no whole number add up to a little more, or less, than they should. */
const ROUNDING_MS = 0.001;

/** Milliseconds until a bucket that is full at `fullAt` has a token; 0 when it has one. */
function waitOf(fullAt: number, { intervalMs, burst }: BucketRate, now: number): number {
  const waitMs = fullAt - now - (burst - 1) * intervalMs;
  return waitMs < ROUNDING_MS ? 0 : waitMs;
}

/** When the bucket is full again after one token was taken. */
function taken(fullAt: number, { intervalMs }: BucketRate, now: number): number {
  return Math.max(fullAt, now) + intervalMs;
}

export class TokenBucket {
  readonly #rate: BucketRate;
  #fullAt = 0;

  constructor(rate: BucketRate) {
    this.#rate = rate;
  }

  /** Takes one token: 0, or the milliseconds after which there will be one. */
  take(now: number): number {
    const wait = waitOf(this.#fullAt, this.#rate, now);
    if (wait === 0) this.#fullAt = taken(this.#fullAt, this.#rate, now);
    return wait;
  }
}

/** Buckets that are looked at when a full table needs room: each addition stays O(1). */
const MAX_LOOKS = 8;
/** Buckets that newcomers share while the table is full of addresses that have spent something. */
const SHARED_BUCKETS = 256;

/**
 * A bucket for each client network (IPv6: each /64). The table is bounded. Only a bucket that is full again is forgotten,
 * which changes nothing for its owner, so nobody gets a fresh one by pushing his own out. While none is full, newcomers
 * share a fixed number of buckets: a flood from very many networks limits strangers rather than nobody.
 */
export class AddressBuckets {
  readonly #rate: BucketRate;
  readonly #maxBuckets: number;
  /** Which shared bucket a network has is not to be known outside. */
  readonly #seed: number;
  /** When each bucket is full again. */
  readonly #fullAt = new Map<string, number>();
  #shared: Float64Array | undefined;

  /** @param seed any 32 random bits */
  constructor(rate: BucketRate, maxBuckets: number, seed: number) {
    this.#rate = rate;
    this.#maxBuckets = maxBuckets;
    this.#seed = seed;
  }

  get size(): number {
    return this.#fullAt.size;
  }

  /** Takes one token of the address: 0, or the milliseconds after which there will be one. */
  take(address: string, now: number): number {
    const network = networkOf(address);
    const own = this.#fullAt.get(network);
    if (own === undefined && this.#fullAt.size >= this.#maxBuckets && !this.#makeRoom(now)) {
      const shared = this.#shared ??= new Float64Array(SHARED_BUCKETS);
      const at = this.#shareOf(network);
      const wait = waitOf(shared[at], this.#rate, now);
      if (wait === 0) shared[at] = taken(shared[at], this.#rate, now);
      return wait;
    }
    const wait = waitOf(own ?? 0, this.#rate, now);
    if (wait === 0) this.#fullAt.set(network, taken(own ?? 0, this.#rate, now));
    return wait;
  }

  /** Gives back what was just taken, where the address has a bucket of its own. */
  untake(address: string): void {
    const network = networkOf(address);
    const fullAt = this.#fullAt.get(network);
    if (fullAt !== undefined) this.#fullAt.set(network, fullAt - this.#rate.intervalMs);
  }

  /** Forgets one of the oldest buckets that is full; those that are not go to the end of the queue. */
  #makeRoom(now: number): boolean {
    let looks = 0;
    for (const [network, fullAt] of this.#fullAt) {
      this.#fullAt.delete(network);
      if (fullAt <= now) return true;
      this.#fullAt.set(network, fullAt);
      if (++looks === MAX_LOOKS) return false;
    }
    return false;
  }

  #shareOf(network: string): number {
    let hash = this.#seed;
    for (let at = 0; at < network.length; at++) hash = Math.imul(hash ^ network.charCodeAt(at), 0x01000193);
    return (hash ^ (hash >>> 16)) & (SHARED_BUCKETS - 1);
  }
}
