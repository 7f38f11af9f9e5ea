/** A viewer's flow of a udp service: a socket of its own towards the target, so that the origin tells viewers apart. */
import {
  DatagramFlow,
  type DatagramFlowUser,
  type DatagramSocket,
  isSameAddress,
  RECEIVE_BUFFER_BYTES,
} from "../src/driver/mod.ts";
import type { MuxStream, StreamHandler } from "../src/mux/mod.ts";
import type { FlowResult } from "../src/telemetry/mod.ts";
import type { ResetReason } from "../src/wire/mod.ts";
import { EarlyBytes } from "./early_bytes.ts";
import type { Service } from "./service.ts";
import type { UdpTarget } from "./udp_target.ts";

/** Failures to receive in a row after which the flow is given up. */
const MAX_FAILURES = 16;

/** Who handles the stream of a flow, or why nobody does: no descriptor or local port is left. */
export function acceptUdpFlow(
  service: Service,
  target: UdpTarget,
  stream: MuxStream,
): StreamHandler | ResetReason {
  const { known } = target;
  if (known !== undefined) return startFlow(service, target, known, stream);
  const early = new EarlyBytes();
  let over = false;
  target.address().then((address) => {
    if (over) return;
    const handler = startFlow(service, target, address, stream);
    if (typeof handler === "string") return stream.reset(handler);
    stream.handler = handler;
    early.handTo(handler);
  }, () => {
    if (over) return;
    service.countRefusal("origin_refused");
    stream.reset("origin_refused");
  });
  return {
    onData: (buffer, start, end) => early.add(buffer, start, end),
    onEnd: () => early.ended = true,
    onReset: () => over = true,
    onTaken() {},
  };
}

function startFlow(
  service: Service,
  target: UdpTarget,
  address: string,
  stream: MuxStream,
): StreamHandler | ResetReason {
  let socket: DatagramSocket;
  try {
    socket = target.bind(address);
  } catch {
    service.countRefusal("stream_limit");
    return "stream_limit"; // the viewer's next datagram tries again
  }
  const flow = new UdpFlow(service, target, address, socket, stream);
  flow.run();
  return flow.handler;
}

class UdpFlow implements DatagramFlowUser {
  readonly handler: DatagramFlow;
  readonly #service: Service;
  readonly #target: UdpTarget;
  readonly #to: Deno.NetAddr;
  readonly #socket: DatagramSocket;
  #answered = false;
  #ended = false;

  constructor(
    service: Service,
    target: UdpTarget,
    address: string,
    socket: DatagramSocket,
    stream: MuxStream,
  ) {
    this.#service = service;
    this.#target = target;
    this.#socket = socket;
    this.#to = { transport: "udp", hostname: address, port: service.config.target.port };
    const { clock } = service;
    this.handler = new DatagramFlow({ stream, user: this, budget: target.budget, clock });
    target.flows++;
  }

  /** Takes what the target answers until the flow ends. Never throws. */
  async run(): Promise<void> {
    const buffers = this.#target.buffers;
    const buffer = buffers.take();
    let failures = 0;
    while (!this.#ended && failures < MAX_FAILURES) {
      try {
        const [payload, from] = await this.#socket.receive(buffer);
        failures = 0;
        if (!this.#ended) this.#receive(payload, from as Deno.NetAddr);
      } catch (error) {
        failures++;
        if (!this.#ended) this.onSendError(error); // that of an earlier datagram, if the system tells it at all
      }
    }
    buffers.give(buffer);
    if (this.#ended) return;
    this.handler.end("origin_reset");
    this.#end("lost");
  }

  admits(): boolean {
    return true;
  }

  send(payload: Uint8Array): Promise<unknown> {
    return this.#socket.send(payload, this.#to);
  }

  onSent(bytes: number): void {
    this.#service.datagrams.in++;
    this.#service.countBytes(bytes, 0);
  }

  onSendError(error: unknown): void {
    this.onDrop(error instanceof Deno.errors.ConnectionRefused ? "origin_refused" : "send_failed");
  }

  onDrop(reason: Parameters<DatagramFlowUser["onDrop"]>[0]): void {
    this.#service.datagrams.dropped(reason);
  }

  onOver(_reason: ResetReason | undefined): void {
    this.#end(this.#answered ? "answered" : "unanswered");
  }

  #receive(payload: Uint8Array, from: Deno.NetAddr): void {
    if (from.port !== this.#to.port || !isSameAddress(from.hostname, this.#to.hostname)) {
      return this.onDrop("unwanted");
    }
    if (payload.length === RECEIVE_BUFFER_BYTES) return this.onDrop("oversize");
    this.#answered = true;
    this.#service.datagrams.out++;
    this.#service.countBytes(0, payload.length);
    this.handler.push(payload);
  }

  #end(result: FlowResult): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#target.flows--;
    this.#service.datagrams.flowEnded(result);
    this.#socket.close();
  }
}
