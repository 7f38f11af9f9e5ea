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
  readonly #entries = new Map<Deadline, { at: number; task: () => void }>();
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

  /** One task that throws must not take the others with it. */
  #run(due: [Deadline, { task: () => void }][]): void {
    try {
      for (let entry = due.shift(); entry !== undefined; entry = due.shift()) {
        if (this.#entries.delete(entry[0])) entry[1].task();
      }
    } finally {
      if (due.length > 0) this.#run(due);
      else this.#arm();
    }
  }

  #arm(): void {
    if (this.#armed || this.#entries.size === 0) return;
    this.#armed = true;
    this.#clock.schedule(this.#clock.now() + GRAIN_MS, () => {
      this.#armed = false;
      const now = this.#clock.now();
      const due = [...this.#entries].filter(([, { at }]) => at <= now);
      this.#run(due);
    });
  }
}
