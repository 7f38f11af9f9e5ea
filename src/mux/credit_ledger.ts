/**
 * Byte credit of one direction of a stream or of a whole channel. The sender spends what was granted; the receiver
 * checks the same sum and grants anew as its user consumes. Both ends run this one type over the same numbers:
 *
 * ```
 *   0 ---- consumed ------------- used ------------- limit
 *          |<-- held by the user -->|<-- available -->|
 *          |<------------------ window -------------->|
 * ```
 * All sums are cumulative bytes since the start (exact up to 2^53).
 */
import { PosternError } from "../errors/mod.ts";

/** Shared allowance from which windows grow, so that all of a channel's windows stay under one cap. */
export class CreditBudget {
  #left: number;
  constructor(bytes: number) {
    this.#left = bytes;
  }
  get left(): number {
    return this.#left;
  }
  /** Takes `bytes` if that many are left. */
  take(bytes: number): boolean {
    if (bytes > this.#left) return false;
    this.#left -= bytes;
    return true;
  }
  give(bytes: number): void {
    this.#left += bytes;
  }
}

/** How a receiver's window grows. */
export interface CreditGrowth {
  /** Largest window. */
  readonly maxWindowBytes: number;
  /** Where growth beyond the first window is taken from and goes back to. */
  readonly budget: CreditBudget;
}

/** Credit is worth a frame from this on, or from half a window where that is less. */
const WORTH_BYTES = 131_072;
/** Large windows are refilled in this many parts: by halves, a sender far away would stand still for half its window. */
const REFILLS_OF_WINDOW = 8;

/** Most credit that may be outstanding: what a CREDIT frame can grant at once. */
const MAX_OUTSTANDING_BYTES = 0x7fff_ffff;

export class CreditLedger {
  #window: number;
  readonly #firstWindow: number;
  #limit: number;
  #used = 0;
  #consumed = 0;
  /** Since when, and since how many bytes consumed, the time is taken for half a window. */
  #measuredSince = -1;
  #measuredFrom = 0;
  #closed = false;
  readonly #growth?: CreditGrowth;

  /** @param windowBytes credit at the start, on both ends alike */
  constructor(windowBytes: number, growth?: CreditGrowth) {
    this.#window = windowBytes;
    this.#firstWindow = windowBytes;
    this.#limit = windowBytes;
    this.#growth = growth;
  }

  /** Bytes that may still be sent, or received without offence. */
  get available(): number {
    return this.#limit - this.#used;
  }
  /** Bytes received and not yet consumed. */
  get held(): number {
    return this.#used - this.#consumed;
  }
  get windowBytes(): number {
    return this.#window;
  }

  /** Sender: spends; receiver: books an arrival. @throws PosternError `credit_exceeded`, with nothing changed */
  spend(bytes: number): void {
    if (bytes > this.#limit - this.#used) {
      throw new PosternError("credit_exceeded", `Cannot take ${bytes} bytes: ${this.available} are granted`);
    }
    this.#used += bytes;
  }

  /** Sender: books a CREDIT frame. @throws PosternError `credit_overflow` */
  grant(bytes: number): void {
    if (bytes <= 0 || this.available + bytes > MAX_OUTSTANDING_BYTES) {
      throw new PosternError("credit_overflow", `Cannot add ${bytes} bytes of credit to ${this.available}`);
    }
    this.#limit += bytes;
  }

  /** Receiver: the user is done with `bytes`. True when credit is due: enough would be won to be worth a CREDIT frame. */
  consume(bytes: number): boolean {
    if (bytes > this.held) throw new RangeError(`consumed ${bytes} bytes of ${this.held}`);
    this.#consumed += bytes;
    return !this.#closed && this.#won >= Math.max(
          Math.min(this.#window / 2, WORTH_BYTES),
          this.#window / REFILLS_OF_WINDOW,
        );
  }

  /**
   * Receiver: grants what was consumed and returns it for the CREDIT frame that is written now; 0 when there is nothing. A
   * window that is half consumed within two round trips is too small for the path and doubles. `now` is to be the time at
   * which the frame is written: an older one would take a slow reader for a quick one. Without `mayGrow` the window stays.
   */
  refill(now: number, rttMs: number, mayGrow = true): number {
    if (this.#closed) return 0;
    let credit = this.#won;
    if (this.#growth !== undefined && this.#consumed - this.#measuredFrom >= this.#window / 2) {
      const quick = this.#measuredSince >= 0 && now - this.#measuredSince <= 2 * Math.max(rttMs, 1);
      const step = Math.min(this.#window, this.#growth.maxWindowBytes - this.#window);
      if (quick && mayGrow && step > 0 && this.#growth.budget.take(step)) {
        this.#window += step;
        credit += step;
      }
      this.#measuredSince = now;
      this.#measuredFrom = this.#consumed;
    }
    this.#limit += credit;
    return credit;
  }

  /** Receiver: nothing more will come; what growth took goes back to the budget. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#growth?.budget.give(this.#window - this.#firstWindow);
    this.#window = this.#firstWindow;
  }

  get #won(): number {
    return this.#consumed + this.#window - this.#limit;
  }
}
