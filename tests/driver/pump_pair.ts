/** Both ends of a carrier in memory: real framing, real channels, real pumps, one virtual clock. */
import {
  Channel,
  CHANNEL_LIMITS,
  type ChannelLimits,
  HandshakeInitiator,
  HandshakeResponder,
} from "../../src/channel/mod.ts";
import { generateX25519KeyPair } from "../../src/crypto/mod.ts";
import { ChannelPump, type WireBuffer, WireBuffers } from "../../src/driver/mod.ts";
import type { PosternError } from "../../src/errors/mod.ts";
import type { MuxStream, StreamHandler } from "../../src/mux/mod.ts";
import type { ByteStream, Random } from "../../src/ports/mod.ts";
import type { ResetReason } from "../../src/wire/mod.ts";
import { WebSocketFraming } from "../../src/wire/websocket/mod.ts";
import { referenceCore } from "../reference/sealing_core.ts";
import { READY, TOKEN } from "../support/channel_pair.ts";
import { settle, VirtualClock } from "../support/virtual_clock.ts";
import { type MemoryStreamOptions, memoryStreamPair } from "../support/memory_stream.ts";

const random: Random = (bytes) => crypto.getRandomValues(new Uint8Array(bytes));
const edgeStatic = generateX25519KeyPair(random);

export interface PumpPairOptions extends MemoryStreamOptions {
  readonly limits?: Partial<ChannelLimits>;
  readonly memoryBytes?: number;
  /** Changes the socket of one end. */
  readonly wrap?: (stream: ByteStream, end: "agent" | "edge") => ByteStream;
}

export class PumpEnd {
  readonly pump: ChannelPump;
  readonly buffers: WireBuffers;
  readonly stream: ByteStream;
  channel!: Channel;
  /** Resolves when `run` has returned. */
  running: Promise<void> | undefined;
  stopped = false;
  ended = false;
  error: PosternError | undefined;
  accept: (stream: MuxStream) => StreamHandler | ResetReason = () => "class_denied";

  constructor(stream: ByteStream, framing: WebSocketFraming, clock: VirtualClock, memoryBytes: number) {
    this.stream = stream;
    this.buffers = new WireBuffers(referenceCore({ memoryBytes }));
    this.pump = new ChannelPump({ stream, framing, buffers: this.buffers, clock });
  }

  run(leftover: Uint8Array = new Uint8Array(0)): void {
    this.running = this.pump.run(this.channel, leftover).then(() => void (this.stopped = true));
  }
}

export class PumpPair {
  readonly clock = new VirtualClock();
  readonly agent: PumpEnd;
  readonly edge: PumpEnd;

  constructor(options: PumpPairOptions = {}) {
    const [a, b] = memoryStreamPair(options);
    const memoryBytes = options.memoryBytes ?? 8 * 1024 * 1024;
    const wrap = options.wrap ?? ((stream) => stream);
    this.agent = new PumpEnd(wrap(a, "agent"), WebSocketFraming.client(random), this.clock, memoryBytes);
    this.edge = new PumpEnd(wrap(b, "edge"), WebSocketFraming.server(), this.clock, memoryBytes);
    const limits = { ...CHANNEL_LIMITS, ...options.limits };
    const { agent, edge, clock } = this;
    const common = (end: PumpEnd) => ({
      wake: end.pump.wake,
      onState: () => {},
      onOpen: (stream: MuxStream) => end.accept(stream),
      onEnd: (error: PosternError | undefined) => {
        end.ended = true;
        end.error = error;
      },
    });
    agent.channel = new Channel({
      role: {
        side: "initiator",
        handshake: new HandshakeInitiator({
          suite: "classic",
          agentStatic: generateX25519KeyPair(random),
          edgeStatic: edgeStatic.publicKey,
          random,
        }),
        stage0Token: TOKEN,
        version: "1",
      },
      core: agent.buffers.core,
      limits,
      events: {
        ...common(agent),
        onChallenge: () => queueMicrotask(() => agent.channel.prove(TOKEN, clock.now())),
      },
    });
    edge.channel = new Channel({
      role: {
        side: "responder",
        handshake: new HandshakeResponder({ edgeStatic, allowedSuites: ["classic"], random }),
        edgeId: "edge",
        version: "1",
      },
      core: edge.buffers.core,
      limits,
      events: {
        ...common(edge),
        onStage0: () => queueMicrotask(() => edge.channel.challenge(clock.now())),
        onProof: () => queueMicrotask(() => edge.channel.accept(READY, clock.now())),
      },
    });
  }

  get ends(): readonly PumpEnd[] {
    return [this.agent, this.edge];
  }

  run(): this {
    for (const end of this.ends) end.run();
    return this;
  }

  /** Lets everything settle that needs no time. */
  async settle(until: () => boolean = () => false): Promise<void> {
    for (let i = 0; i < 40 && !until(); i++) await settle();
  }

  async established(): Promise<this> {
    this.run();
    await this.settle(() => this.ends.every((end) => end.channel.state === "established"));
    return this;
  }
}

/** Takes everything in, from leased buffers as a socket writer does, and returns credit when told. */
export class Sink implements StreamHandler {
  stream!: MuxStream;
  readonly parts: Uint8Array[] = [];
  readonly leases: { lease: WireBuffer | undefined; view: Uint8Array }[] = [];
  bytes = 0;
  ended = false;
  reset: ResetReason | undefined;
  readonly #retain: () => WireBuffer | undefined;
  readonly #stalls: boolean;

  constructor(retain: () => WireBuffer | undefined = () => undefined, stalls = false) {
    this.#retain = retain;
    this.#stalls = stalls;
  }

  onData(buffer: Uint8Array, start: number, end: number): void {
    const lease = this.#retain();
    this.leases.push({
      lease,
      view: lease === undefined ? buffer.slice(start, end) : buffer.subarray(start, end),
    });
    this.bytes += end - start;
    if (!this.#stalls) queueMicrotask(() => this.drain());
  }
  onEnd(): void {
    this.ended = true;
  }
  onReset(reason: ResetReason): void {
    this.reset = reason;
    for (const { lease } of this.leases.splice(0)) lease?.release();
  }
  onTaken(): void {}

  /** Uses what is held, as late as a slow socket would, and gives it back. */
  drain(): void {
    for (const { lease, view } of this.leases.splice(0)) {
      this.parts.push(view.slice());
      lease?.release();
      this.stream.consumed(view.length);
    }
  }
}
