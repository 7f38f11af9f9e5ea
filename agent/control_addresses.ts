/**
 * Where control is, of several addresses that share one database: the one that answered last is asked until it fails.
 * One that fails is left alone for a while, and the first of the list gets its turn again some minutes after it was left.
 */
import { Backoff } from "../src/channel/mod.ts";
import { codeOf, type ErrorCode, type PosternError } from "../src/errors/mod.ts";
import type { Clock, Random } from "../src/ports/mod.ts";

/** How long an address is left alone: doubles with each failure in a row, with full jitter. */
const RETRY = { initialMs: 1_000, maxMs: 30_000, maxElapsedMs: 0 } as const;
/** Least wait: jitter may come out as none. */
const MIN_RETRY_MS = 250;
/** When the first address is asked again: between this and twice as long, so that a thousand agents do not come at once. */
export const RETURN_MS = 150_000;

/** That the address cannot answer, whoever asks. Anything else is an answer, and would be the same elsewhere. */
const NOT_AVAILABLE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "control_unreachable",
  "control_timeout",
  "proxy_refused",
  "store_unavailable",
  "store_unreachable",
  "store_too_new",
  "store_busy",
  "store_failed",
]);

interface Address<T> {
  readonly value: T;
  readonly backoff: Backoff;
  /** Monotonic, in ms; 0: it may be asked. */
  retryAt: number;
  /** When it failed last, monotonic, in ms. */
  failedAt: number;
}

export interface ControlAddressesOptions {
  readonly clock: Pick<Clock, "now">;
  readonly random: Random;
  /** Another address is asked from now on. */
  readonly onMoved: () => void;
}

/** @template T what is known of an address */
export class ControlAddresses<T> {
  readonly #addresses: readonly Address<T>[];
  readonly #options: ControlAddressesOptions;
  #current = 0;
  #returnAt = 0;

  /** @param values in their order, at least one */
  constructor(values: readonly T[], options: ControlAddressesOptions) {
    this.#options = options;
    this.#addresses = values.map((value) => ({
      value,
      backoff: new Backoff(RETRY, options.random),
      retryAt: 0,
      failedAt: -1,
    }));
  }

  /** The one that answered last; the first before any did. */
  get current(): T {
    return this.#addresses[this.#current].value;
  }

  /**
   * Asks one after another until one answers, be it by a refusal. Each is asked once at most; while all are to be left
   * alone, the one whose wait ends first. Throws what the last one that was asked failed with.
   */
  async ask<R>(ask: (address: T) => Promise<R>): Promise<R> {
    let failure: unknown;
    for (const address of this.#order()) {
      const startedAt = this.#options.clock.now();
      try {
        const answer = await ask(address.value);
        this.#answered(address);
        return answer;
      } catch (error) {
        if (!isNotAvailable(error)) {
          if (codeOf(error) !== "connect_aborted") this.#answered(address);
          throw error;
        }
        this.#failed(address, startedAt);
        failure = error;
      }
    }
    throw failure;
  }

  #order(): readonly Address<T>[] {
    const all = this.#addresses;
    if (all.length === 1) return all;
    const now = this.#options.clock.now();
    const isTurnOfFirst = this.#current !== 0 && now >= this.#returnAt;
    const first = isTurnOfFirst ? all[0] : all[this.#current];
    const ready = [first, ...all.filter((address) => address !== first)].filter(({ retryAt }) =>
      retryAt <= now
    );
    return ready.length > 0 ? ready : [all.reduce((a, b) => b.retryAt < a.retryAt ? b : a)];
  }

  #answered(address: Address<T>): void {
    address.backoff.reset();
    address.retryAt = 0;
    const index = this.#addresses.indexOf(address);
    if (index === this.#current) return this.#postponeReturn();
    this.#current = index;
    this.#returnAt = 0;
    this.#postponeReturn();
    this.#options.onMoved();
  }

  /** The first address failed when it had its turn, or has just been left. */
  #postponeReturn(): void {
    const { clock, random } = this.#options;
    const now = clock.now();
    if (this.#current !== 0 && now >= this.#returnAt) {
      this.#returnAt = now + RETURN_MS * (1 + random(1)[0] / 256);
    }
  }

  #failed(address: Address<T>, startedAt: number): void {
    // Several requests under way fail by the same outage: it counts once.
    if (startedAt < address.failedAt) return;
    const now = this.#options.clock.now();
    address.failedAt = now;
    address.retryAt = now + Math.max(MIN_RETRY_MS, address.backoff.next(now)!);
  }
}

function isNotAvailable(error: unknown): boolean {
  const code = codeOf(error);
  // A rate limit (429) has the same code without words of control's own, and is a refusal.
  if (code === "control_unavailable") return Number((error as PosternError).detail.status) >= 500;
  // Control was ended while it answered.
  if (code === "control_response_invalid") {
    return codeOf((error as PosternError).cause) === "http_truncated_body";
  }
  return NOT_AVAILABLE.has(code);
}
