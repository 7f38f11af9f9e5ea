/**
 * Which stream may put bytes into the record next. Strict classes go first; the others share by deficit round robin in
 * proportion to their weight; within a class streams take turns of one quantum.
 */
import { STREAM_CLASSES } from "../wire/mod.ts";
import type { MuxStream } from "./stream.ts";

/** Bytes a stream may send in one turn while others of its class wait. */
export const QUANTUM_BYTES = 16_384;
/**
 * Starvation bound: after this many bytes of strict classes in a row, one turn goes to another class that waits.
 */
export const STRICT_RUN_BYTES = 262_144;

/** First in, first out, without shifting arrays. */
class TurnQueue {
  #items: (MuxStream | undefined)[] = [];
  #head = 0;
  deficit = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }
  push(stream: MuxStream): void {
    this.#items.push(stream);
  }
  shift(): MuxStream {
    const stream = this.#items[this.#head]!;
    this.#items[this.#head++] = undefined;
    if (this.#head === this.#items.length) {
      this.#items.length = 0;
      this.#head = 0;
    } else if (this.#head > 1_024 && this.#head * 2 > this.#items.length) {
      this.#items.splice(0, this.#head);
      this.#head = 0;
    }
    return stream;
  }
}

export class Scheduler {
  readonly #queues = STREAM_CLASSES.map(() => new TurnQueue());
  #waiting = 0;
  #turn = 0;
  #strictRun = 0;

  /** Streams that wait for a turn. */
  get waiting(): number {
    return this.#waiting;
  }

  /** A stream has something to send. Call once per wait. */
  add(stream: MuxStream): void {
    this.#queues[stream.opening.class].push(stream);
    this.#waiting++;
  }

  /**
   * Takes the stream whose turn it is. Whoever calls sends at most {@link allowance} bytes of it, reports them with
   * {@link spent} and adds the stream again if something is left.
   */
  take(): MuxStream | undefined {
    if (this.#waiting === 0) return undefined;
    const strict = this.#strictQueue();
    const weighted = this.#strictRun >= STRICT_RUN_BYTES || strict === undefined
      ? this.#weightedQueue()
      : undefined;
    const queue = weighted ?? strict;
    if (queue === undefined) return undefined;
    if (queue === weighted) this.#strictRun = 0;
    this.#waiting--;
    return queue.shift();
  }

  /** Bytes that a stream just taken may send in this turn: everything when nobody else waits. */
  allowance(): number {
    return this.#waiting === 0 ? Number.MAX_SAFE_INTEGER : QUANTUM_BYTES;
  }

  spent(stream: MuxStream, bytes: number): void {
    const row = STREAM_CLASSES[stream.opening.class];
    if (row.strict) this.#strictRun += bytes;
    else this.#queues[stream.opening.class].deficit -= bytes;
  }

  #strictQueue(): TurnQueue | undefined {
    for (let i = 0; i < STREAM_CLASSES.length; i++) {
      if (STREAM_CLASSES[i].strict && this.#queues[i].length > 0) return this.#queues[i];
    }
    return undefined;
  }

  /** Deficit round robin: a queue in debt is passed over and earns its quantum times weight for the next round. */
  #weightedQueue(): TurnQueue | undefined {
    let only: TurnQueue | undefined;
    let busy = 0;
    for (let i = 0; i < STREAM_CLASSES.length; i++) {
      if (!STREAM_CLASSES[i].strict && this.#queues[i].length > 0) {
        only = this.#queues[i];
        busy++;
      }
    }
    if (only === undefined) return undefined;
    if (busy === 1) {
      only.deficit = 0;
      return only;
    }
    for (;;) {
      const row = STREAM_CLASSES[this.#turn];
      const queue = this.#queues[this.#turn];
      if (!row.strict && queue.length > 0) {
        if (queue.deficit >= 0) return queue;
        queue.deficit += QUANTUM_BYTES * row.weight;
      } else queue.deficit = 0;
      this.#turn = (this.#turn + 1) % STREAM_CLASSES.length;
    }
  }
}
