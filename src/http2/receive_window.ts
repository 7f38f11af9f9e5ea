/** What the peer may send as DATA (RFC 9113 5.2): on the whole connection, and told anew to streams as they are read. */
import { connectionError } from "./error.ts";
import type { Http2Limits } from "./limits.ts";
import type { Sender } from "./sender.ts";
import type { Http2Stream } from "./stream.ts";

export class ReceiveWindow {
  readonly #limits: Http2Limits;
  readonly #sender: Sender;
  #left: number;
  /** Bytes that may be sent again and of which the peer has not been told. */
  #consumed = 0;
  #isClosed = false;

  constructor(limits: Http2Limits, sender: Sender) {
    this.#limits = limits;
    this.#sender = sender;
    this.#left = limits.connectionWindowBytes;
  }

  /** DATA has begun. Throws `h2_flow_control`. */
  take(bytes: number): void {
    if (bytes > this.#left) throw connectionError("h2_flow_control", "DATA is beyond the window");
    this.#left -= bytes;
  }

  /** Bytes of no stream any more, or of one that needs no further ones: the connection may carry as many again. */
  give(bytes: number): void {
    this.#consumed += bytes;
    if (this.#consumed < this.#limits.connectionWindowBytes / 2 || this.#isClosed) return;
    this.#sender.grant(0, this.#consumed);
    this.#left += this.#consumed;
    this.#consumed = 0;
  }

  /** Bytes of a request were read: the peer may send as many again. */
  consumed(stream: Http2Stream, bytes: number): void {
    this.give(bytes);
    if (stream.remoteEnded || stream.closed) return;
    stream.consumed += bytes;
    if (stream.consumed < stream.windowBytes / 2) return;
    // Who reads everything at once is held up by the window, so it grows (as far as all may).
    if (stream.unread === 0) {
      const grown = Math.min(2 * stream.windowBytes, this.#limits.maxStreamWindowBytes);
      stream.consumed += grown - stream.windowBytes;
      stream.windowBytes = grown;
    }
    this.#sender.grant(stream.id, stream.consumed);
    stream.receiveWindow += stream.consumed;
    stream.consumed = 0;
  }

  /** GOAWAY with an error was sent: the peer is told nothing more. */
  close(): void {
    this.#isClosed = true;
  }
}
