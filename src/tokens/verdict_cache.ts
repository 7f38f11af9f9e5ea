/** Claims that a verifier vouched for, for a short time. Bounded: the oldest go first. */

interface Entry {
  readonly claims: unknown;
  /** Wall clock, Unix milliseconds. */
  readonly untilMs: number;
}

/** By a digest of the token: the cache holds no token. */
export class VerdictCache {
  readonly #entries = new Map<string, Entry>();
  readonly #maxEntries: number;

  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** @param nowMs wall clock */
  find(key: string, nowMs: number): unknown {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (nowMs < entry.untilMs) return entry.claims;
    this.#entries.delete(key);
    return undefined;
  }

  put(key: string, claims: unknown, untilMs: number, nowMs: number): void {
    if (untilMs <= nowMs) return;
    this.#entries.delete(key);
    this.#entries.set(key, { claims, untilMs });
    if (this.#entries.size <= this.#maxEntries) return;
    const [oldest] = this.#entries.keys();
    this.#entries.delete(oldest);
  }
}
