/** Waits for lines of a log. */
import type { Log, LogFields } from "../../src/ports/mod.ts";

export interface LoggedEvent {
  readonly event: string;
  readonly fields: LogFields;
}

/** Longest wait for an event. */
const EVENT_MS = 60_000;

export class EventWatch {
  readonly #waiting = new Set<(logged: LoggedEvent) => void>();
  readonly #next: Log;

  /** @param next where every line goes on to */
  constructor(next: Log) {
    this.#next = next;
  }

  readonly log: Log = (level, event, fields = {}) => {
    this.#next(level, event, fields);
    for (const tell of [...this.#waiting]) tell({ event, fields });
  };

  /** The next line that matches, from now on. Rejects when none comes in time. */
  next(what: string, matches: (logged: LoggedEvent) => boolean): Promise<LoggedEvent> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(tell);
        reject(new Error(`no ${what} within ${EVENT_MS / 1_000} s`));
      }, EVENT_MS);
      const tell = (logged: LoggedEvent) => {
        if (!matches(logged)) return;
        clearTimeout(timer);
        this.#waiting.delete(tell);
        resolve(logged);
      };
      this.#waiting.add(tell);
    });
  }

  /** Calls back with every line from now on. */
  each(tell: (logged: LoggedEvent) => void): void {
    this.#waiting.add(tell);
  }
}
