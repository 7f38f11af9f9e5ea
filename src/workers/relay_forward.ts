/**
 * Private channels of an edge with several workers: the two halves of one come in where the system sends them, so that all
 * are relayed in one place, the main thread. Workers pass their connections on as they are.
 */
import type { AttachRequest, EdgeRelay } from "../edge/mod.ts";
import { codeOf, errorOf, PosternError } from "../errors/mod.ts";
import { errorResponseOf } from "../http1/mod.ts";
import type { ByteStream, Clock } from "../ports/mod.ts";
import { PortStream } from "./port_stream.ts";

/** Bytes that are read at once. */
const COPY_BYTES = 65_536;
/** Time for the last bytes to an endpoint that takes them, and for it to close. */
const LINGER_MS = 2_000;

/** An attach as it crosses threads. */
export interface PlainAttach {
  readonly target: string;
  readonly method: string;
  readonly httpVersion: string;
  /** Lower-case names; those of one name apart. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly ip: string;
  readonly remoteAddress: string;
  readonly leftover: Uint8Array;
}

/** Headers that the relay looks at. */
const HEADERS = [
  "authorization",
  "upgrade",
  "connection",
  "host",
  "transfer-encoding",
  "content-length",
  "sec-websocket-version",
  "sec-websocket-key",
  "sec-websocket-protocol",
];

/** A worker's part: everything else about channels is the main thread's. */
export class RelayForward implements EdgeRelay {
  readonly channels = [];
  readonly attached = [];
  readonly #hand: (attach: PlainAttach, port: MessagePort) => void;
  readonly #clock: Clock;
  readonly #open = new Set<ByteStream>();
  #draining = false;
  #onIdle: () => void = () => {};

  constructor(clock: Clock, hand: (attach: PlainAttach, port: MessagePort) => void) {
    this.#clock = clock;
    this.#hand = hand;
  }

  async accept(stream: ByteStream, request: AttachRequest): Promise<void> {
    if (this.#draining) throw new PosternError("peer_draining");
    const { target, method, httpVersion, ip, leftover } = request;
    const headers = HEADERS.flatMap((name) => request.headers(name).map((value) => [name, value] as const));
    const { port1, port2 } = new MessageChannel();
    const far = new PortStream(port1, stream.remoteAddress);
    this.#hand(
      { target, method, httpVersion, headers, ip, remoteAddress: stream.remoteAddress, leftover },
      port2,
    );
    this.#open.add(stream);
    const answers = copy(far, stream);
    let cancel = () => {};
    // The main thread is done with it: whatever the endpoint does, it does not stay.
    far.closed.then(() => cancel = this.#clock.schedule(this.#clock.now() + LINGER_MS, () => stream.close()));
    try {
      await Promise.all([copy(stream, far), answers]);
    } finally {
      far.close();
      await far.closed;
      cancel();
      stream.close();
      this.#open.delete(stream);
      if (this.#open.size === 0) this.#onIdle();
    }
  }

  observe(): void {}
  cutTenant(): void {}
  cutChannel(): void {}
  cutTunnel(): void {}
  cutUnlessServed(): void {}
  cutAgent(): void {}

  drain(): void {
    this.#draining = true;
  }

  close(): void {
    for (const stream of this.#open) stream.close();
  }

  async closed(): Promise<void> {
    if (this.#open.size > 0) await new Promise<void>((resolve) => this.#onIdle = resolve);
  }
}

/** The main thread's part: serves a connection of a worker. Never throws. */
export async function relayForwarded(
  relay: Pick<EdgeRelay, "accept">,
  attach: PlainAttach,
  port: MessagePort,
  { clock, newRequestId }: { readonly clock: Clock; readonly newRequestId: () => string },
): Promise<void> {
  const stream = new PortStream(port, attach.remoteAddress);
  const headers = (name: string) => attach.headers.filter(([of]) => of === name).map(([, value]) => value);
  try {
    await relay.accept(stream, {
      ...attach,
      headers,
      header: (name) => headers(name).length === 0 ? null : headers(name).join(", "),
    });
  } catch (error) {
    const answer = errorResponseOf(errorOf(error), { requestId: newRequestId(), close: true, accept: null });
    const cancel = clock.schedule(clock.now() + LINGER_MS, () => stream.close());
    try {
      for (let at = 0; at < answer.length;) at += await stream.write(answer.subarray(at));
      await stream.closeWrite();
      const sink = new Uint8Array(COPY_BYTES);
      while (await stream.read(sink) !== null);
    } catch {
      // The worker's side is gone.
    } finally {
      cancel();
      stream.close();
    }
  }
}

/** All bytes, and the end behind them. What breaks off ends both sides. */
async function copy(from: ByteStream, to: ByteStream): Promise<void> {
  const buffer = new Uint8Array(COPY_BYTES);
  try {
    for (let read = await from.read(buffer); read !== null; read = await from.read(buffer)) {
      for (let at = 0; at < read;) at += await to.write(buffer.subarray(at, read));
    }
    await to.closeWrite();
  } catch (error) {
    from.close();
    to.close();
    if (!codeOf(error).startsWith("connection_")) throw error;
  }
}
