/**
 * One channel, either side, without IO: records in (`receive`), time in (`timeout`, `deadline`), records out
 * (`takeRecord`), and what happens is told through `ChannelEvents`. All offsets are into the core's memory.
 */
import { utf8 } from "../bytes/mod.ts";
import { codeOf, type ErrorCode, errorOf, isErrorCode, PosternError } from "../errors/mod.ts";
import { Mux, type MuxStream, type StreamHandler, type UnreadBudget } from "../mux/mod.ts";
import type { SealingCore } from "../ports/mod.ts";
import type { TransportKeys } from "../crypto/mod.ts";
import {
  FrameType,
  MAX_RECORD_BYTES,
  readRecordKind,
  RECORD_HEADER_BYTES,
  RECORD_TAG_BYTES,
  RecordKind,
  type ResetReason,
  type StreamOpening,
  writeRecordHeader,
} from "../wire/mod.ts";
import type { ChannelRole } from "./channel_role.ts";
import { Drain } from "./drain.ts";
import type { ChannelEvents, Proof } from "./events.ts";
import { refusal } from "./handshake.ts";
import { decodePayload, encodePayload, type ReadyMessage, readyMessage } from "./handshake_payload.ts";
import { Heartbeat } from "./heartbeat.ts";
import { carriesTraffic, type ChannelState, isTerminal, Lifecycle, takesNewStreams } from "./lifecycle.ts";
import type { ChannelLimits } from "./limits.ts";
import { RecordOpener } from "./record_opener.ts";
import { RecordSealer } from "./record_sealer.ts";

export class Channel {
  readonly #role: ChannelRole;
  readonly #core: SealingCore;
  readonly #limits: ChannelLimits;
  readonly #events: ChannelEvents;
  readonly #lifecycle: Lifecycle;
  readonly #mux: Mux;
  #handshakeOut: Uint8Array[] = [];
  #sealer: RecordSealer | undefined;
  #opener: RecordOpener | undefined;
  #heartbeat: Heartbeat | undefined;
  #stepDeadline = Infinity;
  readonly #drain = new Drain();
  #closeSent = false;
  #openingRead = false;
  #ending: PosternError | "clean" | undefined;
  #now = 0;

  /** @param unread the bound on unread bytes that this channel shares with others */
  constructor(
    options: {
      role: ChannelRole;
      core: SealingCore;
      limits: ChannelLimits;
      events: ChannelEvents;
      unread?: UnreadBudget;
    },
  ) {
    this.#role = options.role;
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
    return this.#heartbeat !== undefined && this.#heartbeat.echoes > 0 ? this.#heartbeat.echoAt : undefined;
  }
  /** Monotonic time at which `timeout` is due. */
  get deadline(): number {
    return Math.min(this.#stepDeadline, this.#drain.deadline, this.#beating?.deadline ?? Infinity);
  }
  /** Whether `takeRecord` would write something. */
  get hasOutput(): boolean {
    return this.#handshakeOut.length > 0 ||
      (this.#sealer !== undefined && !this.#closeSent && this.#mux.pending);
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
    this.#enterStep("handshaking", now);
    if (this.#role.side === "initiator") {
      const { handshake, stage0Token, version } = this.#role;
      this.#sendHandshake(handshake.open({ token: stage0Token, agent_version: version }));
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
      } else if (this.#opener === undefined) {
        throw new PosternError(
          "record_unexpected",
          "Cannot take transport record: the handshake is not over",
        );
      } else {
        const bodyEnd = this.#opener.open(start, end, now);
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
    if (this.#ending !== undefined) this.#end(this.#ending === "clean" ? undefined : this.#ending);
    else {
      const said = hint !== undefined && isErrorCode(hint) ? hint : undefined;
      const why = said === undefined ? "" : `, saying ${said}`;
      this.#end(
        new PosternError("peer_closed", `Cannot go on: the peer closed the connection${why}`, {
          detail: said === undefined ? {} : { said },
        }),
      );
    }
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
    const message = this.#handshakeOut.shift();
    if (message !== undefined) {
      writeRecordHeader(memory, start, RecordKind.handshake, 0);
      memory.set(message, body);
      return body + message.length;
    }
    if (this.#sealer === undefined || this.#closeSent) return start;
    const bodyLimit = Math.min(limit, start + MAX_RECORD_BYTES) - RECORD_TAG_BYTES;
    let bodyEnd: number;
    try {
      bodyEnd = this.#mux.fill(memory, body, bodyLimit, now);
    } catch (error) {
      this.fail(error); // the peer can still be told
      return start;
    }
    if (bodyEnd === body) return start;
    try {
      const { epoch } = this.#sealer;
      const end = this.#sealer.seal(start, bodyEnd, now);
      if (this.#sealer.epoch !== epoch) this.#events.onRekey?.();
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
    if (this.#role.side !== "initiator" || this.state !== "authenticating") return;
    try {
      const { handshake, replaces, carrier } = this.#role;
      const { message, keys } = handshake.prove(stage1Token, replaces, carrier);
      this.#sendHandshake(message);
      this.#startRecords(keys, now);
      this.#enterStep("authorizing", now);
    } catch (error) {
      this.fail(error);
    }
  }

  /** Responder: the stage 0 token holds; sends the challenge. */
  challenge(now: number): void {
    this.#now = now;
    if (this.#role.side !== "responder" || this.state !== "handshaking") return;
    const { handshake, edgeId, version } = this.#role;
    this.#sendHandshake(handshake.challenge(edgeId, version, this.#limits.stepMs));
    this.#enterStep("authenticating", now);
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
    if (this.#role.side === "responder" && this.state === "handshaking" && this.#openingRead) {
      try {
        this.#sendHandshake(this.#role.handshake.refuse(error.code));
      } catch {
        // A handshake that has failed can carry no answer; the end of the carrier is one.
      }
      this.#end(error);
    } else this.#close(error);
  }

  /** Opens a stream to the peer. @throws PosternError `peer_draining`, `channel_closed` */
  open(opening: StreamOpening, handler: StreamHandler): MuxStream {
    if (!takesNewStreams(this.state)) {
      throw new PosternError(this.state === "draining" ? "peer_draining" : "channel_closed");
    }
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
    const { side, handshake } = this.#role;
    if (side === "responder" && this.state === "handshaking" && !this.#openingRead) {
      this.#openingRead = true;
      const payload = handshake.readOpening(message);
      this.#events.onStage0!(payload.token, payload.agent_version);
    } else if (side === "initiator" && this.state === "handshaking") {
      const challenge = handshake.readChallenge(message);
      this.#lifecycle.to("authenticating");
      this.#stepDeadline = now + challenge.expiresInMs;
      this.#events.wake();
      this.#events.onChallenge!(challenge);
    } else if (side === "responder" && this.state === "authenticating") {
      const { proof, keys } = handshake.readProof(message);
      this.#startRecords(keys, now);
      this.#enterStep("authorizing", now);
      this.#events.onProof!(proof satisfies Proof);
    } else {
      throw new PosternError("record_unexpected", `Cannot take handshake record while ${this.state}`);
    }
  }

  #startRecords(keys: TransportKeys, now: number): void {
    const initiator = this.#role.side === "initiator";
    const send = initiator ? keys.initiatorToResponder : keys.responderToInitiator;
    const receive = initiator ? keys.responderToInitiator : keys.initiatorToResponder;
    this.#sealer = new RecordSealer(this.#core, send, this.#limits.rekey, now);
    this.#opener = new RecordOpener(this.#core, receive, this.#limits.rekey, now);
    send.fill(0);
    receive.fill(0);
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
        return this.#onClose(payload);
      default:
        throw new PosternError("frame_bad_stream", `Cannot take frame of type ${type} on the channel`);
    }
  }

  #onControl(payload: Uint8Array): void {
    if (this.#role.side !== "initiator" || this.state !== "authorizing") {
      throw new PosternError("frame_bad_control", `Cannot take CONTROL frame while ${this.state}`);
    }
    const ready = decodePayload(readyMessage, payload, "frame_bad_control");
    this.#establish(this.#now, { intervalMs: ready.heartbeat_ms, offlineMs: ready.offline_ms });
    this.#events.onReady?.(ready);
  }

  #onClose(payload: Uint8Array): void {
    if (payload.length === 0) return this.#end(undefined);
    const code = String.fromCharCode(...payload); // peer text, at most 64 bytes
    if (isErrorCode(code)) {
      return this.#end(new PosternError(code, undefined, { detail: { by: "peer" } }));
    }
    // A reason that this version does not know must not end the agent of a newer edge for good.
    this.#end(this.#heartbeat === undefined ? refusal(code) : new PosternError("peer_closed"));
  }

  /** The heartbeat, while it counts: a channel that is ending has its own deadline. */
  get #beating(): Heartbeat | undefined {
    return this.#closeSent || this.#ending !== undefined ? undefined : this.#heartbeat;
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

  #sendHandshake(message: Uint8Array): void {
    this.#handshakeOut.push(message);
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
    if (this.#sealer === undefined) return this.#end(error);
    this.#ending = error ?? "clean";
    this.#stepDeadline = this.#now + this.#limits.stepMs; // a peer that does not read must not hold us
    this.#drain.deadline = Infinity;
    // In an orderly end without streams the resets and credit that wait still go out before CLOSE.
    if (error !== undefined || this.#mux.openStreams > 0) this.#mux.abandon(cutReason(error));
    const code = error === undefined ? "" : codeOf(error);
    this.#mux.sendChannelFrame(FrameType.close, utf8(code));
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
    this.#sealer?.wipe();
    this.#opener?.wipe();
    this.#role.handshake.wipe();
    if (error === undefined && this.state === "idle") this.#lifecycle.fail("channel_closed");
    else if (error === undefined) {
      if (this.state !== "closing") this.#lifecycle.to("closing");
      this.#lifecycle.to("closed");
    } else this.#lifecycle.fail(error.code);
    this.#events.onEnd(error);
    this.#events.wake();
  }
}

/** What the users of open streams are told when their channel ends. */
function cutReason(error: PosternError | undefined): ResetReason {
  if (error?.code === "session_fenced") return "fenced";
  return error?.code === "drain_deadline" ? "deadline" : "channel_lost";
}
