/** Where programs of this machine find a private udp service: each sender's flow is a stream, datagram for datagram. */
import { formatHostPort } from "../../src/bytes/mod.ts";
import type { Address } from "../../src/config/mod.ts";
import {
  DatagramBudget,
  DatagramFlow,
  type DatagramFlowUser,
  type DatagramNetwork,
  type DatagramSocket,
  type Deadline,
  type Deadlines,
  RECEIVE_BUFFER_BYTES,
  systemDatagrams,
} from "../../src/driver/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import type { StreamHandler } from "../../src/mux/mod.ts";
import type { Clock } from "../../src/ports/mod.ts";
import { streamClass } from "../../src/wire/mod.ts";
import type { PrivateConnector } from "./private_connector.ts";

const UDP_CLASS = streamClass("vpn_packet");
/** Senders at the same time; the datagrams of those beyond are dropped. */
const MAX_FLOWS = 1_024;
/** Silence after which a flow ends: as at an edge. */
const IDLE_MS = 60_000;
/** Failures to receive in a row after which the socket is given up. */
const MAX_FAILURES = 16;
const NOBODY: StreamHandler = { onData() {}, onEnd() {}, onReset() {}, onTaken() {} };

export interface LocalDatagramsOptions {
  readonly listen: Address;
  readonly connector: Pick<PrivateConnector, "session">;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly newRequestId: () => string;
  /** Deno's own unless given. */
  readonly network?: DatagramNetwork;
}

export class LocalDatagrams {
  /** As it was bound. */
  readonly address: string;
  readonly #options: LocalDatagramsOptions;
  readonly #socket: DatagramSocket;
  readonly #flows = new Map<string, LocalFlow>();
  readonly #budget = new DatagramBudget();
  #isOpen = true;
  /** Datagrams that went no further, for whatever reason. */
  dropped = 0;

  /** Listens at once. @throws PosternError `listen_failed` */
  constructor(options: LocalDatagramsOptions) {
    this.#options = options;
    const { host: hostname, port } = options.listen;
    try {
      this.#socket = (options.network ?? systemDatagrams).bind({ hostname, port });
    } catch (cause) {
      throw new PosternError("listen_failed", `Cannot listen on ${formatHostPort(hostname, port)}`, {
        cause,
      });
    }
    this.address = formatHostPort(hostname, (this.#socket.addr as Deno.NetAddr).port);
    this.#receive();
  }

  get openFlows(): number {
    return this.#flows.size;
  }

  stop(): void {
    this.#isOpen = false;
    for (const flow of [...this.#flows.values()]) flow.end();
    this.#socket.close();
  }

  async #receive(): Promise<void> {
    const buffer = new Uint8Array(RECEIVE_BUFFER_BYTES);
    for (let failures = 0; this.#isOpen && failures < MAX_FAILURES;) {
      try {
        const [payload, from] = await this.#socket.receive(buffer);
        failures = 0;
        this.#take(payload, from as Deno.NetAddr);
      } catch {
        failures++; // that of an earlier answer, if the system tells it at all
      }
    }
  }

  #take(payload: Uint8Array, from: Deno.NetAddr): void {
    if (payload.length === RECEIVE_BUFFER_BYTES) return void this.dropped++;
    const key = formatHostPort(from.hostname, from.port);
    const flow = this.#flows.get(key) ?? this.#open(key, from);
    if (flow === undefined) this.dropped++;
    else flow.push(payload);
  }

  /** Undefined where there is no channel now: nothing waits for one, as a datagram does not. */
  #open(key: string, from: Deno.NetAddr): LocalFlow | undefined {
    const { connector: { session }, clock, deadlines, newRequestId } = this.#options;
    if (session === undefined || session.kind !== "udp" || this.#flows.size >= MAX_FLOWS) return undefined;
    const flow: LocalFlow = new LocalFlow({
      send: (payload) => this.#socket.send(payload, from),
      dropped: () => this.dropped++,
      over: () => this.#flows.delete(key),
      refresh: (task) => deadlines.set(IDLE_MS, task),
    });
    try {
      const stream = session.open({ class: UDP_CLASS, viewer: key, requestId: newRequestId() }, NOBODY);
      stream.handler = flow.join(new DatagramFlow({ stream, user: flow, budget: this.#budget, clock }));
    } catch {
      return undefined; // the channel has just ended; the sender's next datagram finds another
    }
    this.#flows.set(key, flow);
    return flow;
  }
}

interface LocalFlowHost {
  send(payload: Uint8Array): Promise<unknown>;
  dropped(): void;
  over(): void;
  refresh(task: () => void): Deadline;
}

class LocalFlow implements DatagramFlowUser {
  readonly #host: LocalFlowHost;
  #flow!: DatagramFlow;
  #idle: Deadline | undefined;

  constructor(host: LocalFlowHost) {
    this.#host = host;
  }

  join(flow: DatagramFlow): DatagramFlow {
    return this.#flow = flow;
  }

  push(payload: Uint8Array): void {
    this.#touch();
    this.#flow.push(payload);
  }

  end(): void {
    this.#idle?.lift();
    this.#flow.end("idle_timeout");
    this.#host.over();
  }

  admits(): boolean {
    return true;
  }

  send(payload: Uint8Array): Promise<unknown> {
    this.#touch();
    return this.#host.send(payload);
  }

  onSent(): void {}

  onSendError(): void {
    this.#host.dropped();
  }

  onDrop(): void {
    this.#host.dropped();
  }

  onOver(): void {
    this.#idle?.lift();
    this.#host.over();
  }

  #touch(): void {
    this.#idle?.lift();
    this.#idle = this.#host.refresh(() => this.end());
  }
}
