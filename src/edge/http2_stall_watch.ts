/** Notices streams on which nothing moves while others of their connection do: a window that stays shut, a silent pair. */
import type { Deadline, Deadlines } from "../driver/mod.ts";
import type { ErrorCode } from "../errors/mod.ts";
import type { Http2Stream } from "../http2/mod.ts";
import type { Clock } from "../ports/mod.ts";

export interface StallWatchOptions {
  readonly deadlines: Deadlines;
  readonly clock: Clock;
  readonly limits: { readonly viewerStallMs: number; readonly streamIdleMs: number };
  readonly streams: () => Iterable<Http2Stream>;
  readonly onStuck: (stream: Http2Stream, code: ErrorCode) => void;
}

/** A stream as it was when it was looked at last. */
interface Seen {
  readonly bytes: number;
  readonly queued: boolean;
  readonly movedAt: number;
}

export class Http2StallWatch {
  readonly #options: StallWatchOptions;
  #seen = new Map<Http2Stream, Seen>();
  #deadline: Deadline | undefined;

  constructor(options: StallWatchOptions) {
    this.#options = options;
  }

  start(): void {
    const { viewerStallMs, streamIdleMs } = this.#options.limits;
    this.#deadline = this.#options.deadlines.set(Math.min(viewerStallMs, streamIdleMs), () => {
      this.#look();
      this.start();
    });
  }

  stop(): void {
    this.#deadline?.lift();
    this.#deadline = undefined;
  }

  #look(): void {
    const { clock, limits, streams, onStuck } = this.#options;
    const now = clock.now();
    const seen = new Map<Http2Stream, Seen>();
    for (const stream of [...streams()]) {
      const bytes = stream.sentBytes + stream.receivedBytes;
      const queued = stream.queuedBytes > 0;
      const before = this.#seen.get(stream);
      const moved = before === undefined || before.bytes !== bytes;
      const movedAt = moved ? now : before.movedAt;
      // Twice in a row with bytes waiting and none taken: a whole period went by.
      if (!moved && queued && before.queued) onStuck(stream, "viewer_stalled");
      else if (now - movedAt >= limits.streamIdleMs) onStuck(stream, "stream_idle");
      else seen.set(stream, { bytes, queued, movedAt });
    }
    this.#seen = seen;
  }
}
