/** The machine's clock, which a test can move on: timers that were to come fire at once. Sockets take the time that they take. */
import { systemClock } from "../../src/driver/mod.ts";
import type { Clock } from "../../src/ports/mod.ts";

interface Timer {
  readonly atMs: number;
  readonly task: () => void;
  cancel: () => void;
}

export class JumpingClock implements Clock {
  readonly #skewMs: number;
  readonly #timers = new Set<Timer>();
  #aheadMs = 0;

  /** @param skewMs of the wall clock, from the beginning */
  constructor(skewMs = 0) {
    this.#skewMs = skewMs;
  }

  now(): number {
    return systemClock.now() + this.#aheadMs;
  }

  wall(): number {
    return systemClock.wall() + this.#skewMs + this.#aheadMs;
  }

  schedule(atMs: number, task: () => void): () => void {
    const timer: Timer = { atMs, task, cancel: () => {} };
    this.#timers.add(timer);
    this.#arm(timer);
    return () => {
      timer.cancel();
      this.#timers.delete(timer);
    };
  }

  /** Both clocks go forward. */
  jump(ms: number): void {
    this.#aheadMs += ms;
    for (const timer of this.#timers) {
      timer.cancel();
      this.#arm(timer);
    }
  }

  #arm(timer: Timer): void {
    timer.cancel = systemClock.schedule(timer.atMs - this.#aheadMs, () => {
      this.#timers.delete(timer);
      timer.task();
    });
  }
}
