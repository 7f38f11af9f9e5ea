/** One channel to an edge, from the dialling to its end, and what it publishes. A session is never used again. */
import {
  type CarrierPlace,
  carriesTraffic,
  Channel,
  type ChannelLimits,
  type ChannelState,
  HandshakeInitiator,
  isTerminal,
  type Offer,
  type OfferAnswer,
  type ReadyMessage,
  type ReauthChallenge,
  type SuiteName,
} from "../src/channel/mod.ts";
import { generateX25519KeyPair } from "../src/crypto/mod.ts";
import { ChannelPump, type WebSocketConnection, type WireBuffers } from "../src/driver/mod.ts";
import { codeOf, errorOf, PosternError } from "../src/errors/mod.ts";
import type { ChannelInitGrant } from "../src/grants/mod.ts";
import type { ByteStream, Clock, MessageFraming, Random } from "../src/ports/mod.ts";
import type { ResetReason } from "../src/wire/mod.ts";
import type { Attested, Prover } from "./evidence.ts";
import type { AcceptedGrant } from "./private_endpoint.ts";
import type { Service } from "./service.ts";

/** A carrier that stands; {@link WebSocketConnection} is one. */
export interface Carrier {
  readonly stream: ByteStream;
  readonly framing: MessageFraming;
  readonly leftover: Uint8Array;
}

export interface SessionOptions {
  /** Makes the carrier; gives up when the signal aborts. */
  readonly connect: (signal: AbortSignal) => Promise<Carrier | WebSocketConnection>;
  /** The edge's static public key, as control said it. */
  readonly edgeStatic: Uint8Array;
  readonly suite: SuiteName;
  readonly stage0Token: string;
  readonly version: string;
  /** Session that this one takes over in an orderly way. */
  readonly replaces?: string;
  /** Its place among the channels of the service; undefined for an only one. */
  readonly carrier?: CarrierPlace;
  readonly prover: Prover;
  readonly service: Service;
  /** Takes the grant of a private channel to the service; absent where it is not private. */
  readonly onGrant?: (grant: ChannelInitGrant) => Promise<AcceptedGrant>;
  readonly limits: ChannelLimits;
  readonly buffers: WireBuffers;
  readonly clock: Clock;
  readonly random: Random;
  readonly events: SessionEvents;
}

export interface SessionEvents {
  onState(session: Session, state: ChannelState): void;
  onReady(session: Session, ready: ReadyMessage): void;
  onEcho(session: Session, rttMs: number): void;
  /** The agent was asked to prove itself again: the edge is content, or why there is no proof. */
  onReauth(session: Session, error: PosternError | undefined): void;
  /** The edge wants this session to be replaced. */
  onGoaway(session: Session, reason: ResetReason, deadlineMs: number): void;
}

/** What the agent proved last on a session. Wall-clock milliseconds. */
export interface SessionAttestation {
  /** As control said it; for people. */
  readonly tier: string | undefined;
  readonly atMs: number;
  /** When the edge asks again at the earliest; undefined: never, or not by this way. */
  readonly nextAtMs: number | undefined;
}

export class Session {
  /** Resolves at the first echo from end to end; rejects when the session ends before. */
  readonly online: Promise<void>;
  /** Resolves when nothing of the session is left: the error that ended it, or undefined when it was in order. */
  readonly ended: Promise<PosternError | undefined>;
  readonly #options: SessionOptions;
  readonly #abort = new AbortController();
  #channel: Channel | undefined;
  #pump: ChannelPump | undefined;
  #id: string | undefined;
  #attested: Attested | undefined;
  #attestation: SessionAttestation | undefined;
  #goOnline!: () => void;
  #stayOffline!: (error: PosternError) => void;
  #isOnline = false;
  #error: PosternError | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.online = new Promise((resolve, reject) => {
      this.#goOnline = resolve;
      this.#stayOffline = reject;
    });
    this.online.catch(() => {}); // whoever is interested looks by itself
    this.ended = this.#run();
  }

  /** As the edge named it; undefined before `ready`. */
  get id(): string | undefined {
    return this.#id;
  }
  get state(): ChannelState {
    return this.#channel?.state ?? "connecting";
  }
  /** Whether the handshake was begun, so that its stage 0 token may be spent. */
  get hasCarrier(): boolean {
    return this.#channel !== undefined;
  }
  /** Whether a byte came back from the edge, and new streams are served. */
  get isOnline(): boolean {
    return this.#isOnline && (this.state === "established" || this.state === "revalidating");
  }
  /** What was proved last; undefined before the edge was content with it. */
  get attestation(): SessionAttestation | undefined {
    return this.#attestation;
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

  /** Lets open streams finish for at most `deadlineMs`, then ends. A session that is not established ends at once. */
  drain(deadlineMs: number): void {
    const channel = this.#channel;
    const now = this.#options.clock.now();
    if (this.state === "draining") return;
    if (channel === undefined || deadlineMs === 0 || !carriesTraffic(this.state)) return this.close();
    channel.drain("draining", deadlineMs, now);
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
    const { connect, buffers, clock } = this.#options;
    try {
      const carrier = await connect(this.#abort.signal);
      if (this.#abort.signal.aborted) carrier.stream.close();
      else {
        const pump = this.#pump = new ChannelPump({ ...carrier, buffers, clock });
        this.#channel = this.#makeChannel(pump);
        await pump.run(this.#channel, carrier.leftover);
      }
    } catch (error) {
      this.#error ??= errorOf(error, `Cannot open channel: ${String(error)}`);
    }
    this.#isOnline = false;
    this.#stayOffline(this.#error ?? new PosternError("channel_closed"));
    return this.#error;
  }

  async #proveAgain(challenge: ReauthChallenge, pump: ChannelPump): Promise<void> {
    try {
      const attested = this.#attested = await this.#options.prover.again(challenge, this.#abort.signal);
      this.#channel?.proveAgain(attested.token, this.#options.clock.now());
      pump.wake();
    } catch (thrown) {
      if (this.#abort.signal.aborted) return;
      const error = errorOf(thrown, `Cannot prove again: ${String(thrown)}`);
      this.#options.events.onReauth(this, error);
      // What might have worked a moment later is the edge's to give up. A refusal is a refusal: only a new channel helps.
      if (error.retryable) return;
      this.close(
        new PosternError("reauth_failed", `Cannot go on with the channel: ${error.message}`, {
          cause: error,
          detail: { code: error.code },
        }),
      );
    }
  }

  async #answerOffer(
    { offer, grant }: Offer,
    onGrant: NonNullable<SessionOptions["onGrant"]>,
    pump: ChannelPump,
  ): Promise<void> {
    let answer: OfferAnswer;
    try {
      // Whoever takes it checks each of its fields.
      const { staticKey } = await onGrant(grant as unknown as ChannelInitGrant);
      answer = { staticKey };
    } catch (error) {
      answer = { error: codeOf(error) };
    }
    this.#channel?.answerOffer(offer, answer, this.#options.clock.now());
    pump.wake();
  }

  #noteAttestation(nextMs: number | undefined): void {
    const atMs = this.#options.clock.wall();
    const nextAtMs = nextMs === undefined ? undefined : atMs + nextMs;
    this.#attestation = { tier: this.#attested?.tier, atMs, nextAtMs };
  }

  #makeChannel(pump: ChannelPump): Channel {
    const {
      buffers,
      limits,
      suite,
      edgeStatic,
      random,
      stage0Token,
      version,
      replaces,
      carrier,
      events,
      service,
      onGrant,
    } = this.#options;
    return new Channel({
      core: buffers.core,
      limits,
      role: {
        side: "initiator",
        handshake: new HandshakeInitiator({
          suite,
          agentStatic: generateX25519KeyPair(random),
          edgeStatic,
          random,
        }),
        stage0Token,
        version,
        replaces,
        carrier,
      },
      events: {
        wake: pump.wake,
        onState: (state) => {
          // A terminal state is told as the end of the session, when its carrier is closed as well.
          if (!isTerminal(state)) events.onState(this, state);
        },
        onChallenge: (challenge) => {
          this.#options.prover.open(challenge, this.#abort.signal).then(
            (attested) => {
              this.#attested = attested;
              this.#channel?.prove(attested.token, this.#options.clock.now());
              pump.wake();
            },
            (error) => this.close(errorOf(error)),
          );
        },
        onReauth: (challenge) => void this.#proveAgain(challenge, pump),
        onReauthenticated: (nextMs) => {
          this.#noteAttestation(nextMs);
          events.onReauth(this, undefined);
        },
        onReady: (ready) => {
          this.#id = ready.session_id;
          this.#noteAttestation(ready.reauth_ms);
          events.onReady(this, ready);
        },
        // Of a private service the edge is to read nothing, so it opens nothing either.
        onOpen: (stream) => service.config.private ? "unknown_service" : service.accept(stream, pump),
        ...(onGrant === undefined
          ? {}
          : { onOffer: (offer) => void this.#answerOffer(offer, onGrant, pump) }),
        onGoaway: (reason, deadlineMs) => events.onGoaway(this, reason, deadlineMs),
        onEcho: (rttMs) => {
          this.#isOnline = true;
          this.#goOnline();
          events.onEcho(this, rttMs);
        },
        onEnd: (error) => this.#error ??= error,
      },
    });
  }
}
