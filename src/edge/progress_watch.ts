/**
 * Notices connections on which nothing moves: a viewer that takes nothing of what is written to it, or a request on which
 * neither side sends anything. Looks rarely, at sums that are kept anyway.
 */
import type { Deadline, Deadlines } from "../driver/mod.ts";
import type { ErrorCode } from "../errors/mod.ts";
import type { Clock } from "../ports/mod.ts";

export interface Progress {
  /** Bytes that moved so far, both ways. */
  readonly bytes: number;
  /** Bytes that wait for the viewer to take them. */
  readonly queuedBytes: number;
  /** Whether a request is under way. */
  readonly busy: boolean;
}

export class ProgressWatch {
  readonly #deadlines: Deadlines;
  readonly #clock: Clock;
  readonly #limits: { readonly viewerStallMs: number; readonly streamIdleMs: number };
  readonly #progress: () => Progress;
  readonly #onStuck: (code: ErrorCode) => void;
  #deadline: Deadline | undefined;
  #bytes = -1;
  #queued = false;
  #movedAt = 0;

  constructor(options: {
    deadlines: Deadlines;
    clock: Clock;
    limits: { readonly viewerStallMs: number; readonly streamIdleMs: number };
    progress: () => Progress;
    onStuck: (code: ErrorCode) => void;
  }) {
    this.#deadlines = options.deadlines;
    this.#clock = options.clock;
    this.#limits = options.limits;
    this.#progress = options.progress;
    this.#onStuck = options.onStuck;
  }

  start(): void {
    this.#movedAt = this.#clock.now();
    this.#look();
  }

  stop(): void {
    this.#deadline?.lift();
    this.#deadline = undefined;
  }

  #look(): void {
    const { viewerStallMs, streamIdleMs } = this.#limits;
    const { bytes, queuedBytes, busy } = this.#progress();
    const now = this.#clock.now();
    const moved = bytes !== this.#bytes || !busy;
    if (moved) this.#movedAt = now;
    this.#bytes = bytes;
    const queued = queuedBytes > 0;
    // Twice in a row with bytes waiting and none taken: a whole period went by.
    if (queued && this.#queued && !moved) return this.#onStuck("viewer_stalled");
    if (now - this.#movedAt >= streamIdleMs) return this.#onStuck("stream_idle");
    this.#queued = queued;
    this.#deadline = this.#deadlines.set(Math.min(viewerStallMs, streamIdleMs), () => this.#look());
  }
}
