/** Where a response goes: what an exchange needs of its viewer's side, whichever version of HTTP that speaks. */
import type { Lease, SocketWriter, SocketWriterEvents } from "../driver/mod.ts";
import type { ErrorResponse, Framing, HeaderList, OutgoingResponse } from "../http1/mod.ts";

export interface ResponseWriter {
  /** Who is told; handed on from request to request. */
  events: SocketWriterEvents;
  /** Nothing more can be written. */
  readonly failed: boolean;
  /** The writer for what follows an upgrade, where the connection has one of its own. */
  readonly raw: SocketWriter | undefined;
  /** A head, interim or final, in the form of HTTP/1.1; `credit` is returned when it is written. */
  head(head: OutgoingResponse, framing: Framing, credit: number): void;
  /** A stretch of the body. Without a lease it is copied; with it the bytes must not change before it is released. */
  body(bytes: Uint8Array, credit: number, lease: Lease | undefined): void;
  /** The response is whole. Throws what bad trailers throw. */
  end(trailers: HeaderList): void;
  /** A whole response of Postern's own. */
  refuse(error: ErrorResponse): void;
  /** A whole response; `bytes` is left out for HEAD. */
  respond(head: OutgoingResponse, bytes: Uint8Array): void;
  /** What is written from now on waits for `letGo`; `dropHeld` takes it back. Meant for a few KiB. */
  hold(): void;
  letGo(): void;
  dropHeld(): void;
  /** Drops what waits. */
  abort(): void;
  /** Resolves when everything that is queued now is written, or has failed. */
  flushed(): Promise<void>;
}
