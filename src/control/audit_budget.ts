/**
 * How many refusals of strangers the audit log takes: it is bounded, and whoever has no token must not push out of it what
 * others did. What is over the budget stands in the log of the program only.
 */

/** Lines at once, and how long each takes to come back. */
const maxLines = 60;
const everyMs = 1_000;

export class AuditBudget {
  readonly #now: () => number;
  #lines = maxLines;
  #filledAtMs: number;

  /** @param now monotonic milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
    this.#filledAtMs = now();
  }

  /** Takes one line; false when there is none. */
  take(): boolean {
    const nowMs = this.#now();
    this.#lines = Math.min(maxLines, this.#lines + (nowMs - this.#filledAtMs) / everyMs);
    this.#filledAtMs = nowMs;
    if (this.#lines < 1) return false;
    this.#lines -= 1;
    return true;
  }
}
