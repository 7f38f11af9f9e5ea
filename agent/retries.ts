/** How long a supervisor waits after a failure, and which failures it does not try to outlast. */
import { Backoff, type BackoffLimits } from "../src/channel/mod.ts";
import { type ErrorCode, PosternError } from "../src/errors/mod.ts";
import type { Log, LogFields, Random } from "../src/ports/mod.ts";
import { TOKEN_IS_OF_NO_USE } from "./token_refusals.ts";

/** A session that lived this long ends a row of failures. */
const STABLE_MS = 60_000;
/** Least wait between two attempts, unless the first wait is shorter by itself: jitter may come out as none. */
const MIN_RETRY_MS = 250;
/** Wait while control refuses the agent's token: until somebody puts another one into its file. */
const REFUSED_RETRY_MS = 60_000;
/** Of the same failure in a row, the first and every tenth is logged. */
const LOG_EVERY = 10;

export class Retries {
  readonly #backoff: Backoff;
  readonly #leastMs: number;
  readonly #log: Log;
  /** The failure that was met last and how often in a row. */
  #row: { code: ErrorCode; times: number } | undefined;
  /** Whether a session came about at all: a token that worked once may be put right. */
  #succeeded = false;

  constructor(options: { limits: BackoffLimits; random: Random; log: Log }) {
    this.#backoff = new Backoff(options.limits, options.random);
    this.#leastMs = Math.min(options.limits.initialMs, MIN_RETRY_MS);
    this.#log = options.log;
  }

  /** A session is online. */
  succeeded(): void {
    this.#succeeded = true;
    this.#row = undefined;
  }

  /** A session has ended, or is to be replaced. @param livedMs for which it was online */
  ended(livedMs: number): void {
    if (livedMs >= STABLE_MS) this.#backoff.reset();
  }

  /** Wait of one of many agents that were told to leave at the same moment. @param now monotonic, in ms */
  spreadMs(now: number): number {
    return this.#backoff.next(now) ?? 0;
  }

  /**
   * Whether no further attempt can do better. A foreign token never works; one that did may be put right, also by the one
   * who revoked it.
   * @param byControl control refused it when it was asked for the tunnel
   */
  isFinal(error: PosternError, byControl: boolean): boolean {
    return TOKEN_IS_OF_NO_USE.has(error.code) ? !this.#succeeded && byControl : !error.retryable;
  }

  /**
   * Milliseconds until the next attempt, of which the log says now and then; `backoff_exhausted` when the time to retry is
   * over. @param now monotonic, in ms
   */
  next(error: PosternError, now: number, fields: LogFields): number | PosternError {
    const backoffMs = this.#backoff.next(now);
    if (backoffMs === undefined) {
      return new PosternError(
        "backoff_exhausted",
        `Cannot publish the service: no channel came about within the time to retry (${error.code})`,
        { cause: error, detail: { code: error.code } },
      );
    }
    const askedMs = Number(error.detail.retry_after_ms ?? 0);
    const isRefused = this.#succeeded && TOKEN_IS_OF_NO_USE.has(error.code);
    const waitMs = Math.max(backoffMs, askedMs, isRefused ? REFUSED_RETRY_MS : this.#leastMs);
    const times = this.#row?.code === error.code ? this.#row.times + 1 : 1;
    this.#row = { code: error.code, times };
    if (times === 1) this.#log("warn", "no channel, trying again", { ...fields, wait_ms: waitMs });
    else if (times % LOG_EVERY === 0) {
      this.#log("warn", "still no channel", { ...fields, times, wait_ms: waitMs });
    }
    return waitMs;
  }
}
