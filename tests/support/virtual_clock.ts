import type { Clock } from "../../src/ports/mod.ts";

interface Entry {
  readonly atMs: number;
  /** Order of scheduling: breaks ties, so equal deadlines run first come, first served. */
  readonly order: number;
  readonly task: () => void;
}

/** Tasks that one `advance` may run before it is called a loop that never lets time pass. */
const maxTasksAnAdvance = 100_000;

/**
 * A {@link Clock} that moves only when the test says so. Tasks run in the order of their deadlines, each seeing
 * `now()` equal to its own deadline, never inside `schedule` itself.
 */
export class VirtualClock implements Clock {
  #now: number;
  #wallOffset: number;
  #order = 0;
  #entries: Entry[] = [];

  /** @param wallMs wall-clock milliseconds at `now() === startMs`; 2026-01-01T00:00:00Z unless given. */
  constructor(wallMs: number = Date.UTC(2026, 0, 1), startMs = 0) {
    this.#now = startMs;
    this.#wallOffset = wallMs - startMs;
  }

  now(): number {
    return this.#now;
  }

  wall(): number {
    return this.#now + this.#wallOffset;
  }

  schedule(atMs: number, task: () => void): () => void {
    const entry: Entry = { atMs, order: this.#order++, task };
    this.#entries.push(entry);
    return () => {
      const at = this.#entries.indexOf(entry);
      if (at >= 0) this.#entries.splice(at, 1);
    };
  }

  /** Tasks that are still waiting: a test may assert that nothing was left behind. */
  get pending(): number {
    return this.#entries.length;
  }

  /** The earliest deadline, or undefined when nothing waits. */
  get nextAtMs(): number | undefined {
    return this.#earliest()?.atMs;
  }

  /** Moves both clocks `ms` forward and runs what has become due, without yielding to promises in between. */
  advance(ms: number): void {
    const end = this.#endOf(ms);
    for (let ran = 0; this.#runNext(end); ran++) guard(ran);
    this.#now = end;
  }

  /** As {@link advance}, but lets promise reactions settle before, between and after the tasks. */
  async advanceAsync(ms: number): Promise<void> {
    const end = this.#endOf(ms);
    await settle();
    for (let ran = 0; this.#runNext(end); ran++) {
      guard(ran);
      await settle();
    }
    this.#now = end;
    await settle();
  }

  /** Jumps the wall clock alone, as an operator or NTP does; `now()` stays. */
  jumpWall(ms: number): void {
    this.#wallOffset += ms;
  }

  #endOf(ms: number): number {
    if (!(ms >= 0)) throw new RangeError(`Cannot advance the clock: ${ms} ms is not forward`);
    return this.#now + ms;
  }

  #earliest(): Entry | undefined {
    let first: Entry | undefined;
    for (const entry of this.#entries) {
      if (!first || entry.atMs < first.atMs || (entry.atMs === first.atMs && entry.order < first.order)) {
        first = entry;
      }
    }
    return first;
  }

  #runNext(endMs: number): boolean {
    const entry = this.#earliest();
    if (!entry || entry.atMs > endMs) return false;
    this.#entries.splice(this.#entries.indexOf(entry), 1);
    this.#now = Math.max(this.#now, entry.atMs);
    entry.task();
    return true;
  }
}

/** Lets every promise reaction that is ready run, by going once around the event loop. */
export function settle(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      port2.close();
      resolve();
    };
    port2.postMessage(0);
  });
}

function guard(ran: number): void {
  if (ran >= maxTasksAnAdvance) {
    throw new Error(`Cannot advance the clock: ${ran} tasks ran and more keep becoming due`);
  }
}
