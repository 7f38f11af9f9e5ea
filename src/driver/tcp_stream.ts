import { formatHostPort } from "../bytes/mod.ts";
import { PosternError } from "../errors/mod.ts";
import type { ByteStream } from "../ports/mod.ts";
import type { Socket, TcpSocket } from "./network.ts";
import { socketFault } from "./network_error.ts";

/**
 * A socket as a {@link ByteStream}. NODELAY is set before anything else, since two small writes in a row otherwise
 * wait for the peer's delayed acknowledgement (44 ms).
 *
 * - `read` gives null at the peer's end, and after {@link TcpStream.close} on this side, also to a read under way.
 *   Throws `connection_reset` (also for TLS that ends without close_notify) or `connection_lost`.
 * - `write` throws `connection_reset`, `connection_lost`, or `connection_closed` after close or closeWrite here.
 * - `closeWrite` is idempotent and leaves a failure of the connection to the next read.
 */
export class TcpStream implements ByteStream {
  readonly remoteAddress: string;
  readonly #socket: Socket;
  #closed = false;
  #writeClosed = false;

  /**
   * A TLS socket cannot set NODELAY: whoever made it has set it on the socket below.
   * `remoteAddress` overrides what the socket says, where that is only a splice or a proxy.
   */
  constructor(socket: Socket | TcpSocket, remoteAddress?: string) {
    if ("setNoDelay" in socket) socket.setNoDelay(true);
    this.#socket = socket;
    this.remoteAddress = remoteAddress ?? textOf(socket.remoteAddr);
  }

  get localAddress(): string | undefined {
    return this.#socket.localAddr === undefined ? undefined : textOf(this.#socket.localAddr);
  }

  async read(into: Uint8Array): Promise<number | null> {
    if (this.#closed) return null;
    try {
      return await this.#socket.read(into);
    } catch (error) {
      if (this.#closed) return null;
      throw this.#explain("read from", error);
    }
  }

  async write(from: Uint8Array): Promise<number> {
    if (this.#closed || this.#writeClosed) throw this.#explain("write to", undefined);
    try {
      return await this.#socket.write(from);
    } catch (error) {
      throw this.#explain("write to", error);
    }
  }

  async closeWrite(): Promise<void> {
    if (this.#closed || this.#writeClosed) return;
    this.#writeClosed = true;
    try {
      await this.#socket.closeWrite();
    } catch (error) {
      if (!socketFault(error)) throw error;
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      this.#socket.close();
    } catch {
      // The platform had closed it already.
    }
  }

  #explain(verb: string, error: unknown): unknown {
    const here = this.#closed || this.#writeClosed && error === undefined;
    const fault = here ? "closed" : socketFault(error);
    const text = `Cannot ${verb} ${this.remoteAddress}`;
    switch (fault) {
      case "closed":
        return new PosternError("connection_closed", `${text}: closed on this side`, { cause: error });
      case "reset":
        return new PosternError("connection_reset", `${text}: the connection was reset`, { cause: error });
      case "lost":
        return new PosternError("connection_lost", `${text}: the network does not answer`, { cause: error });
      case undefined:
        return error;
      default:
        return fault satisfies never;
    }
  }
}

function textOf(address: Deno.Addr): string {
  if (address.transport !== "tcp" && address.transport !== "udp") return address.transport;
  const { hostname, port } = address;
  // A listener of both families calls IPv4 addresses by their mapped names (RFC 4291 2.5.5.2).
  const isMapped = hostname.startsWith("::ffff:") && hostname.includes(".");
  return formatHostPort(isMapped ? hostname.slice("::ffff:".length) : hostname, port);
}

/** Writes all of the bytes. */
export async function writeAll(stream: ByteStream, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await stream.write(bytes.subarray(at));
}
