/**
 * What joins two workers: a mux without records over a message port, for viewers who came in where their service's channel
 * is not. Each message holds whole frames and changes its owner, so that nothing is copied on the way; what is under way is
 * bounded by the mux's credit.
 */
import { codeOf, PosternError } from "../errors/mod.ts";
import { Mux, MUX_LIMITS, type MuxStream, type StreamHandler, type UnreadBudget } from "../mux/mod.ts";
import type { ResetReason, StreamOpening } from "../wire/mod.ts";

/** Most bytes of one message: bulk costs a message each this many. */
const MESSAGE_BYTES = 262_144;
/** All viewers of one worker that are served by way of the other share this window. */
const WINDOW_BYTES = 134_217_728;
/** Both ends are ours: their viewers are bounded where they come in. */
const MAX_STREAMS = 4_194_304;
/** Between the id of a session and the viewer's address, in the opening of a stream. */
const SEPARATOR = " ";

export interface LinkOptions {
  readonly port: MessagePort;
  /** One of the two ends, not both. */
  readonly initiator: boolean;
  readonly unread: UnreadBudget;
  readonly now: () => number;
  /** A stream for a session of this worker. @returns its handler, or why there is none */
  readonly onOpen: (
    sessionId: string,
    opening: StreamOpening,
    stream: MuxStream,
  ) => StreamHandler | ResetReason;
}

export class WorkerLink {
  readonly #options: LinkOptions;
  readonly #mux: Mux;
  readonly #scratch = new Uint8Array(MESSAGE_BYTES);
  #flushQueued = false;
  #closed = false;

  constructor(options: LinkOptions) {
    this.#options = options;
    const { port, initiator, unread } = options;
    this.#mux = new Mux({
      initiator,
      unread,
      limits: { ...MUX_LIMITS, channelWindowBytes: WINDOW_BYTES, maxStreams: MAX_STREAMS },
      events: {
        wake: () => this.#wake(),
        onOpen: (stream) => this.#onOpen(stream),
        onChannelFrame() {
          throw new PosternError("frame_bad_stream", "Cannot take frame of a channel on a link of workers");
        },
      },
    });
    port.onmessage = ({ data }: MessageEvent<Uint8Array>) => {
      if (!this.#closed) this.#mux.receive(data, 0, data.length);
    };
    this.#wake(); // the first frame tells how large the window is
  }

  /** Opens a stream to a session of the other worker. @throws PosternError `channel_closed`, `unread_limit`, `peer_draining` */
  open(sessionId: string, opening: StreamOpening, handler: StreamHandler): MuxStream {
    if (this.#closed) throw new PosternError("channel_closed");
    return this.#mux.open(
      { ...opening, viewer: `${sessionId}${SEPARATOR}${opening.viewer}` },
      handler,
    );
  }

  get openStreams(): number {
    return this.#mux.openStreams;
  }

  /** Cuts every stream: the other worker is gone. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#options.port.close();
    this.#mux.abandon("channel_lost");
  }

  #onOpen(stream: MuxStream): StreamHandler | ResetReason {
    const { viewer } = stream.opening;
    const at = viewer.indexOf(SEPARATOR);
    const opening = { ...stream.opening, viewer: viewer.slice(at + 1) };
    try {
      return this.#options.onOpen(viewer.slice(0, at), opening, stream);
    } catch (error) {
      // Whatever it was, no service has seen the stream: another session may take it.
      return codeOf(error) === "unread_limit" ? "stream_limit" : "draining";
    }
  }

  #wake(): void {
    if (this.#flushQueued) return;
    this.#flushQueued = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.#flushQueued = false;
    const { port, now } = this.#options;
    while (!this.#closed) {
      const end = this.#mux.fill(this.#scratch, 0, this.#scratch.length, now());
      if (end === 0) return;
      const message = this.#scratch.slice(0, end);
      port.postMessage(message, [message.buffer]);
    }
  }
}
