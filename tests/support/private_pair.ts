/** The two endpoints of a private channel and the relay between them, which may do what it likes, in virtual time. */
import assert from "node:assert/strict";
import {
  Channel,
  CHANNEL_LIMITS,
  type ChannelLimits,
  type ChannelState,
  type IdentityProof,
  isTerminal,
  judgePrivatePeer,
  type PeerDemands,
  PrivateInitiator,
  PrivateResponder,
  privateSuite,
  type PrivateTerms,
  type ReadyMessage,
  type SuiteName,
  type VerifiedPrivatePeer,
} from "../../src/channel/mod.ts";
import { generateX25519KeyPair, type X25519KeyPair } from "../../src/crypto/mod.ts";
import { errorOf, type PosternError } from "../../src/errors/mod.ts";
import type { MuxStream } from "../../src/mux/mod.ts";
import type { Random, SealingCore } from "../../src/ports/mod.ts";
import { MAX_RECORD_BYTES } from "../../src/wire/mod.ts";
import { referenceCore } from "../reference/sealing_core.ts";
import { OPENING, StreamUser } from "./mux_pair.ts";

export const systemRandom: Random = (bytes) => crypto.getRandomValues(new Uint8Array(bytes));

export const WALL_MS = Date.UTC(2026, 0, 1);
export const TERMS: PrivateTerms = {
  channelId: "channel-of-24-bytes-or-so",
  initExpireAtS: WALL_MS / 1_000 + 120,
  idleTimeoutSeconds: 60,
  allowedSuites: [privateSuite("hybrid").protocolName, privateSuite("classic").protocolName],
  defaultSuite: privateSuite("hybrid").protocolName,
};
export const READY: ReadyMessage = {
  type: "ready",
  session_id: TERMS.channelId,
  services: [{ id: 0, urls: [], kind: "tcp" }],
  heartbeat_ms: CHANNEL_LIMITS.heartbeat.intervalMs,
  offline_ms: CHANNEL_LIMITS.heartbeat.offlineMs,
};

export interface EndOptions {
  readonly terms?: Partial<PrivateTerms>;
  readonly psk?: Uint8Array;
  readonly keys?: X25519KeyPair;
  readonly suite?: SuiteName;
  readonly allowed?: readonly SuiteName[];
  readonly limits?: Partial<ChannelLimits>;
  readonly demands?: Partial<PeerDemands>;
  readonly random?: Random;
  /** Its wall clock is ahead by so much. */
  readonly aheadMs?: number;
  readonly prove?: (transcript: Uint8Array) => Promise<IdentityProof[]>;
}

const GRANT_KEY = systemRandom(32);

export class PrivateEnd {
  readonly channel: Channel;
  readonly core: SealingCore = referenceCore({ memoryBytes: 6 * 65_536 });
  readonly keys: X25519KeyPair;
  readonly inbox: Uint8Array[] = [];
  readonly states: ChannelState[] = [];
  readonly accepted: StreamUser[] = [];
  readonly tasks: (() => Promise<void>)[] = [];
  rekeys = 0;
  peer: VerifiedPrivatePeer | undefined;
  ready: ReadyMessage | undefined;
  ended = false;
  error: PosternError | undefined;
  readonly #pair: PrivatePair;

  constructor(pair: PrivatePair, side: "initiator" | "responder", options: EndOptions) {
    this.#pair = pair;
    const random = options.random ?? systemRandom;
    const terms = { ...TERMS, ...options.terms };
    this.keys = options.keys ?? generateX25519KeyPair(random);
    const wall = () => WALL_MS + pair.now + (options.aheadMs ?? 0);
    const shared = {
      terms,
      psk: options.psk ?? GRANT_KEY,
      staticKeys: this.keys,
      version: "1.2.3",
      random,
      clock: { wall },
    };
    const prove = options.prove ?? (() => Promise.resolve([]));
    const judge = async (peer: Parameters<typeof judgePrivatePeer>[0]) => {
      this.peer = await judgePrivatePeer(peer, { terms, wallMs: wall(), pins: [], ...options.demands });
    };
    this.channel = new Channel({
      core: this.core,
      limits: { ...CHANNEL_LIMITS, ...options.limits },
      role: side === "initiator"
        ? {
          use: "private",
          side,
          handshake: new PrivateInitiator({ ...shared, suite: options.suite ?? "classic" }),
        }
        : {
          use: "private",
          side,
          handshake: new PrivateResponder({
            ...shared,
            allowedSuites: options.allowed ?? ["hybrid", "classic"],
          }),
        },
      events: {
        wake: () => {},
        onState: (state) => void this.states.push(state),
        onArrived: (transcript) => {
          this.tasks.push(async () => this.channel.introduce(await prove(transcript), pair.now));
        },
        onPeer: (peer, transcript) => {
          this.tasks.push(async () => {
            try {
              await judge(peer);
              if (transcript === undefined) this.channel.accept(READY, pair.now);
              else this.channel.introduce(await prove(transcript), pair.now);
            } catch (error) {
              this.channel.refuse(errorOf(error), pair.now);
            }
          });
        },
        onReady: (ready) => this.ready = ready,
        onOpen: (stream: MuxStream) => {
          const user = new StreamUser(true);
          user.stream = stream;
          this.accepted.push(user);
          return user;
        },
        onRekey: () => this.rekeys++,
        onEnd: (error) => {
          assert.equal(this.ended, false, "told the end twice");
          this.ended = true;
          this.error = error;
        },
      },
    });
  }

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

export class PrivatePair {
  now = 1_000;
  readonly client: PrivateEnd;
  readonly server: PrivateEnd;
  /** Everything that the relay was given, in its order. */
  readonly seen: { readonly from: PrivateEnd; readonly record: Uint8Array }[] = [];
  /** What the relay does with a record: what it hands on to the other side; `back` goes to the sender. */
  relay: (record: Uint8Array, from: PrivateEnd, back: (record: Uint8Array) => void) => readonly Uint8Array[] =
    (
      record,
    ) => [record];

  constructor(options: { client?: EndOptions; server?: EndOptions; both?: EndOptions } = {}) {
    this.client = new PrivateEnd(this, "initiator", { ...options.both, ...options.client });
    this.server = new PrivateEnd(this, "responder", { ...options.both, ...options.server });
  }

  get ends(): readonly PrivateEnd[] {
    return [this.client, this.server];
  }
  other(end: PrivateEnd): PrivateEnd {
    return end === this.client ? this.server : this.client;
  }

  start(): this {
    for (const end of this.ends) end.channel.start(this.now);
    return this;
  }

  async establish(): Promise<this> {
    await this.start().settle();
    assert.deepEqual(
      this.ends.map(({ channel, error }) => error?.code ?? channel.state),
      ["established", "established"],
    );
    return this;
  }

  /** Sends, relays and delivers until nobody has anything to say at this moment. */
  async settle(): Promise<void> {
    for (let turn = 0;; turn++) {
      assert.ok(turn < 10_000, "the channels never come to rest");
      let moved = false;
      for (const end of this.ends) {
        for (let record = end.takeRecord(); record !== undefined; record = end.takeRecord()) {
          moved = true;
          this.seen.push({ from: end, record });
          this.other(end).inbox.push(...this.relay(record, end, (back) => end.inbox.push(back)));
        }
        const other = this.other(end);
        for (const record of other.inbox.splice(0)) {
          moved = true;
          other.receive(record);
        }
        for (const task of other.tasks.splice(0)) {
          moved = true;
          await task();
        }
      }
      if (!moved) return;
    }
  }

  /** Lets time pass, each deadline at its moment. */
  async advance(ms: number): Promise<void> {
    const until = this.now + ms;
    for (let steps = 0;; steps++) {
      assert.ok(steps < 10_000, "a deadline is due again and again");
      const next = Math.min(...this.ends.map((end) => end.channel.deadline));
      if (next > until) break;
      this.now = Math.max(this.now, next);
      for (const end of this.ends) if (this.now >= end.channel.deadline) end.channel.timeout(this.now);
      await this.settle();
    }
    this.now = until;
  }

  assertEnded(): void {
    for (const { channel, ended } of this.ends) {
      assert.ok(isTerminal(channel.state) && ended, channel.state);
      assert.deepEqual([channel.deadline, channel.openStreams, channel.hasOutput], [Infinity, 0, false]);
    }
  }
}
