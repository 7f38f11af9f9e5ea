/** One connection to an origin, with what is needed to use it again. */
import { NO_WRITER_EVENTS, type Slabs, SocketReader, SocketWriter } from "../src/driver/mod.ts";
import type { ByteStream } from "../src/ports/mod.ts";

export class OriginConnection {
  readonly socket: ByteStream;
  readonly reader: SocketReader;
  readonly writer: SocketWriter;
  /** In the pool, with a read left pending. */
  isIdle = false;
  /** Monotonic milliseconds. */
  idleSince = 0;
  /** Whether an earlier request was answered on it: the origin may have closed it meanwhile. */
  isReused = false;
  #closed = false;

  constructor(socket: ByteStream, slabs: Slabs) {
    this.socket = socket;
    this.reader = new SocketReader(socket, slabs);
    this.writer = new SocketWriter(socket, slabs, NO_WRITER_EVENTS);
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Nobody's at the moment: what is still told about its writes is told to nobody. */
  detach(): void {
    this.writer.events = NO_WRITER_EVENTS;
  }

  /** Closes the socket; the pool is to be told by `drop`. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.detach();
    this.writer.abort();
    this.socket.close();
  }
}
