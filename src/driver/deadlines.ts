/** Many deadlines on one timer: coarse, cheap to set and to lift. For phases of requests, thousands a second. */
import type { Clock } from "../ports/mod.ts";

/** How late a deadline may be noticed. */
const GRAIN_MS = 250;

export interface Deadline {
  /** Without effect once it has passed. */
  lift(): void;
}

export class Deadlines {
  readonly #clock: Clock;
  readonly #entries = new Map<object, { at: number; task: () => void }>();
  #armed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Runs `task` when `delayMs` have passed, at most {@link GRAIN_MS} late, unless lifted before. */
  set(delayMs: number, task: () => void): Deadline {
    const deadline: Deadline = { lift: () => void this.#entries.delete(deadline) };
    this.#entries.set(deadline, { at: this.#clock.now() + delayMs, task });
    this.#arm();
    return deadline;
  }

  #arm(): void {
    if (this.#armed || this.#entries.size === 0) return;
    this.#armed = true;
    this.#clock.schedule(this.#clock.now() + GRAIN_MS, () => {
      this.#armed = false;
      const now = this.#clock.now();
      for (const [deadline, { at, task }] of this.#entries) {
        if (at > now) continue;
        this.#entries.delete(deadline);
        task();
      }
      this.#arm();
    });
  }
}
