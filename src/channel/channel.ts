/**
 * One channel, either side, without IO: records in (`receive`), time in (`timeout`, `deadline`), records out
 * (`takeRecord`), and what happens is told through `ChannelEvents`. All offsets are into the core's memory.
 */
import { type ErrorCode, errorOf, PosternError } from "../errors/mod.ts";
import { Mux, type MuxStream, type StreamHandler } from "../mux/mod.ts";
import type { SealingCore } from "../ports/mod.ts";
import type { TransportKeys } from "../crypto/mod.ts";
import type { ChannelInitGrant } from "../grants/mod.ts";
import {
  FRAME_HEADER_BYTES,
  FrameType,
  MAX_RECORD_BYTES,
  readRecordKind,
  RECORD_HEADER_BYTES,
  RECORD_TAG_BYTES,
  RecordKind,
  type ResetReason,
  type StreamOpening,
} from "../wire/mod.ts";
import type { ChannelOptions, ChannelRole } from "./channel_role.ts";
import { carrierLost, closePayload, cutReason, peersReason } from "./closing_words.ts";
import { Drain } from "./drain.ts";
import type { ChannelEvents } from "./events.ts";
import { decodePayload, encodePayload, type ReadyMessage, readyMessage } from "./handshake_payload.ts";
import { Heartbeat } from "./heartbeat.ts";
import { carriesTraffic, type ChannelState, isTerminal, Lifecycle, takesNewStreams } from "./lifecycle.ts";
import type { ChannelLimits } from "./limits.ts";
import { isOfferMessage, type OfferAnswer, OfferAnswerer, OfferAsker } from "./offers.ts";
import { Opening, type OpeningStep } from "./opening.ts";
import { padToBucket } from "./padding.ts";
import type { IdentityProof } from "./private_messages.ts";
import { PrivateOpening, type PrivateStep } from "./private_opening.ts";
import { RecordLayer } from "./record_layer.ts";
import { Revalidation } from "./revalidation.ts";

export class Channel {
  readonly #role: ChannelRole;
  readonly #core: SealingCore;
  readonly #limits: ChannelLimits;
  readonly #events: ChannelEvents;
  readonly #lifecycle: Lifecycle;
  readonly #mux: Mux;
  /** Undefined on a private channel: grants come from edges only. */
  readonly #offers: OfferAsker | OfferAnswerer | undefined;
  readonly #opening: Opening | PrivateOpening;
  #records: RecordLayer | undefined;
  #revalidation: Revalidation | undefined;
  #heartbeat: Heartbeat | undefined;
  #stepDeadline = Infinity;
  readonly #drain = new Drain();
  #closeSent = false;
  #ending: PosternError | "clean" | undefined;
  #now = 0;

  constructor(options: ChannelOptions) {
    this.#role = options.role;
    const { role } = options;
    this.#opening = role.use === "private" ? new PrivateOpening(role) : new Opening(role);
    if (role.use === undefined) {
      this.#offers = role.side === "responder" ? new OfferAsker() : new OfferAnswerer();
    }
    this.#core = options.core;
    this.#limits = options.limits;
    this.#events = options.events;
    this.#lifecycle = new Lifecycle((state, before) => this.#events.onState(state, before));
    this.#mux = new Mux({
      initiator: options.role.side === "initiator",
      limits: options.limits.mux,
      unread: options.unread,
      events: {
        wake: () => this.#events.wake(),
        onOpen: (stream) => this.#onOpen(stream),
        onChannelFrame: (type, buffer, start, end) => this.#onChannelFrame(type, buffer.subarray(start, end)),
      },
    });
  }

  get state(): ChannelState {
    return this.#lifecycle.state;
  }
  /** Why the channel failed, if it did. */
  get reason(): ErrorCode | undefined {
    return this.#lifecycle.reason;
  }
  get openStreams(): number {
    return this.#mux.openStreams;
  }
  /** Smoothed round trip of the heartbeat, 0 before the first echo. */
  get rttMs(): number {
    return this.#heartbeat?.rttMs ?? 0;
  }
  /** Monotonic time of the last echo; undefined before the first. */
  get echoAt(): number | undefined {
    return this.#heartbeat?.provenAt;
  }
  /** Monotonic time at which `timeout` is due. */
  get deadline(): number {
    return Math.min(
      this.#stepDeadline,
      this.#drain.deadline,
      this.#beating?.deadline ?? Infinity,
      this.#proving?.deadline ?? Infinity,
    );
  }
  /** Whether `takeRecord` would write something. */
  get hasOutput(): boolean {
    return this.#opening.hasOutput ||
      (this.#records !== undefined && !this.#closeSent &&
        (this.#revalidation?.hasOutput || this.#mux.pending));
  }
  /** Whether the carrier is to be closed once all output is written. */
  get finished(): boolean {
    return isTerminal(this.state) && !this.hasOutput;
  }

  /** The carrier stands: the handshake begins. Without effect on a channel that was closed before. */
  start(now: number): void {
    this.#now = now;
    if (this.state !== "idle") return;
    this.#lifecycle.to("connecting");
    try {
      this.#opening.begin();
      this.#enterStep("handshaking", now);
    } catch (error) {
      this.fail(error);
    }
  }

  /** Takes the record at `[start, end)` of the core's memory; it is opened in place. Never throws: failures end the channel. */
  receive(start: number, end: number, now: number): void {
    this.#now = now;
    // After a failure nothing that the peer says matters any more; in an orderly end only its CLOSE does.
    if (isTerminal(this.state) || this.#ending instanceof PosternError) return;
    try {
      const kind = readRecordKind(this.#core.memory, start, end);
      if (kind === RecordKind.handshake) {
        this.#receiveHandshake(this.#core.memory.slice(start + RECORD_HEADER_BYTES, end), now);
      } else if (this.#records === undefined) {
        throw new PosternError(
          "record_unexpected",
          "Cannot take transport record: the handshake is not over",
        );
      } else {
        const bodyEnd = this.#records.open(start, end, now);
        this.#mux.receive(this.#core.memory, start + RECORD_HEADER_BYTES, bodyEnd);
      }
    } catch (error) {
      this.fail(error);
    }
    this.#endDrainIfIdle();
  }

  /**
   * The carrier ended.
   * @param hint code that the peer gave for it on the carrier. Anybody on the path could have written it: it is shown to
   *   people and decides nothing
   */
  carrierEnded(now: number, hint?: string): void {
    this.#now = now;
    // While closing, the reason for it stands, whether or not our CLOSE went out.
    if (this.#ending === undefined) this.#end(carrierLost(hint));
    else this.#end(this.#ending === "clean" ? undefined : this.#ending);
  }

  /** Something is due. Call when the clock has reached `deadline`. */
  timeout(now: number): void {
    this.#now = now;
    if (isTerminal(this.state)) return;
    if (now >= this.#stepDeadline) {
      if (this.#ending !== undefined) return this.#finish(); // the peer does not even take our CLOSE
      return this.fail(
        new PosternError("handshake_timeout", `Cannot open channel: ${this.state} took too long`),
      );
    }
    if (now >= this.#drain.deadline) return this.#close(new PosternError("drain_deadline"));
    if (now >= (this.#proving?.deadline ?? Infinity)) return this.fail(new PosternError("reauth_timeout"));
    const heartbeat = this.#beating;
    if (heartbeat === undefined) return;
    if (heartbeat.isDead(now)) return this.fail(new PosternError("heartbeat_timeout"));
    if (heartbeat.isDue(now)) this.#mux.sendChannelFrame(FrameType.ping, heartbeat.ping(now));
  }

  /**
   * Writes the next record at `start`, at most up to `limit`, and returns its end; `start` when there is nothing.
   * `limit - start` must hold a whole record of {@link MAX_RECORD_BYTES}; with less, what does not fit stays.
   */
  takeRecord(start: number, limit: number, now: number): number {
    this.#now = now;
    const memory = this.#core.memory;
    const body = start + RECORD_HEADER_BYTES;
    if (this.#opening.hasOutput) return this.#opening.fill(memory, start);
    if (this.#records === undefined || this.#closeSent) return start;
    const { padding } = this.#limits;
    const bodyLimit = Math.min(limit, start + MAX_RECORD_BYTES) - RECORD_TAG_BYTES -
      (padding ? FRAME_HEADER_BYTES : 0);
    const keyed = this.#revalidation?.hasOutput ? this.#revalidation : undefined;
    let bodyEnd: number;
    try {
      bodyEnd = keyed?.fill(this.#core, start, bodyLimit) ?? this.#mux.fill(memory, body, bodyLimit, now);
    } catch (error) {
      this.fail(error); // the peer can still be told
      return start;
    }
    if (bodyEnd === body) return start;
    if (padding) bodyEnd = padToBucket(memory, start, bodyEnd, bodyLimit + FRAME_HEADER_BYTES);
    try {
      const end = this.#records.seal(start, bodyEnd, now);
      const question = keyed?.sealed(now);
      if (question !== undefined) {
        this.#mux.sendChannelFrame(FrameType.control, question);
        this.#followRevalidation();
      }
      if (this.#ending !== undefined && !this.#mux.pending) this.#finish();
      else this.#endDrainIfIdle();
      return end;
    } catch (error) {
      this.#end(errorOf(error));
      return start;
    }
  }

  /** Initiator: the evidence was judged; sends the stage 1 token. */
  prove(stage1Token: string, now: number): void {
    this.#now = now;
    const opening = this.#opening;
    if (!(opening instanceof Opening) || this.#role.side !== "initiator" || this.state !== "authenticating") {
      return;
    }
    try {
      this.#startRecords(opening.prove(stage1Token)!, now);
      this.#enterStep("authorizing", now);
    } catch (error) {
      this.fail(error);
    }
  }

  /** Responder: the stage 0 token holds; sends the challenge. */
  challenge(now: number): void {
    this.#now = now;
    const opening = this.#opening;
    if (!(opening instanceof Opening) || this.#role.side !== "responder" || this.state !== "handshaking") {
      return;
    }
    opening.challenge(this.#limits.stepMs);
    this.#enterStep("authenticating", now);
  }

  /**
   * Private channel: says who this side is. Initiator: once the peer was judged. Responder: as soon as the peer has come.
   * @param proofs each over the transcript that was told; none where this endpoint has no identity but its key
   */
  introduce(proofs: readonly IdentityProof[], now: number): void {
    this.#now = now;
    const opening = this.#opening;
    const before = this.#role.side === "initiator" ? "authenticating" : "handshaking";
    if (!(opening instanceof PrivateOpening) || this.state !== before) return;
    try {
      const keys = opening.introduce(proofs);
      if (keys !== undefined) this.#startRecords(keys, now);
      this.#enterStep(keys === undefined ? "authenticating" : "authorizing", now);
    } catch (error) {
      this.fail(error);
    }
  }

  /** Responder: the proof holds and the services are registered; traffic may flow. */
  accept(ready: ReadyMessage, now: number): void {
    this.#now = now;
    if (this.#role.side !== "responder" || this.state !== "authorizing") return;
    this.#mux.sendChannelFrame(FrameType.control, encodePayload(ready));
    this.#establish(now);
  }

  /** Responder: what the agent sent is not good enough. The agent is told the code, then the channel ends. */
  refuse(error: PosternError, now: number): void {
    this.#now = now;
    if (this.#opening.refuse(error, this.state)) this.#end(error);
    else this.#close(error);
  }

  /**
   * Responder: asks the agent to prove itself anew, within `graceMs`; streams go on meanwhile. False when the channel is past
   * that. The answer is told by `onReauthProof`; without one the channel ends with `reauth_timeout`.
   */
  reauthenticate(graceMs: number, now: number): boolean {
    this.#now = now;
    try {
      const payload = this.#proving?.ask(graceMs, now);
      if (payload === undefined) return false;
      if (payload !== "later") this.#mux.sendChannelFrame(FrameType.control, payload);
    } catch (error) {
      this.fail(error); // one is open already
    }
    this.#followRevalidation();
    return true;
  }

  /** Responder: the new proof holds. @param nextMs until the agent is asked again at the earliest; undefined: never */
  reauthenticated(nextMs: number | undefined, now: number): void {
    this.#now = now;
    this.#proving?.settle(nextMs);
    this.#followRevalidation();
  }

  /** Initiator: the evidence for a new proof was judged; sends the stage 1 token. */
  proveAgain(stage1Token: string, now: number): void {
    this.#now = now;
    this.#proving?.answer(stage1Token, now);
    this.#followRevalidation();
  }

  /**
   * Responder: hands the grant of a private channel to the agent; returns the offer's number. The answer is told by
   * `onOfferAnswer`. @throws PosternError `peer_draining`, `channel_closed`, `private_offer_limit`, `grant_malformed`
   */
  offer(grant: ChannelInitGrant, now: number): number {
    this.#now = now;
    if (!(this.#offers instanceof OfferAsker)) throw new PosternError("channel_closed");
    this.#assertTakesNew();
    const { offer, payload } = this.#offers.ask(grant);
    this.#mux.sendChannelFrame(FrameType.control, payload);
    return offer;
  }

  /** Initiator: answers an offer, once. Without effect on a channel that is ending. */
  answerOffer(offer: number, answer: OfferAnswer, now: number): void {
    this.#now = now;
    if (
      !(this.#offers instanceof OfferAnswerer) || this.#ending !== undefined || !carriesTraffic(this.state)
    ) {
      return;
    }
    const payload = this.#offers.answer(offer, answer);
    if (payload !== undefined) this.#mux.sendChannelFrame(FrameType.control, payload);
  }

  /** Opens a stream to the peer. @throws PosternError `peer_draining`, `channel_closed` */
  open(opening: StreamOpening, handler: StreamHandler): MuxStream {
    this.#assertTakesNew();
    return this.#mux.open(opening, handler);
  }

  /** Takes no new streams, lets the open ones finish until `deadlineMs` from now, then closes. */
  drain(reason: ResetReason, deadlineMs: number, now: number): void {
    this.#now = now;
    if (!takesNewStreams(this.state) && this.state !== "degraded") return;
    this.#sendGoaway(reason, deadlineMs);
    this.#enterDraining(now + deadlineMs);
  }

  /** Ends the channel: open streams are cut, the peer is told the code. */
  close(error: PosternError | undefined, now: number): void {
    this.#now = now;
    this.#close(error);
  }

  /** Ends the channel because of an error of either side. */
  fail(error: unknown): void {
    this.#close(errorOf(error, `Cannot go on with the channel: ${String(error)}`));
  }

  #receiveHandshake(message: Uint8Array, now: number): void {
    const step: OpeningStep | PrivateStep = this.#opening.receive(message, this.state);
    switch (step.kind) {
      case "stage0":
        return this.#events.onStage0!(step.token, step.agentVersion);
      case "challenged":
        this.#lifecycle.to("authenticating");
        this.#stepDeadline = now + step.expiresInMs;
        this.#events.wake();
        return this.#events.onChallenge!(step.challenge);
      case "proved":
        this.#startRecords(step.keys, now);
        this.#enterStep("authorizing", now);
        return this.#events.onProof!(step.proof);
      case "arrived":
        return this.#events.onArrived!(step.ownTranscript);
      case "answered":
        this.#enterStep("authenticating", now);
        return this.#events.onPeer!(step.peer, step.ownTranscript);
      case "joined":
        this.#startRecords(step.keys, now);
        this.#enterStep("authorizing", now);
        return this.#events.onPeer!(step.peer, undefined);
      default:
        step satisfies never;
    }
  }

  #startRecords(keys: TransportKeys, now: number): void {
    this.#records = new RecordLayer({
      core: this.#core,
      keys,
      initiator: this.#role.side === "initiator",
      limits: this.#limits.rekey,
      onRekey: () => this.#events.onRekey?.(),
    }, now);
    // A private channel asks for no second proof: its keys change by themselves, and a new grant is a new channel.
    if (!(this.#opening instanceof Opening)) {
      keys.root.fill(0);
      return;
    }
    this.#revalidation = new Revalidation({
      machine: this.#opening.reauth(keys.root),
      records: this.#records,
      events: this.#events,
      stepMs: this.#limits.stepMs,
    });
  }

  /** A channel that drains goes on draining while its agent is asked. */
  #followRevalidation(): void {
    const isOpen = this.#proving?.isOpen === true;
    if (this.state === "established" && isOpen) this.#lifecycle.to("revalidating");
    else if (this.state === "revalidating" && !isOpen) this.#lifecycle.to("established");
    this.#events.wake();
  }

  #onOpen(stream: MuxStream): StreamHandler | ResetReason {
    // Until the peer has answered our GOAWAY it does not know better: what it opened meanwhile is still served.
    if (this.state === "draining") return this.#drain.received ? "draining" : this.#events.onOpen(stream);
    if (this.state === "degraded" || this.#ending !== undefined) return "stream_limit";
    if (!takesNewStreams(this.state)) {
      throw new PosternError("record_unexpected", `Cannot take stream while ${this.state}`);
    }
    return this.#events.onOpen(stream);
  }

  #onChannelFrame(type: FrameType, payload: Uint8Array): void {
    switch (type) {
      case FrameType.ping:
        return this.#mux.sendChannelFrame(FrameType.pong, payload);
      case FrameType.pong:
        if (this.#heartbeat?.pong(payload, this.#now)) {
          this.#mux.rttMs = this.#heartbeat.rttMs;
          this.#events.onEcho?.(this.#heartbeat.rttMs);
        }
        return;
      case FrameType.goaway: {
        if (this.#heartbeat === undefined) {
          throw new PosternError("record_unexpected", `Cannot take GOAWAY while ${this.state}`);
        }
        if (this.#ending !== undefined) return;
        const { reason, deadlineMs } = this.#drain.read(payload);
        if (!this.#drain.sent) this.#sendGoaway(reason, deadlineMs);
        if (this.state !== "draining" && carriesTraffic(this.state)) {
          this.#enterDraining(this.#now + deadlineMs);
        }
        return this.#events.onGoaway?.(reason, deadlineMs);
      }
      case FrameType.control:
        return this.#onControl(payload);
      case FrameType.close:
        return this.#end(peersReason(payload, this.#heartbeat !== undefined));
      default:
        throw new PosternError("frame_bad_stream", `Cannot take frame of type ${type} on the channel`);
    }
  }

  #onControl(payload: Uint8Array): void {
    if (this.#role.side === "initiator" && this.state === "authorizing") {
      const ready = decodePayload(readyMessage, payload, "frame_bad_control");
      this.#establish(this.#now, { intervalMs: ready.heartbeat_ms, offlineMs: ready.offline_ms });
      return this.#events.onReady?.(ready);
    }
    if (this.#ending !== undefined) return;
    if (this.#proving === undefined) {
      throw new PosternError("frame_bad_control", `Cannot take CONTROL frame while ${this.state}`);
    }
    if (isOfferMessage(payload)) return this.#onOffer(payload);
    const tell = this.#proving.receive(payload, this.#now);
    this.#followRevalidation();
    tell();
  }

  #onOffer(payload: Uint8Array): void {
    if (this.#offers instanceof OfferAsker) {
      const { offer, answer } = this.#offers.read(payload);
      return this.#events.onOfferAnswer?.(offer, answer);
    }
    if (this.#offers === undefined || this.#events.onOffer === undefined) {
      throw new PosternError("frame_bad_control", "Cannot take offer: this agent has no private service");
    }
    this.#events.onOffer(this.#offers.read(payload));
  }

  #assertTakesNew(): void {
    if (takesNewStreams(this.state)) return;
    throw new PosternError(this.state === "draining" ? "peer_draining" : "channel_closed");
  }

  /** The heartbeat, while it counts: a channel that is ending has its own deadline. */
  get #beating(): Heartbeat | undefined {
    return this.#closeSent || this.#ending !== undefined ? undefined : this.#heartbeat;
  }

  /** Re-authentication, while it may be. */
  get #proving(): Revalidation | undefined {
    return this.#ending === undefined && carriesTraffic(this.state) ? this.#revalidation : undefined;
  }

  #establish(now: number, heartbeat = this.#limits.heartbeat): void {
    this.#stepDeadline = Infinity;
    this.#heartbeat = new Heartbeat(heartbeat, now);
    this.#lifecycle.to("established");
    this.timeout(now); // the first PING goes out at once
    this.#events.wake();
  }

  #enterStep(state: ChannelState, now: number): void {
    this.#lifecycle.to(state);
    this.#stepDeadline = now + this.#limits.stepMs;
    this.#events.wake();
  }

  #sendGoaway(reason: ResetReason, deadlineMs: number): void {
    this.#mux.sendChannelFrame(FrameType.goaway, this.#drain.goaway(reason, deadlineMs));
  }

  #enterDraining(deadline: number): void {
    this.#drain.deadline = deadline;
    this.#lifecycle.to("draining");
    this.#events.wake();
  }

  /** Both sides know that no further stream comes, and none is open. */
  #endDrainIfIdle(): void {
    const done = this.#drain.isAgreed && this.#mux.openStreams === 0;
    if (done && this.state === "draining" && this.#ending === undefined) this.#close(undefined);
  }

  /** Queues CLOSE behind what is queued already; `takeRecord` ends the channel when it has gone out. */
  #close(error: PosternError | undefined): void {
    if (isTerminal(this.state) || this.#ending !== undefined) return;
    if (this.#records === undefined) return this.#end(error);
    this.#ending = error ?? "clean";
    this.#revalidation?.wipe();
    this.#stepDeadline = this.#now + this.#limits.stepMs; // a peer that does not read must not hold us
    this.#drain.deadline = Infinity;
    // In an orderly end without streams the resets and credit that wait still go out before CLOSE.
    if (error !== undefined || this.#mux.openStreams > 0) this.#mux.abandon(cutReason(error));
    this.#mux.sendChannelFrame(FrameType.close, closePayload(error));
    this.#lifecycle.to("closing");
    this.#events.wake();
  }

  /** CLOSE has been sealed: nothing may follow it. */
  #finish(): void {
    const ending = this.#ending;
    this.#closeSent = true;
    this.#end(ending === "clean" ? undefined : ending);
  }

  #end(error: PosternError | undefined): void {
    if (isTerminal(this.state)) return;
    this.#stepDeadline = Infinity;
    this.#drain.deadline = Infinity;
    this.#closeSent = true;
    this.#mux.abandon(cutReason(error));
    this.#records?.wipe();
    this.#revalidation?.wipe();
    this.#opening.wipe();
    if (error === undefined && this.state === "idle") this.#lifecycle.fail("channel_closed");
    else if (error === undefined) {
      if (this.state !== "closing") this.#lifecycle.to("closing");
      this.#lifecycle.to("closed");
    } else this.#lifecycle.fail(error.code);
    this.#events.onEnd(error);
    this.#events.wake();
  }
}
