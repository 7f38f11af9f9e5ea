/** An edge's end of channels, in memory: opens streams at the agent and keeps what comes back. */
import {
  Channel,
  CHANNEL_LIMITS,
  type ChannelLimits,
  HandshakeResponder,
  type OfferAnswer,
} from "../../src/channel/mod.ts";
import { generateX25519KeyPair } from "../../src/crypto/mod.ts";
import {
  ChannelPump,
  type DatagramNetwork,
  Deadlines,
  Slabs,
  systemRandom,
  WireBuffers,
} from "../../src/driver/mod.ts";
import { concat, utf8, utf8Decode } from "../../src/bytes/mod.ts";
import type { PosternError } from "../../src/errors/mod.ts";
import { type AgentConfig, agentDefaults, type ServiceConfig } from "../../src/config/mod.ts";
import type { MuxStream, StreamHandler } from "../../src/mux/mod.ts";
import type { Clock } from "../../src/ports/mod.ts";
import { createMetrics, noLog } from "../../src/telemetry/mod.ts";
import { MAX_RECORD_BYTES, type ResetReason, streamClass, type StreamKind } from "../../src/wire/mod.ts";
import { WebSocketFraming } from "../../src/wire/websocket/mod.ts";
import { loadCore } from "../../wasm/mod.ts";
import { Service } from "../../agent/service.ts";
import { type Carrier, Session, type SessionEvents, type SessionOptions } from "../../agent/session.ts";
import { settle, VirtualClock } from "../support/virtual_clock.ts";
import { memoryStreamPair } from "../support/memory_stream.ts";

const core = loadCore();
const NO_RULES = agentDefaults({}, [{}]).services[0].rules;
/** One for all tests of a file: an agent has one as well. */
export const buffers: WireBuffers = new WireBuffers(core);
const edgeStatic = generateX25519KeyPair(systemRandom);
export const edgePublicKey: Uint8Array = edgeStatic.publicKey;
export const STAGE0 = "stage-0-token-of-a-test";
export const STAGE1 = "stage-1-token-of-a-test";

/** Lets sockets and promises move until the condition holds; fails after a bounded number of turns. */
export async function until(condition: () => boolean, what = "condition"): Promise<void> {
  for (let turn = 0; turn < 5_000; turn++) {
    if (condition()) return;
    // A timer of zero: an always ready message channel would keep the runtime from looking at its sockets.
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  throw new Error(`${what} did not come to hold`);
}

export class EdgeStream implements StreamHandler {
  stream!: MuxStream;
  trailers: string | undefined;
  ended = false;
  reset: ResetReason | undefined;
  /** Whether credit is returned at once. */
  reading = true;
  #parts: Uint8Array[] = [];
  #bytes = 0;
  #owed = 0;

  get bytes(): number {
    return this.#bytes;
  }
  get received(): Uint8Array {
    return concat(...this.#parts);
  }
  get text(): string {
    return utf8Decode(this.received);
  }
  get over(): boolean {
    return this.ended || this.reset !== undefined;
  }
  /** Until the agent has ended its side or cut the stream. */
  async done(): Promise<this> {
    await until(() => this.over, `the end of the stream (${this.#bytes} bytes so far)`);
    return this;
  }
  async has(text: string): Promise<void> {
    await until(() => this.text.includes(text) || this.over, `"${text}" on the stream`);
  }
  send(data: string | Uint8Array): this {
    this.stream.offer(typeof data === "string" ? utf8(data) : data);
    return this;
  }
  end(trailers?: string): this {
    this.stream.end(trailers === undefined ? undefined : utf8(trailers));
    return this;
  }
  resume(): void {
    this.reading = true;
    this.stream.consumed(this.#owed);
    this.#owed = 0;
  }
  onData(buffer: Uint8Array, start: number, end: number): void {
    this.#parts.push(buffer.slice(start, end));
    this.#bytes += end - start;
    if (this.reading) this.stream.consumed(end - start);
    else this.#owed += end - start;
  }
  onEnd(trailers: Uint8Array | undefined): void {
    this.ended = true;
    this.trailers = trailers === undefined ? undefined : utf8Decode(trailers);
  }
  onReset(reason: ResetReason): void {
    this.reset = reason;
  }
  onTaken(): void {}
}

export interface FakeEdgeOptions {
  readonly clock: Clock;
  readonly limits?: ChannelLimits;
  /** Refuses the proof. */
  readonly refuse?: PosternError;
  readonly sessionId?: string;
  readonly urls?: string[];
}

/** The responder's end of one channel, and the carrier for the agent's end. */
export class FakeEdge {
  readonly carrier: Carrier;
  readonly channel: Channel;
  readonly over: Promise<void>;
  stage0: string | undefined;
  stage1: string | undefined;
  replaces: string | undefined;
  error: PosternError | undefined;
  readonly offerAnswers: OfferAnswer[] = [];
  echoes = 0;
  readonly #pump: ChannelPump;
  readonly #cut: () => void;

  constructor(options: FakeEdgeOptions) {
    const { clock } = options;
    const now = () => clock.now();
    const [agentEnd, edgeEnd] = memoryStreamPair({ bufferBytes: 1_048_576 });
    const framing = { maxMessageBytes: MAX_RECORD_BYTES };
    this.carrier = {
      stream: agentEnd,
      framing: WebSocketFraming.client(systemRandom, framing),
      leftover: new Uint8Array(0),
    };
    this.#cut = () => edgeEnd.close();
    const pump = this.#pump = new ChannelPump({
      stream: edgeEnd,
      framing: WebSocketFraming.server(framing),
      buffers,
      clock,
    });
    const limits = options.limits ?? CHANNEL_LIMITS;
    const channel: Channel = this.channel = new Channel({
      core,
      limits,
      role: {
        side: "responder",
        handshake: new HandshakeResponder({ edgeStatic, allowedSuites: ["hybrid"], random: systemRandom }),
        edgeId: "edge-1",
        version: "test",
      },
      events: {
        wake: pump.wake,
        onState() {},
        onStage0: (token) => {
          this.stage0 = token;
          channel.challenge(now());
        },
        onProof: (proof) => {
          this.stage1 = proof.token;
          this.replaces = proof.replaces;
          if (options.refuse) return channel.refuse(options.refuse, now());
          channel.accept({
            type: "ready",
            session_id: options.sessionId ?? "session-1",
            services: [{ id: 0, urls: options.urls ?? ["https://demo.example"] }],
            heartbeat_ms: limits.heartbeat.intervalMs,
            offline_ms: limits.heartbeat.offlineMs,
          }, now());
        },
        onOpen: () => "unknown_service",
        onOfferAnswer: (_offer, answer) => this.offerAnswers.push(answer),
        onEcho: () => this.echoes++,
        onEnd: (error) => this.error = error,
      },
    });
    this.over = pump.run(channel, new Uint8Array(0));
  }

  open(kind: StreamKind, service = 0): EdgeStream {
    const handler = new EdgeStream();
    handler.stream = this.channel.open(
      { class: streamClass("storage_fetch"), kind, service, viewer: "192.0.2.1:5000", requestId: "r1" },
      handler,
    );
    return handler;
  }

  /** A whole request. */
  request(head: string, body?: string | Uint8Array): EdgeStream {
    const stream = this.open("http").send(head);
    if (body !== undefined) stream.send(body);
    return stream.end();
  }

  wake(): void {
    this.#pump.wake();
  }

  /** The network between edge and agent breaks. */
  cut(): void {
    this.#cut();
  }
}

export const noEvents: SessionEvents = {
  onState() {},
  onReady() {},
  onEcho() {},
  onReauth() {},
  onGoaway() {},
};

export interface Tunnel {
  readonly edge: FakeEdge;
  readonly session: Session;
  readonly service: Service;
  readonly clock: VirtualClock;
  close(): Promise<void>;
}

/** An agent's session with one service, online at a fake edge. */
export async function openTunnel(
  service: Partial<ServiceConfig> & { target: ServiceConfig["target"] },
  origin: Partial<AgentConfig["origin"]> = {},
  datagramNetwork?: DatagramNetwork,
  onGrant?: SessionOptions["onGrant"],
): Promise<Tunnel> {
  const clock = new VirtualClock();
  const edge = new FakeEdge({ clock });
  const published = makeService(clock, service, origin, datagramNetwork);
  const session = new Session({
    connect: () => Promise.resolve(edge.carrier),
    edgeStatic: edgePublicKey,
    suite: "hybrid",
    stage0Token: STAGE0,
    version: "test",
    prover: {
      open: () => Promise.resolve({ token: STAGE1, tier: "bound-key" }),
      again: () => Promise.resolve({ token: STAGE1, tier: "bound-key" }),
    },
    service: published,
    onGrant,
    limits: CHANNEL_LIMITS,
    buffers,
    clock,
    random: systemRandom,
    events: noEvents,
  });
  await session.online;
  return {
    edge,
    session,
    service: published,
    clock,
    async close() {
      session.close();
      let over = false;
      const ended = Promise.all([session.ended, edge.over]).then(() => over = true);
      for (let turn = 0; turn < 50 && !over; turn++) await clock.advanceAsync(500);
      await ended;
      published.close();
      await settle();
    },
  };
}

export function makeService(
  clock: Clock,
  service: Partial<ServiceConfig> & { target: ServiceConfig["target"] },
  origin: Partial<AgentConfig["origin"]> = {},
  datagramNetwork?: DatagramNetwork,
): Service {
  return new Service({
    config: {
      name: null,
      protocol: "http",
      hostHeader: null,
      proxyProtocol: "off",
      weight: 100,
      requireTier: null,
      private: false,
      connect: [],
      rules: NO_RULES,
      ...service,
    },
    origin: { ...agentDefaults().origin, ...origin },
    clock,
    deadlines: new Deadlines(clock),
    slabs: new Slabs(),
    log: noLog,
    metrics: createMetrics(),
    datagramNetwork,
  });
}
