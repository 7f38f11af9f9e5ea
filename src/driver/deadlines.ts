/** Many deadlines on one timer: coarse, cheap to set and to lift. For phases of requests, thousands a second. */
import type { Clock } from "../ports/mod.ts";

/** How late a deadline may be noticed. */
const GRAIN_MS = 250;

export interface Deadline {
  /** Without effect once it has passed. */
  lift(): void;
}

/**
 * Entries know their place in a dense list. A Map would do, but a Map that is filled and emptied leaves its outgrown tables
 * behind, each with what it held and with a link to the next: the garbage collector then copies every request's objects.
 */
class Entry implements Deadline {
  constructor(
    readonly list: Entry[],
    readonly at: number,
    public task: (() => void) | undefined,
    public place = list.length,
  ) {
    list.push(this);
  }

  lift(): void {
    this.take();
  }

  /** Leaves the list; the task, unless it was taken before. */
  take(): (() => void) | undefined {
    const task = this.task;
    if (task === undefined) return undefined;
    this.task = undefined;
    const last = this.list.pop()!;
    if (last !== this) {
      this.list[this.place] = last;
      last.place = this.place;
    }
    return task;
  }
}

export class Deadlines {
  readonly #clock: Clock;
  readonly #entries: Entry[] = [];
  #armed = false;
  /** No entry is due before: a grain with nothing due looks at none of them, however many there are. */
  #earliestAt = Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#entries.length;
  }

  /** Runs `task` when `delayMs` have passed, at most {@link GRAIN_MS} late, unless lifted before. */
  set(delayMs: number, task: () => void): Deadline {
    const deadline = new Entry(this.#entries, this.#clock.now() + delayMs, task);
    if (deadline.at < this.#earliestAt) this.#earliestAt = deadline.at;
    this.#arm();
    return deadline;
  }

  /** One task that throws must not take the others with it. */
  #run(due: Entry[]): void {
    try {
      for (let entry = due.pop(); entry !== undefined; entry = due.pop()) entry.take()?.();
    } finally {
      if (due.length > 0) this.#run(due);
      else this.#arm();
    }
  }

  #arm(): void {
    if (this.#armed || this.#entries.length === 0) return;
    this.#armed = true;
    this.#clock.schedule(this.#clock.now() + GRAIN_MS, () => {
      this.#armed = false;
      const now = this.#clock.now();
      if (now < this.#earliestAt) this.#arm();
      else this.#run(this.#takeDue(now));
    });
  }

  /** What is due, the latest first; notes when the next look at the entries is worth it. */
  #takeDue(now: number): Entry[] {
    const due: Entry[] = [];
    this.#earliestAt = Infinity;
    for (const entry of this.#entries) {
      if (entry.at <= now) due.push(entry);
      else if (entry.at < this.#earliestAt) this.#earliestAt = entry.at;
    }
    return due.sort((a, b) => b.at - a.at);
  }
}
