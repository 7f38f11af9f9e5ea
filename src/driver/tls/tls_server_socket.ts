import tls from "node:tls";
import type { GatedTransport } from "./gated_transport.ts";

/** Runs the handshake; node:tls calls it a tick after construction. Not part of its declared interface. */
const start = (tls.TLSSocket.prototype as unknown as { _start?: () => void })._start;

/**
 * The server's end of a TLS session on a {@link GatedTransport}.
 *
 * A client certificate is asked for, not judged: whoever asks judges it, by `judgePresented`. That refuses resumed sessions:
 * tickets are shared by all TLS servers of a runtime, so a session of a server without client authentication resumes at one
 * with it.
 */
export class TlsServerSocket extends tls.TLSSocket {
  readonly #transport: GatedTransport;
  #truncated = false;

  constructor(
    transport: GatedTransport,
    secureContext: tls.SecureContext,
    alpnProtocols: readonly string[],
    requestCert: boolean,
  ) {
    super(transport, {
      isServer: true,
      requestCert,
      rejectUnauthorized: false,
      secureContext,
      ALPNProtocols: [...alpnProtocols],
    });
    this.#transport = transport;
  }

  /** Whether the stream below ended without close_notify: anybody may have cut it (RFC 8446 6.1). */
  get truncated(): boolean {
    return this.#truncated;
  }

  /** What it throws would end the process: no peer may have that power. */
  _start(): void {
    try {
      start?.call(this);
    } catch (error) {
      this.destroy(error as Error);
    }
  }

  override _read(bytes: number): void {
    super._read(bytes);
    // Runs within the constructor of the base class, too.
    if (#transport in this) this.#transport.wake();
  }

  override push(chunk: unknown, encoding?: BufferEncoding): boolean {
    if (chunk === null) this.#truncated = this.#transport.ended;
    return super.push(chunk, encoding);
  }
}
