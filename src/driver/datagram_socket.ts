/**
 * Datagram sockets of the platform, so that tests can put their own in place. They are `Deno.listenDatagram`'s and not
 * `node:dgram`'s, which takes in a tenth of the datagrams and does not connect its sockets either: nothing here hears of an
 * ICMP error unless the system reports it on a socket that is not connected.
 */
import { ipBytes } from "../bytes/mod.ts";

/** Room for the longest datagram and one byte more, by which a longer one is told. */
export const RECEIVE_BUFFER_BYTES = 65_536;
/** Receive buffers that are made at once: a large allocation takes memory only where it was written to. */
const BUFFERS_A_CHUNK = 16;

/** The part of `Deno.DatagramConn` that flows use. */
export interface DatagramSocket {
  readonly addr: Deno.Addr;
  /** Waits for a datagram; the bytes lie in `into`. */
  receive(into: Uint8Array): Promise<[Uint8Array, Deno.Addr]>;
  /** The bytes must not change until it resolves. */
  send(bytes: Uint8Array, to: Deno.NetAddr): Promise<number>;
  close(): void;
}

export interface DatagramNetwork {
  /** @throws what the system refuses with */
  bind(options: { hostname: string; port: number }): DatagramSocket;
  /** Addresses of a name, best first. */
  lookup(host: string): Promise<string[]>;
}

export const systemDatagrams: DatagramNetwork = {
  bind: (options) => Deno.listenDatagram({ ...options, transport: "udp" }),
  async lookup(host) {
    const { lookup } = await import("node:dns/promises");
    return (await lookup(host, { all: true })).map(({ address }) => address);
  },
};

/** Buffers of {@link RECEIVE_BUFFER_BYTES}, one for each socket that waits, used again. */
export class ReceiveBuffers {
  #free: Uint8Array[] = [];

  take(): Uint8Array {
    if (this.#free.length === 0) {
      const chunk = new Uint8Array(BUFFERS_A_CHUNK * RECEIVE_BUFFER_BYTES);
      for (let at = 0; at < chunk.length; at += RECEIVE_BUFFER_BYTES) {
        this.#free.push(chunk.subarray(at, at + RECEIVE_BUFFER_BYTES));
      }
    }
    return this.#free.pop()!;
  }

  /** Takes a buffer back that no socket waits with any more. */
  give(buffer: Uint8Array): void {
    this.#free.push(buffer);
  }
}

/** Whether two texts mean one IP address. */
export function isSameAddress(a: string, b: string): boolean {
  if (a === b) return true;
  const left = ipBytes(a);
  const right = ipBytes(b);
  return left !== undefined && left.length === right?.length && left.every((byte, at) => byte === right[at]);
}
