/** One private channel at one of its endpoints, from the attach to its end. A session, and its grant, are never used again. */
import { fromBase64Url } from "../../src/bytes/mod.ts";
import {
  carriesTraffic,
  Channel,
  type ChannelLimits,
  type ChannelState,
  chooseSuite,
  type HeartbeatLimits,
  judgePrivatePeer,
  PrivateInitiator,
  type PrivatePeer,
  PrivateResponder,
  type PrivateTerms,
  type ReadyMessage,
  type SuiteName,
  type VerifiedPrivatePeer,
} from "../../src/channel/mod.ts";
import type { X25519KeyPair } from "../../src/crypto/mod.ts";
import { ChannelPump, type WireBuffers } from "../../src/driver/mod.ts";
import { errorOf, PosternError } from "../../src/errors/mod.ts";
import { type ChannelInitGrant, pskOf } from "../../src/grants/mod.ts";
import type { MuxStream, StreamHandler } from "../../src/mux/mod.ts";
import type { Clock, Random } from "../../src/ports/mod.ts";
import { toldReason } from "../../src/relay/mod.ts";
import type { ResetReason, StreamKind, StreamOpening } from "../../src/wire/mod.ts";
import type { Carrier } from "../session.ts";
import type { EndpointIdentity } from "./endpoint_identity.ts";

/** What all channels of this endpoint have in common. */
export interface PrivateParts {
  /** Comes to the relay that the grant names; gives up when the signal aborts. */
  readonly connect: (grant: ChannelInitGrant, signal: AbortSignal) => Promise<Carrier>;
  readonly staticKeys: X25519KeyPair;
  /** Who this endpoint is besides, as of one handshake. */
  readonly identity: () => Promise<EndpointIdentity>;
  /** Fingerprints of which the other endpoint's must be one; none: any. */
  readonly pins: readonly string[];
  /** Suites that this endpoint takes. */
  readonly suites: readonly SuiteName[];
  readonly limits: ChannelLimits;
  readonly buffers: WireBuffers;
  readonly clock: Clock;
  readonly random: Random;
  readonly version: string;
}

/** What the server's side has behind it. */
export interface ServedStreams {
  /** What streams of it have to be. */
  readonly kind: StreamKind;
  accept(stream: MuxStream, pump: Pick<ChannelPump, "retain">): StreamHandler | ResetReason;
}

export interface PrivateSessionOptions extends PrivateParts {
  readonly grant: ChannelInitGrant;
  /** Of the server; the client has none: nobody opens a stream to it. */
  readonly served?: ServedStreams;
}

/** A heartbeat has to come this often within the idle timeout, so that one may be lost. */
const BEATS_IN_IDLE = 3;
const MIN_BEAT_MS = 250;

export class PrivateSession {
  /** Resolves when the other endpoint has proved to be there; rejects when the session ends before. */
  readonly online: Promise<VerifiedPrivatePeer>;
  /** Resolves when nothing of the session is left: the error that ended it, or undefined when it was in order. */
  readonly ended: Promise<PosternError | undefined>;
  /** Resolves when the other endpoint takes no further streams. */
  readonly leaving: Promise<undefined>;
  readonly #options: PrivateSessionOptions;
  readonly #abort = new AbortController();
  #channel: Channel | undefined;
  #pump: ChannelPump | undefined;
  #peer: VerifiedPrivatePeer | undefined;
  #kind: StreamKind | undefined;
  #identity!: EndpointIdentity;
  #isOnline = false;
  #goOnline!: (peer: VerifiedPrivatePeer) => void;
  #stayOffline!: (error: PosternError) => void;
  #leave!: () => void;
  #error: PosternError | undefined;

  constructor(options: PrivateSessionOptions) {
    this.#options = options;
    this.online = new Promise((resolve, reject) => {
      this.#goOnline = resolve;
      this.#stayOffline = reject;
    });
    this.online.catch(() => {}); // whoever is interested looks by itself
    this.leaving = new Promise((resolve) => this.#leave = () => resolve(undefined));
    this.ended = this.#run();
  }

  get channelId(): string {
    return this.#options.grant.channel_id;
  }
  get state(): ChannelState {
    return this.#channel?.state ?? "connecting";
  }
  /** Who the other endpoint is; undefined before it was judged. */
  get peer(): VerifiedPrivatePeer | undefined {
    return this.#peer;
  }
  /** What streams have to be, as the server said; undefined before. */
  get kind(): StreamKind | undefined {
    return this.#kind;
  }
  /** Whether a byte came back from the other endpoint, and new streams are taken. */
  get isOnline(): boolean {
    return this.#isOnline && this.state === "established";
  }
  get rttMs(): number {
    return this.#channel?.rttMs ?? 0;
  }
  get openStreams(): number {
    return this.#channel?.openStreams ?? 0;
  }
  /** Bytes on the carrier. */
  get bytesIn(): number {
    return this.#pump?.bytesIn ?? 0;
  }
  get bytesOut(): number {
    return this.#pump?.bytesOut ?? 0;
  }

  /** Opens a stream to the server's target. @throws PosternError `channel_closed`, `peer_draining` */
  open(opening: Omit<StreamOpening, "kind" | "service">, handler: StreamHandler): MuxStream {
    if (this.#channel === undefined || this.#kind === undefined) throw new PosternError("channel_closed");
    return this.#channel.open({ ...opening, kind: this.#kind, service: 0 }, handler);
  }

  /** As {@link ChannelPump.retain}. */
  readonly retain = (): ReturnType<ChannelPump["retain"]> => this.#pump?.retain();

  /** Lets open streams finish for at most `deadlineMs`, then ends. A session that is not established ends at once. */
  drain(deadlineMs: number): void {
    if (this.state === "draining") return;
    if (this.#channel === undefined || deadlineMs === 0 || !carriesTraffic(this.state)) return this.close();
    this.#channel.drain("draining", deadlineMs, this.#options.clock.now());
    this.#pump?.wake();
  }

  /** Ends the session now. */
  close(error?: PosternError): void {
    this.#error ??= error;
    this.#abort.abort();
    this.#channel?.close(error, this.#options.clock.now());
    this.#pump?.wake();
  }

  async #run(): Promise<PosternError | undefined> {
    const { connect, grant, buffers, clock, identity } = this.#options;
    try {
      this.#identity = await identity();
      const carrier = await connect(grant, this.#abort.signal);
      if (this.#abort.signal.aborted) carrier.stream.close();
      else {
        const pump = this.#pump = new ChannelPump({ ...carrier, buffers, clock });
        this.#channel = this.#makeChannel(pump);
        await pump.run(this.#channel, carrier.leftover);
        this.#explain(carrier.framing.peerReason);
      }
    } catch (error) {
      this.#error ??= errorOf(error, `Cannot open private channel: ${String(error)}`);
    }
    this.#isOnline = false;
    this.#stayOffline(this.#error ?? new PosternError("channel_closed"));
    return this.#error;
  }

  /** What the relay said as it closed. Anybody on the path could have: it is shown to people and decides nothing. */
  #explain(words: string | undefined): void {
    const told = this.#error?.code === "peer_closed" ? toldReason(words ?? "") : undefined;
    if (told === undefined) return;
    this.#error = new PosternError(
      "peer_closed",
      `Cannot go on: the relay ended the channel (${told.message})`,
      {
        detail: { relay: told.code },
      },
    );
  }

  #makeChannel(pump: ChannelPump): Channel {
    const { grant, served, staticKeys, version, random, clock, suites, buffers } = this.#options;
    const terms = termsOf(grant);
    const psk = pskOf(grant);
    const shared = { terms, psk, staticKeys, version, random, clock };
    const heartbeat = heartbeatOf(this.#options.limits.heartbeat, grant.idle_timeout_seconds * 1_000);
    const channel: Channel = new Channel({
      core: buffers.core,
      limits: { ...this.#options.limits, heartbeat },
      role: grant.role === "client"
        ? {
          use: "private",
          side: "initiator",
          handshake: new PrivateInitiator({ ...shared, suite: chooseSuite(terms, suites) }),
        }
        : {
          use: "private",
          side: "responder",
          handshake: new PrivateResponder({ ...shared, allowedSuites: suites }),
        },
      events: {
        wake: pump.wake,
        onState: () => {},
        onArrived: (transcript) => void this.#introduce(channel, pump, transcript),
        onPeer: (peer, transcript) => void this.#judge(channel, pump, terms, peer, transcript, heartbeat),
        onReady: (ready) => this.#noteReady(ready),
        onOpen: (stream) => served?.accept(stream, pump) ?? "unknown_service",
        onGoaway: () => this.#leave(),
        onEcho: () => {
          if (this.#isOnline) return;
          this.#isOnline = true;
          this.#goOnline(this.#peer!);
        },
        onEnd: (error) => this.#error ??= error,
      },
    });
    psk.fill(0);
    return channel;
  }

  async #introduce(channel: Channel, pump: ChannelPump, transcript: Uint8Array): Promise<void> {
    const { clock } = this.#options;
    try {
      channel.introduce(await this.#identity.prove(transcript, this.#abort.signal), clock.now());
    } catch (error) {
      channel.refuse(errorOf(error, `Cannot say who this endpoint is: ${String(error)}`), clock.now());
    }
    pump.wake();
  }

  async #judge(
    channel: Channel,
    pump: ChannelPump,
    terms: PrivateTerms,
    peer: PrivatePeer,
    transcript: Uint8Array | undefined,
    heartbeat: HeartbeatLimits,
  ): Promise<void> {
    const { grant, pins, clock, served } = this.#options;
    try {
      this.#peer = await judgePrivatePeer(peer, {
        terms,
        wallMs: clock.wall(),
        pins,
        checkCertificate: this.#identity.checkCertificate,
        namedAgentId: grant.peer_agent_id,
        namedKey: grant.peer_static_key === undefined ? undefined : fromBase64Url(grant.peer_static_key),
      });
    } catch (error) {
      channel.refuse(errorOf(error, `Cannot judge the other endpoint: ${String(error)}`), clock.now());
      return pump.wake();
    }
    if (transcript !== undefined) return await this.#introduce(channel, pump, transcript);
    channel.accept({
      type: "ready",
      session_id: grant.channel_id,
      services: [{ id: 0, urls: [], kind: served?.kind ?? "tcp" }],
      heartbeat_ms: heartbeat.intervalMs,
      offline_ms: heartbeat.offlineMs,
    }, clock.now());
    pump.wake();
  }

  #noteReady(ready: ReadyMessage): void {
    this.#kind = ready.services.find(({ id }) => id === 0)?.kind;
    if (this.#kind !== undefined) return;
    this.close(
      new PosternError("handshake_malformed", "Cannot use private channel: its server names no service"),
    );
  }
}

function termsOf(grant: ChannelInitGrant): PrivateTerms {
  return {
    channelId: grant.channel_id,
    initExpireAtS: grant.channel_init_expire_at_unix_s,
    idleTimeoutSeconds: grant.idle_timeout_seconds,
    allowedSuites: grant.allowed_suites,
    defaultSuite: grant.default_suite,
  };
}

/** Often enough that the relay's idle timeout is never met, and no slower than what is set. */
function heartbeatOf(set: HeartbeatLimits, idleMs: number): HeartbeatLimits {
  const intervalMs = Math.max(MIN_BEAT_MS, Math.min(set.intervalMs, Math.floor(idleMs / BEATS_IN_IDLE)));
  return { intervalMs, offlineMs: Math.max(intervalMs * BEATS_IN_IDLE, Math.min(set.offlineMs, idleMs)) };
}
