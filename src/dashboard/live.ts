/**
 * Keeps an open page up to date by server-sent events (HTML, 9.2). Each round asks for the page anew, as whoever looks at
 * it: a session that has ended sees no more.
 *
 *   update   {"regions": [{"id", "html"}], "states": {name: state}}   what has changed
 *   same     {}                                                       nothing has
 *   over     {}                                                       no more will come: reload the page
 */
import { createHash } from "node:crypto";
import { utf8 } from "../bytes/mod.ts";
import type { Clock } from "../ports/mod.ts";

/** Time between two rounds. */
const roundMs = 2_000;
/** Rounds of one stream: 10 minutes, then the browser opens another one. */
const maxRounds = 300;
/** Streams at the same time. */
const maxLiveStreams = 64;

/** The live parts of one page. */
export interface LiveParts {
  readonly regions: readonly { readonly id: string; readonly html: string }[];
  readonly states: Readonly<Record<string, string>>;
}

/** Undefined: the page is not there for this visitor any more. */
export type LiveSource = () => Promise<LiveParts | undefined>;

export class LiveStreams {
  readonly #clock: Clock;
  readonly #open = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isFull(): boolean {
    return this.#open.size >= maxLiveStreams;
  }

  /** Rounds until whoever reads goes away, or {@link close}. */
  stream(source: LiveSource): ReadableStream<Uint8Array<ArrayBuffer>> {
    const clock = this.#clock;
    let cancel = () => {};
    let isOver = false;
    const end = () => {
      isOver = true;
      cancel();
      this.#open.delete(stop);
    };
    let stop = end;
    return new ReadableStream({
      start: (controller) => {
        stop = () => {
          if (isOver) return;
          end();
          controller.close();
        };
        this.#open.add(stop);
        const seen = new Map<string, string>();
        let rounds = 0;
        const round = async () => {
          const text = await eventOf(source, seen);
          if (isOver) return;
          controller.enqueue(utf8(text));
          if (text.startsWith("event: over") || ++rounds >= maxRounds) return stop();
          cancel = clock.schedule(clock.now() + roundMs, () => void round());
        };
        controller.enqueue(utf8(retry));
        void round();
      },
      cancel: end,
    });
  }

  /** One round as a whole answer: the browser comes again by itself, and says what it has seen. */
  async once(source: LiveSource, seenBefore: string | undefined): Promise<string> {
    const seen = new Map<string, string>();
    const text = await eventOf(source, seen);
    const id = digest([...seen].flat().join("\n"));
    return `${retry}id: ${id}\n${id === seenBefore ? same : text}`;
  }

  /** Ends all streams: the edge stops. */
  close(): void {
    for (const stop of [...this.#open]) stop();
  }
}

const retry = `retry: ${roundMs}\n\n`;
const same = "event: same\ndata: {}\n\n";
const over = "event: over\ndata: {}\n\n";

async function eventOf(source: LiveSource, seen: Map<string, string>): Promise<string> {
  const parts = await source().catch(() => undefined);
  if (parts === undefined) return over;
  const fresh = parts.regions.filter(({ id, html }) => {
    const now = digest(html);
    const isFresh = seen.get(id) !== now;
    seen.set(id, now);
    return isFresh;
  });
  if (fresh.length === 0) return same;
  return `event: update\ndata: ${JSON.stringify({ regions: fresh, states: parts.states })}\n\n`;
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}
