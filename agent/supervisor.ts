/**
 * Keeps one service published: a tunnel at control, a session with an edge, and another one when that ends or is to be
 * replaced. A replacement is made before the old session is given up, so that no viewer waits.
 *
 * ```
 *   register -> candidates in order -> session online ---- lost ----> wait (backoff) -> register
 *                                        |   ^
 *                    GOAWAY, reconnect() v   | new session online, the old one drains
 *                                      register ...
 *   an error that will not go away by itself -> done; a token that worked once may be put right: seldom tried again
 * ```
 */
import type { CarrierPlace, ChannelLimits, ChannelState, ReadyMessage } from "../src/channel/mod.ts";
import type { EvidenceProvider } from "../src/attestation/mod.ts";
import { fromBase64Url } from "../src/bytes/mod.ts";
import type { AgentConfig } from "../src/config/mod.ts";
import type { WireBuffers } from "../src/driver/mod.ts";
import { errorOf, PosternError } from "../src/errors/mod.ts";
import type { Clock, Log, Random } from "../src/ports/mod.ts";
import type { Metrics } from "../src/telemetry/mod.ts";
import type { ResetReason } from "../src/wire/mod.ts";
import type { ControlClient } from "./control_client.ts";
import type { Candidate, CreateAnswer } from "./control_messages.ts";
import { EvidenceProver } from "./evidence.ts";
import { publicNameOf } from "./public_name.ts";
import type { Registration } from "./registration.ts";
import { Retries } from "./retries.ts";
import type { Service } from "./service.ts";
import { type Carrier, Session, type SessionEvents, type SessionOptions } from "./session.ts";
import type { AgentState, AgentStatus, ServiceStatus } from "./status.ts";

export interface SupervisorOptions {
  readonly config: AgentConfig;
  readonly service: Service;
  /** As in {@link SessionOptions}. */
  readonly onGrant?: SessionOptions["onGrant"];
  readonly registration: Registration;
  readonly control: Pick<ControlClient, "challenge" | "evidence">;
  readonly provider: EvidenceProvider;
  /** Makes the carrier to an edge. */
  readonly connect: (edgeUrl: string, signal: AbortSignal) => Promise<Carrier>;
  readonly limits: ChannelLimits;
  readonly buffers: WireBuffers;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly version: string;
  /** Place of its sessions among those of other supervisors of the service; undefined for an only one. */
  readonly carrier?: CarrierPlace;
  /** Something that {@link Supervisor.status} tells has changed. */
  readonly onChange: () => void;
}

export class Supervisor {
  /** Resolves when the service is online for the first time; rejects when it never will be. */
  readonly online: Promise<void>;
  /** Resolves when all is over: with the error that ended it, or undefined after {@link stop}. */
  readonly done: Promise<PosternError | undefined>;
  readonly #options: SupervisorOptions;
  readonly #retries: Retries;
  readonly #abort = new AbortController();
  readonly #retiring = new Set<Session>();
  readonly #events: SessionEvents;
  #current: Session | undefined;
  #currentSince = 0;
  #pending: Session | undefined;
  #leaving: Session | undefined;
  #wanted = false;
  #wake: () => void = () => {};
  #goOnline!: () => void;
  #neverOnline!: (error: PosternError) => void;
  #wasOnline = false;
  #state: AgentState = "connecting";
  #since: number;
  #edge: string | null = null;
  #name: string;
  #url: string | undefined;
  #rttMs: number | null = null;
  #lastError: AgentStatus["last_error"];
  /** What control answered the last request for a tunnel with, if it refused. */
  #refusal: unknown;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    const { config, random, log } = options;
    this.#retries = new Retries({ limits: config.retry, random, log });
    this.#since = options.clock.wall();
    this.#name = options.service.config.name ?? "";
    this.online = new Promise((resolve, reject) => {
      this.#goOnline = resolve;
      this.#neverOnline = reject;
    });
    this.online.catch(() => {});
    this.#events = {
      onState: (session, state) => this.#onState(session, state),
      onReady: (_session, ready) => this.#onReady(ready),
      onEcho: (_session, rttMs) => this.#onEcho(rttMs),
      onGoaway: (session, reason) => this.#onGoaway(session, reason),
      onReauth: (session, error) => this.#onReauth(session, error),
    };
    this.done = this.#run();
  }

  get state(): AgentState {
    return this.#state;
  }
  /** Wall-clock milliseconds at which the state was entered. */
  get since(): number {
    return this.#since;
  }
  get rttMs(): number | null {
    return this.#rttMs;
  }
  get edge(): string | null {
    return this.#edge;
  }
  get lastError(): AgentStatus["last_error"] {
    return this.#lastError;
  }
  get isOnline(): boolean {
    return this.#current?.isOnline ?? false;
  }
  get openStreams(): number {
    let streams = this.#current?.openStreams ?? 0;
    for (const session of this.#retiring) streams += session.openStreams;
    return streams;
  }

  status(): ServiceStatus {
    const { service } = this.#options;
    return {
      name: this.#name,
      protocol: service.config.protocol,
      ...(this.#url === undefined ? {} : { url: this.#url }),
      target: service.target,
      state: this.isOnline
        ? "online"
        : this.#state === "failed"
        ? "refused"
        : this.#wasOnline
        ? "offline"
        : "pending",
      requests: service.requests,
      bytes_in: service.bytesIn,
      bytes_out: service.bytesOut,
      ...attestationStatus(this.#current),
    };
  }

  /** Makes a new session and lets the old one drain; ends a wait between attempts. */
  reconnect(): void {
    this.#wanted = true;
    this.#wake();
  }

  /** Lets open streams finish within the drain timeout, then ends. Idempotent; see {@link done}. */
  stop(): void {
    this.#abort.abort();
    this.#pending?.close();
    this.#wake();
  }

  get #stopping(): boolean {
    return this.#abort.signal.aborted;
  }

  async #run(): Promise<PosternError | undefined> {
    let error: PosternError | undefined;
    try {
      while (!this.#stopping && error === undefined) error = await this.#cycle();
    } catch (unexpected) {
      error = known(unexpected);
    }
    if (!this.#stopping) this.#neverOnline(error ?? new PosternError("channel_closed"));
    await this.#windUp();
    this.#enter(error === undefined ? "closed" : "failed");
    this.#neverOnline(error ?? new PosternError("channel_closed"));
    return error;
  }

  /** One session made and kept until it is due for another; the error that ends everything, if there is one. */
  async #cycle(): Promise<PosternError | undefined> {
    const old = this.#current;
    this.#wanted = false;
    try {
      const session = await this.#establish(old?.id);
      this.#adopt(session, old);
    } catch (thrown) {
      return await this.#failed(known(thrown));
    }
    return await this.#keep();
  }

  #adopt(session: Session, old: Session | undefined): void {
    const { metrics, clock, config, log } = this.#options;
    if (old !== undefined) this.#retire(old, config.drainTimeoutMs);
    if (this.#wasOnline) metrics.reconnects.inc();
    this.#wasOnline = true;
    this.#retries.succeeded();
    this.#current = session;
    this.#pending = undefined;
    this.#currentSince = clock.now();
    log("info", "service online", {
      service: this.#name,
      url: this.#url,
      edge: this.#edge ?? undefined,
      session_id: session.id,
      carrier: this.#options.carrier?.index,
    });
    this.#enter("online");
    this.#goOnline();
  }

  /** Waits until the current session ends, or is to be replaced. */
  async #keep(): Promise<PosternError | undefined> {
    const session = this.#current!;
    let ended: { error: PosternError | undefined } | undefined;
    session.ended.then((error) => {
      ended = { error };
      this.#wake();
    });
    const { registration, carrier, clock } = this.#options;
    const isFirst = carrier === undefined || carrier.index === 0; // it does this for all
    const stopRenewing = isFirst ? registration.keepRenewed(clock, this.#abort.signal) : () => {};
    while (!this.#stopping && ended === undefined && !this.#wanted && this.#leaving !== session) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    stopRenewing();
    if (this.#stopping) return undefined;
    this.#retries.ended(clock.now() - this.#currentSince);
    if (ended !== undefined) {
      this.#current = undefined;
      return await this.#failed(ended.error ?? new PosternError("peer_closed"));
    }
    if (this.#leaving === session) {
      this.#enter("draining");
      // All agents of an edge are told at the same moment.
      await this.#sleep(this.#retries.spreadMs(clock.now()));
    }
    return undefined;
  }

  /** Books a failure and waits before the next attempt; returns the error when there will be none. */
  async #failed(error: PosternError): Promise<PosternError | undefined> {
    if (this.#stopping) return undefined;
    const { clock, log } = this.#options;
    const old = this.#current;
    this.#lastError = { code: error.code, message: error.message, at: clock.wall() };
    const fields = { service: this.#name || undefined, code: error.code, detail: error.message };
    if (old?.isOnline && !error.retryable) {
      log("warn", "session is kept: it cannot be replaced", fields);
      return await this.#keep();
    }
    const isFinal = this.#retries.isFinal(error, error === this.#refusal);
    if (isFinal && (old === undefined || old.state !== "draining")) {
      log("error", "service failed", fields);
      return error;
    }
    const waitMs = this.#retries.next(error, clock.now(), fields);
    if (waitMs instanceof PosternError) {
      log("error", "service failed", fields);
      return waitMs;
    }
    if (old === undefined) this.#enter("reconnecting");
    else this.#options.onChange();
    await this.#sleep(waitMs);
    if (old !== undefined && old === this.#current && ended(old)) this.#current = undefined;
    return undefined;
  }

  /** Candidates and a fresh stage 0 token. */
  async #register(): Promise<CreateAnswer> {
    this.#refusal = undefined;
    try {
      return await this.#options.registration.renew(this.#abort.signal);
    } catch (error) {
      this.#refusal = error;
      throw error;
    }
  }

  async #establish(replaces: string | undefined): Promise<Session> {
    if (this.#current === undefined) this.#enter("connecting");
    let answer = await this.#register();
    this.#name = publicNameOf(answer.public_hostname);
    this.#options.service.name(this.#name);
    let failure: PosternError | undefined;
    for (const candidate of answer.candidates) {
      if (failure !== undefined && this.#pending?.hasCarrier) answer = await this.#register();
      try {
        return await this.#try(candidate, answer, replaces);
      } catch (thrown) {
        const error = withPort(known(thrown), answer.public_port);
        if (this.#stopping) throw error;
        // One edge that may be there again later outweighs another that refuses for good.
        if (failure === undefined || !failure.retryable) failure = error;
      }
    }
    throw failure ?? new PosternError("no_edge_available");
  }

  async #try(candidate: Candidate, answer: CreateAnswer, replaces: string | undefined): Promise<Session> {
    const { config, control, provider, connect, service, limits, buffers, clock, random, version, metrics } =
      this.#options;
    const startedAt = clock.now();
    const session = this.#pending = new Session({
      connect: (signal) => connect(candidate.edge_url, signal),
      edgeStatic: fromBase64Url(candidate.edge_public_key),
      suite: config.channel.hybrid === "off" ? "classic" : "hybrid",
      stage0Token: answer.ephemeral_token,
      version,
      replaces,
      carrier: this.#options.carrier,
      prover: new EvidenceProver({
        control,
        provider,
        stage0Token: answer.ephemeral_token,
        clock,
        random,
      }),
      service,
      onGrant: this.#options.onGrant,
      limits,
      buffers,
      clock,
      random,
      events: this.#events,
    });
    try {
      await session.online;
      this.#edge = candidate.edge_id;
      metrics.handshakes.inc({ result: "ok", code: "none" });
      metrics.handshakeSeconds.observe((clock.now() - startedAt) / 1_000);
      const labels = { role: "agent", tier: provider.kind };
      metrics.channels.inc(labels);
      session.ended.then(() => metrics.channels.dec(labels));
      return session;
    } catch (error) {
      metrics.handshakes.inc({ result: "failed", code: known(error).code });
      throw error;
    }
  }

  #onState(session: Session, state: ChannelState): void {
    if (session !== this.#pending || this.#current !== undefined) return;
    if (state === "handshaking") this.#enter("handshaking");
    if (state === "authenticating") this.#enter("authorizing");
  }

  #onReady(ready: ReadyMessage): void {
    this.#url = ready.services[0]?.urls[0];
  }

  #onEcho(rttMs: number): void {
    this.#rttMs = rttMs;
    this.#options.metrics.heartbeatRttSeconds.observe(rttMs / 1_000);
    this.#options.onChange();
  }

  #onReauth(session: Session, error: PosternError | undefined): void {
    const { metrics, log } = this.#options;
    const fields = { service: this.#name, session_id: session.id };
    const code = error?.code;
    metrics.reauths.inc({ result: code === undefined ? "succeeded" : "failed", code: code ?? "none" });
    if (code === undefined) log("debug", "machine proved itself again", fields);
    else log("warn", "machine could not prove itself again", { ...fields, code, detail: error?.message });
    this.#options.onChange();
  }

  #onGoaway(session: Session, reason: ResetReason): void {
    if (!this.#stopping) {
      this.#options.log("info", "edge asks to leave", {
        service: this.#name,
        session_id: session.id,
        reason,
      });
    }
    this.#options.metrics.drains.inc({ reason });
    this.#leaving = session;
    this.#wake();
  }

  #retire(session: Session, drainMs: number): void {
    this.#retiring.add(session);
    session.drain(drainMs);
    session.ended.then(() => this.#retiring.delete(session));
  }

  /** Drains what is left. After a failure nothing is, but for sessions that drain already. */
  async #windUp(): Promise<void> {
    const { config, metrics } = this.#options;
    if (this.#current !== undefined) {
      if (this.#stopping) metrics.drains.inc({ reason: "draining" });
      this.#enter("draining");
      this.#retire(this.#current, config.drainTimeoutMs);
      this.#current = undefined;
    }
    await Promise.all([...this.#retiring].map((session) => session.ended));
    await this.#pending?.ended;
  }

  #sleep(ms: number): Promise<void> {
    if (this.#stopping) return Promise.resolve();
    const { clock } = this.#options;
    return new Promise((resolve) => {
      const cancel = clock.schedule(clock.now() + ms, () => resolve());
      this.#wake = () => {
        if (!this.#stopping && !this.#wanted) return;
        cancel();
        resolve();
      };
    });
  }

  #enter(state: AgentState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#since = this.#options.clock.wall();
    this.#options.onChange();
  }
}

function ended(session: Session): boolean {
  return session.state === "closed" || session.state === "failed";
}

function attestationStatus(session: Session | undefined): Pick<ServiceStatus, "attestation"> {
  const attestation = session?.attestation;
  if (attestation === undefined) return {};
  const { tier, atMs, nextAtMs } = attestation;
  return { attestation: { tier: tier ?? "unknown", attested_at: atMs, reauth_at: nextAtMs ?? null } };
}

function known(error: unknown): PosternError {
  return errorOf(error, `Cannot publish the service: ${String(error)}`);
}

/** An edge tells no more than the code; which port control gave the service is known here. */
function withPort(error: PosternError, port: number | undefined): PosternError {
  const isAboutPort = error.code === "tcp_port_unavailable" || error.code === "udp_port_unavailable";
  return isAboutPort && port !== undefined
    ? new PosternError(error.code, `${error.message} (port ${port})`, {
      cause: error,
      detail: { ...error.detail, port },
    })
    : error;
}
