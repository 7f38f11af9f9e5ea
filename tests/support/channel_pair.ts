/** An agent's and an edge's channel, joined by a link of records, in virtual time. */
import assert from "node:assert/strict";
import {
  type Challenge,
  Channel,
  CHANNEL_LIMITS,
  type ChannelEvents,
  type ChannelLimits,
  type ChannelState,
  HandshakeInitiator,
  HandshakeResponder,
  isTerminal,
  type Offer,
  type OfferAnswer,
  type Proof,
  type ReadyMessage,
  type ReauthChallenge,
  type ReauthProof,
  type SuiteName,
} from "../../src/channel/mod.ts";
import { generateX25519KeyPair } from "../../src/crypto/mod.ts";
import type { PosternError } from "../../src/errors/mod.ts";
import type { MuxStream } from "../../src/mux/mod.ts";
import type { Random, SealingCore } from "../../src/ports/mod.ts";
import { MAX_RECORD_BYTES, type ResetReason } from "../../src/wire/mod.ts";
import { referenceCore } from "../reference/sealing_core.ts";
import { OPENING, StreamUser } from "./mux_pair.ts";

const random: Random = (bytes) => crypto.getRandomValues(new Uint8Array(bytes));
export const EDGE_STATIC = generateX25519KeyPair(random);

export const TOKEN = "a token of at least sixteen characters";
export const READY: ReadyMessage = {
  type: "ready",
  session_id: "session",
  services: [{ id: 0, urls: ["https://a.example.test"] }],
  heartbeat_ms: CHANNEL_LIMITS.heartbeat.intervalMs,
  offline_ms: CHANNEL_LIMITS.heartbeat.offlineMs,
};

export interface PairOptions {
  readonly suite?: SuiteName;
  readonly allowed?: readonly SuiteName[];
  readonly limits?: Partial<ChannelLimits>;
  readonly agentLimits?: Partial<ChannelLimits>;
  readonly edgeLimits?: Partial<ChannelLimits>;
  /** The key that the agent expects of the edge; the right one unless given. */
  readonly expectedEdge?: Uint8Array;
  readonly replaces?: string;
}

export class ChannelEnd {
  readonly channel: Channel;
  readonly core: SealingCore = referenceCore({ memoryBytes: 65_536 + 4 * 65_536 });
  /** Records on their way to this end. */
  readonly inbox: Uint8Array[] = [];
  readonly states: ChannelState[] = [];
  /** Users of streams that the peer opened. */
  readonly accepted: StreamUser[] = [];
  readonly goaways: { reason: ResetReason; deadlineMs: number }[] = [];
  readonly echoes: number[] = [];
  /** What is to be done after the call that asked for it, as a driver does it. */
  readonly tasks: (() => void)[] = [];
  rekeys = 0;
  wakes = 0;
  stage0: { token: string; version: string } | undefined;
  challenge: Challenge | undefined;
  proof: Proof | undefined;
  ready: ReadyMessage | undefined;
  reauths: ReauthChallenge[] = [];
  reauthProofs: ReauthProof[] = [];
  /** What the edge said with each proof that it was content with. */
  reauthenticated: (number | undefined)[] = [];
  readonly offers: Offer[] = [];
  readonly offerAnswers: { offer: number; answer: OfferAnswer }[] = [];
  ended = false;
  error: PosternError | undefined;
  /** What to do when asked; changed by tests. */
  onStage0: () => void = () => this.channel.challenge(this.#pair.now);
  onChallenge: () => void = () => this.channel.prove(TOKEN, this.#pair.now);
  onProof: () => void = () => this.channel.accept(READY, this.#pair.now);
  onReauth: () => void = () => this.channel.proveAgain(TOKEN, this.#pair.now);
  onReauthProof: () => void = () => this.channel.reauthenticated(300_000, this.#pair.now);
  onEnd: (error: PosternError | undefined) => void = () => {};
  answer: (stream: MuxStream) => StreamUser | ResetReason = () => new StreamUser(true);
  readonly #pair: ChannelPair;
  readonly #events: ChannelEvents;

  constructor(pair: ChannelPair, make: (events: ChannelEvents, core: SealingCore) => Channel) {
    this.#pair = pair;
    this.#events = {
      wake: () => this.wakes++,
      onState: (state) => void this.states.push(state),
      onStage0: (token, version) => {
        this.stage0 = { token, version };
        this.tasks.push(() => this.onStage0());
      },
      onChallenge: (challenge) => {
        this.challenge = challenge;
        this.tasks.push(() => this.onChallenge());
      },
      onProof: (proof) => {
        this.proof = proof;
        this.tasks.push(() => this.onProof());
      },
      onReauth: (challenge) => {
        this.reauths.push(challenge);
        this.tasks.push(() => this.onReauth());
      },
      onReauthProof: (proof) => {
        this.reauthProofs.push(proof);
        this.tasks.push(() => this.onReauthProof());
      },
      onReauthenticated: (nextMs) => void this.reauthenticated.push(nextMs),
      onOffer: (offer) => void this.offers.push(offer),
      onOfferAnswer: (offer, answer) => void this.offerAnswers.push({ offer, answer }),
      onReady: (ready) => this.ready = ready,
      onOpen: (stream) => {
        const answer = this.answer(stream);
        if (typeof answer === "string") return answer;
        answer.stream = stream;
        this.accepted.push(answer);
        return answer;
      },
      onGoaway: (reason, deadlineMs) => void this.goaways.push({ reason, deadlineMs }),
      onEcho: (rttMs) => void this.echoes.push(rttMs),
      onRekey: () => this.rekeys++,
      onEnd: (error) => {
        assert.equal(this.ended, false, "told the end twice");
        this.ended = true;
        this.error = error;
        this.onEnd(error);
      },
    };
    this.channel = make(this.#events, this.core);
  }

  /** An agent that has no private service, and so takes no offers. */
  takesNoOffers(): void {
    delete this.#events.onOffer;
  }

  /** The next record that this end has to say. */
  takeRecord(): Uint8Array | undefined {
    const start = this.core.arena.offset + 2 * 65_536 + 16;
    const end = this.channel.takeRecord(start, start + MAX_RECORD_BYTES, this.#pair.now);
    return end === start ? undefined : this.core.memory.slice(start, end);
  }

  receive(record: Uint8Array): void {
    const start = this.core.arena.offset + 8;
    this.core.memory.set(record, start);
    this.channel.receive(start, start + record.length, this.#pair.now);
    this.core.memory.fill(0xee, start, start + record.length);
  }

  open(user: StreamUser = new StreamUser(true)): StreamUser {
    user.stream = this.channel.open(OPENING, user);
    return user;
  }
}

export class ChannelPair {
  now = 1_000;
  readonly agent: ChannelEnd;
  readonly edge: ChannelEnd;
  /** What the link does to a record that was sent; identity unless changed. */
  link: (record: Uint8Array, from: ChannelEnd) => readonly Uint8Array[] = (record) => [record];

  constructor(options: PairOptions = {}) {
    const suite = options.suite ?? "classic";
    const limits = { ...CHANNEL_LIMITS, ...options.limits };
    this.agent = new ChannelEnd(this, (events, core) =>
      new Channel({
        role: {
          side: "initiator",
          handshake: new HandshakeInitiator({
            suite,
            agentStatic: generateX25519KeyPair(random),
            edgeStatic: options.expectedEdge ?? EDGE_STATIC.publicKey,
            random,
          }),
          stage0Token: TOKEN,
          version: "1.2.3",
          replaces: options.replaces,
        },
        core,
        limits: { ...limits, ...options.agentLimits },
        events,
      }));
    this.edge = new ChannelEnd(this, (events, core) =>
      new Channel({
        role: {
          side: "responder",
          handshake: new HandshakeResponder({
            edgeStatic: EDGE_STATIC,
            allowedSuites: options.allowed ?? ["hybrid", "classic"],
            random,
          }),
          edgeId: "edge-1",
          version: "1.2.4",
        },
        core,
        limits: { ...limits, ...options.edgeLimits },
        events,
      }));
  }

  get ends(): readonly ChannelEnd[] {
    return [this.agent, this.edge];
  }
  other(end: ChannelEnd): ChannelEnd {
    return end === this.agent ? this.edge : this.agent;
  }

  start(): this {
    this.edge.channel.start(this.now);
    this.agent.channel.start(this.now);
    return this;
  }

  /** Both started, shaken hands, echoed. */
  establish(): this {
    this.start().settle();
    assert.deepEqual([this.agent.channel.state, this.edge.channel.state], ["established", "established"]);
    return this;
  }

  /** Puts all that `end` has to say on the link. */
  send(end: ChannelEnd): boolean {
    let moved = false;
    for (let record = end.takeRecord(); record !== undefined; record = end.takeRecord()) {
      this.other(end).inbox.push(...this.link(record, end));
      moved = true;
    }
    return moved;
  }

  deliver(end: ChannelEnd): boolean {
    const record = end.inbox.shift();
    if (record !== undefined) end.receive(record);
    for (const task of end.tasks.splice(0)) task();
    return record !== undefined;
  }

  /** Sends and delivers until nobody has anything to say at this moment. */
  settle(): void {
    for (let turn = 0;; turn++) {
      assert.ok(turn < 10_000, "the channels never come to rest");
      let moved = false;
      for (const end of this.ends) {
        moved = this.send(end) || moved;
        while (this.deliver(this.other(end))) moved = true;
      }
      if (!moved) return;
    }
  }

  /** Lets time pass, each deadline at its moment. */
  advance(ms: number, between: () => void = () => this.settle()): void {
    const until = this.now + ms;
    for (let steps = 0;; steps++) {
      assert.ok(steps < 10_000, "a deadline is due again and again");
      const next = Math.min(...this.ends.map((end) => end.channel.deadline));
      if (next > until) break;
      this.now = Math.max(this.now, next);
      for (const end of this.ends) if (this.now >= end.channel.deadline) end.channel.timeout(this.now);
      between();
    }
    this.now = until;
  }

  /** The carrier is cut for both. */
  cut(): void {
    for (const end of this.ends) end.channel.carrierEnded(this.now);
  }

  assertEnded(): void {
    for (const { channel, ended } of this.ends) {
      assert.ok(isTerminal(channel.state) && ended, channel.state);
      assert.equal(channel.deadline, Infinity);
      assert.deepEqual([channel.openStreams, channel.hasOutput, channel.finished], [0, false, true]);
    }
  }
}
