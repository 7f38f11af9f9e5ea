/** A viewer of udp services, and an origin that answers: real sockets on loopback. */

const answerMs = 5_000;

/** Ends with its scope. */
export class UdpClient implements Disposable {
  readonly #socket: Deno.DatagramConn;
  readonly #to: Deno.NetAddr;
  readonly #waiting: ((payload: Uint8Array) => void)[] = [];
  /** Datagrams that came and nobody has asked for yet. */
  readonly inbox: Uint8Array[] = [];

  constructor(port: number) {
    this.#socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
    this.#to = { transport: "udp", hostname: "127.0.0.1", port };
    this.#receive();
  }

  async send(payload: Uint8Array): Promise<void> {
    await this.#socket.send(payload, this.#to);
  }

  /** The next datagram, or undefined when none comes within `ms`. */
  next(ms = answerMs): Promise<Uint8Array | undefined> {
    const there = this.inbox.shift();
    if (there !== undefined) return Promise.resolve(there);
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(take), 1);
        resolve(undefined);
      }, ms);
      const take = (payload: Uint8Array) => {
        clearTimeout(timer);
        resolve(payload);
      };
      this.#waiting.push(take);
    });
  }

  /** Sends until an answer comes, as protocols over udp do. */
  async ask(payload: Uint8Array, attempts = 20, ms = 250): Promise<Uint8Array | undefined> {
    for (let attempt = 0; attempt < attempts; attempt++) {
      await this.send(payload);
      const answer = await this.next(ms);
      if (answer !== undefined) return answer;
    }
    return undefined;
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }

  async #receive(): Promise<void> {
    try {
      for (;;) {
        const [payload] = await this.#socket.receive(new Uint8Array(65_536));
        const take = this.#waiting.shift();
        if (take === undefined) this.inbox.push(payload);
        else take(payload);
      }
    } catch {
      // Closed.
    }
  }
}

/** Answers each datagram with itself, from one socket. Ends with its scope. */
export class UdpEcho implements Disposable {
  readonly target: string;
  /** Senders' ports so far. */
  readonly senders = new Set<number>();
  received = 0;
  readonly #socket: Deno.DatagramConn;

  constructor(port = 0) {
    this.#socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port });
    this.target = `127.0.0.1:${(this.#socket.addr as Deno.NetAddr).port}`;
    this.#run();
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }

  async #run(): Promise<void> {
    const buffer = new Uint8Array(65_536);
    try {
      for (;;) {
        const [payload, from] = await this.#socket.receive(buffer);
        this.received++;
        this.senders.add((from as Deno.NetAddr).port);
        await this.#socket.send(payload.slice(), from);
      }
    } catch {
      // Closed.
    }
  }
}

/** A udp port that is free now. */
export function freeUdpPort(): number {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  socket.close();
  return (socket.addr as Deno.NetAddr).port;
}
