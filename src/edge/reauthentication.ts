/**
 * Keeps one channel attested: asks its agent for a new proof whenever that is due, and cuts the channel when there is none.
 *
 * ```
 *              due, authorizer well (or none named)            proof in time, and it holds
 *   attested -------------------------------------> asked ------------------------------> attested
 *      |  ^                                           |
 *      |  | time over: polled again                   +--> refused, or too late: cut, for good
 *      v  |                                           ^
 *    deferred ----------------------------------------+
 *      due, authorizer not well               cap spent: asked all the same
 * ```
 * Traffic goes on until the verdict. What cannot be remembered is not granted, and what is not known is never taken for
 * passed. An agent that cannot answer is asked to come again with a full handshake, and is cut when it does not.
 */
import { instant } from "../bytes/mod.ts";
import { Backoff, type Channel, type ReauthProof } from "../channel/mod.ts";
import { codeOf, type ErrorCode, errorOf, PosternError } from "../errors/mod.ts";
import { matchReauth, reauthLifeMs, type Stage1Claims } from "../identity/mod.ts";
import type { LogFields } from "../ports/mod.ts";
import type { AgentRegistry } from "./agent_registry.ts";
import type { AgentSession } from "./agent_session.ts";
import type { EdgeContext } from "./context.ts";

/** What operators are told of a session's attestation. Wall-clock milliseconds. */
export interface ReauthStatus {
  readonly state: "passed" | "asked" | "deferred";
  readonly attested_at: number;
  /** When the agent is asked next; null: never. */
  readonly reauth_at: number | null;
  /** By when it must have proved itself; null: never. */
  readonly reauth_deadline: number | null;
  /** How often it was asked on this channel. */
  readonly attempts: number;
  /** What was put off without a proof in between. */
  readonly deferral_spent_ms: number;
}

export interface ReauthenticationOptions {
  readonly session: AgentSession;
  readonly channel: Pick<Channel, "state" | "reauthenticate" | "reauthenticated" | "close" | "drain">;
  readonly context: Pick<EdgeContext, "clock" | "random" | "metrics" | "log" | "config">;
  readonly registry: Pick<AgentRegistry, "verifyStage1" | "attestations">;
}

/** Longest wait beyond the interval, as a part of it: so that agents that came together are not asked together. */
const JITTER = 0.2;
/** Least time for an answer, whatever the token says. */
const MIN_GRACE_MS = 1_000;
/** Attempts to reach the authorizer, or to remember a step, before the answer is no. */
const POLL = { initialMs: 500, maxMs: 2_000, maxElapsedMs: 0 };
const MAX_POLLS = 3;
const MAX_WRITES = 3;

export class Reauthentication {
  readonly #options: ReauthenticationOptions;
  /** Other issuers' tokens need not name an attestation; they are asked all the same, under a name of the channel's own. */
  readonly #attestationId: string;
  #cancel: () => void = () => {};
  #state: ReauthStatus["state"] = "passed";
  #attempts = 0;
  #spentMs = 0;
  /** Wall clock; undefined: never asked. */
  #nextAtMs: number | undefined;
  /** By when the answer to the open question has to be there. */
  #askedUntilMs: number | undefined;
  #isHeld = false;
  #isOver = false;

  constructor(options: ReauthenticationOptions) {
    this.#options = options;
    const { attestation_id, jti } = options.session.claims;
    this.#attestationId = attestation_id ?? jti;
  }

  /**
   * Remembers that the channel is about to stand, and begins to count. Milliseconds until the agent is asked; undefined: never.
   * @throws PosternError `reauth_failed` when its attestation is over already, and `store_*`
   */
  async begin(): Promise<number | undefined> {
    const { session, registry } = this.#options;
    const attestationId = this.#attestationId;
    const { issued_at_quote } = session.claims;
    const intervalMs = this.#intervalMs;
    if (intervalMs === undefined) return undefined;
    this.#isHeld = true;
    const afterMs = this.#jittered(intervalMs);
    const { tunnelId, agentId } = session;
    const isHeld = await registry.attestations.hold({
      attestationId,
      tunnelId,
      agentId,
      sessionId: session.id,
      attestedAtMs: issued_at_quote * 1_000,
      deadlineMs: this.#wall + afterMs + this.#graceMs,
      liveUntilMs: this.#wall + lifeOf(session.claims),
    });
    if (!isHeld) throw failure("its attestation is over");
    this.#spentMs = await registry.attestations.deferralSpent(tunnelId, agentId);
    if (!this.#isOver) this.#arm(afterMs);
    return afterMs;
  }

  /** By when the agent is to have proved itself again, for the log; undefined: it is not asked. */
  get deadline(): string | undefined {
    const { reauth_deadline: ms } = this.status();
    return ms === null ? undefined : instant(ms);
  }

  status(): ReauthStatus {
    const next = this.#nextAtMs;
    return {
      state: this.#state,
      attested_at: this.#claims.issued_at_quote * 1_000,
      reauth_at: next ?? null,
      reauth_deadline: this.#askedUntilMs ?? (next === undefined ? null : next + this.#graceMs),
      attempts: this.#attempts,
      deferral_spent_ms: this.#spentMs,
    };
  }

  /** The agent has answered. */
  async proved(proof: ReauthProof): Promise<void> {
    const { registry, session, context } = this.#options;
    try {
      const claims = await registry.verifyStage1(proof.token);
      matchReauth(session.claims, claims, proof);
      const intervalMs = intervalOf(claims);
      const afterMs = intervalMs === undefined ? undefined : this.#jittered(intervalMs);
      await this.#step({
        state: "passed",
        attestedAtMs: claims.issued_at_quote * 1_000,
        liveUntilMs: this.#wall + lifeOf(claims),
        deadlineMs: afterMs === undefined ? null : this.#wall + afterMs + graceOf(claims),
      });
      if (this.#isOver) return;
      session.renew(claims);
      this.#endQuestion("passed");
      this.#nextAtMs = undefined;
      this.#options.channel.reauthenticated(afterMs, context.clock.now());
      if (afterMs !== undefined) this.#arm(afterMs);
      context.metrics.reauths.inc({ result: "succeeded", code: "none" });
      const { tier, policy_version } = claims;
      this.#log("info", "re-authentication succeeded", {
        tier,
        policy_version,
        reauth_deadline: this.deadline,
      });
      await this.#refillDeferral();
    } catch (error) {
      await this.#fail(error);
    }
  }

  /** The channel is over. */
  async ended(error: PosternError | undefined): Promise<void> {
    if (this.#isOver) return;
    const wasAsked = this.#state === "asked";
    this.#finish();
    const code = error?.code;
    const isRefused = code !== undefined && code !== "reauth_timeout" && code.startsWith("reauth_");
    if (wasAsked || isRefused || code === "reauth_timeout") this.#tellFailure(code ?? "channel_closed");
    // One that is fenced has just proved itself on another channel.
    if (isRefused || code === "reauth_timeout" || wasAsked && code !== "session_fenced") this.#lost();
    if (isRefused) await this.#note({ state: "failed", code });
    else if (wasAsked) await this.#note({ state: "lapsed", code: code ?? "channel_closed" });
    else await this.#note({ state: "ended", ...(code === undefined ? {} : { code }) });
  }

  get #claims(): Stage1Claims {
    return this.#options.session.claims;
  }
  get #wall(): number {
    return this.#options.context.clock.wall();
  }
  get #intervalMs(): number | undefined {
    return intervalOf(this.#claims);
  }
  get #graceMs(): number {
    return graceOf(this.#claims);
  }

  #arm(afterMs: number): void {
    const { clock } = this.#options.context;
    this.#nextAtMs = clock.wall() + afterMs;
    this.#cancel = clock.schedule(clock.now() + afterMs, () => void this.#due());
  }

  async #due(): Promise<void> {
    try {
      if (this.#claims.reauth_version === undefined) return this.#askToComeAgain();
      if (!await this.#mayAskNow()) return;
      if (!this.#isOver) await this.#ask();
    } catch (error) {
      await this.#fail(error);
    }
  }

  /** False: it was put off, or the channel is over. */
  async #mayAskNow(): Promise<boolean> {
    const { authorizer_status_uri: uri, maintenance_grace_cap_seconds: capSeconds } = this.#claims;
    if (uri === undefined) return true;
    const isWell = await this.#isWell(uri);
    if (this.#isOver) return false;
    if (isWell) {
      await this.#refillDeferral();
      return true;
    }
    const { session, registry, context } = this.#options;
    const { tunnelId, agentId } = session;
    // What cannot be remembered is not granted: a restart must not give the same time again.
    const grantedMs = await registry.attestations.defer({
      tunnelId,
      agentId,
      nowMs: this.#wall,
      byMs: this.#jittered(this.#intervalMs!),
      capMs: capSeconds * 1_000,
    }).catch((error) => {
      this.#log("warn", "re-authentication cannot be put off", { code: codeOf(error) });
      return 0;
    });
    if (this.#isOver) return false;
    this.#spentMs = await registry.attestations.deferralSpent(tunnelId, agentId).catch(() => this.#spentMs);
    if (grantedMs < 1) return true;
    this.#state = "deferred";
    this.#arm(grantedMs);
    context.metrics.reauths.inc({ result: "deferred", code: "none" });
    context.metrics.maintenanceDefers.inc();
    this.#log("warn", "re-authentication deferred: the authorizer is not well", {
      deferred_ms: grantedMs,
      deferral_spent_ms: this.#spentMs,
      maintenance_grace_cap_ms: capSeconds * 1_000,
      reauth_deadline: this.deadline,
    });
    return false;
  }

  /** A moment's trouble is not maintenance: asked a few times. */
  async #isWell(uri: string): Promise<boolean> {
    const { registry, context } = this.#options;
    const backoff = new Backoff(POLL, context.random);
    for (let polls = 1; !this.#isOver; polls++) {
      if (await registry.attestations.isHealthy(uri)) return true;
      if (polls === MAX_POLLS) return false;
      const { clock } = context;
      await new Promise<void>((resolve) => clock.schedule(clock.now() + backoff.next(clock.now())!, resolve));
    }
    return false;
  }

  async #ask(): Promise<void> {
    const { channel, context } = this.#options;
    const { clock, metrics } = context;
    const graceMs = this.#graceMs;
    await this.#step({ state: "asked", deadlineMs: clock.wall() + graceMs });
    if (this.#isOver || !channel.reauthenticate(graceMs, clock.now())) return;
    this.#state = "asked";
    this.#attempts++;
    this.#askedUntilMs = clock.wall() + graceMs;
    metrics.reauthInProgress.inc();
    metrics.reauths.inc({ result: "scheduled", code: "none" });
    this.#log("debug", "re-authentication requested", { reauth_deadline: this.deadline });
  }

  /** For agents of before: a new session with a full handshake is a new proof, and this one drains meanwhile. */
  #askToComeAgain(): void {
    const { channel, context } = this.#options;
    const { clock, config, metrics } = context;
    const { drainTimeoutMs } = config;
    this.#nextAtMs = undefined;
    metrics.reauths.inc({ result: "scheduled", code: "none" });
    this.#log("info", "agent cannot prove itself on its channel and is asked to come again", {});
    channel.drain("draining", drainTimeoutMs, clock.now());
    // An agent that had begun to drain by itself, with a time of its own choice, is held to ours.
    this.#cancel = clock.schedule(
      clock.now() + drainTimeoutMs,
      () => channel.close(new PosternError("reauth_timeout"), clock.now()),
    );
  }

  async #fail(error: unknown): Promise<void> {
    if (this.#isOver) return;
    const { channel, context } = this.#options;
    const cause = errorOf(error, `Cannot judge the proof: ${String(error)}`);
    const code = cause.code === "reauth_failed" ? String(cause.detail.code ?? cause.code) : cause.code;
    this.#finish();
    this.#tellFailure(code);
    // First the cut, then the paperwork. The agent is told no more than that: what is wrong is between it and control.
    channel.close(
      new PosternError("reauth_failed", `Cannot go on with the channel: ${cause.message}`, {
        cause,
        detail: { code },
      }),
      context.clock.now(),
    );
    this.#lost();
    await this.#note({ state: "failed", code });
  }

  #lost(): void {
    const { session, registry } = this.#options;
    registry.attestations.lost(session.tunnelId, session.agentId);
  }

  #tellFailure(code: ErrorCode | string): void {
    this.#options.context.metrics.reauths.inc({ result: "failed", code });
    this.#log("warn", "re-authentication failed: the channel is cut", { code });
  }

  #finish(): void {
    this.#isOver = true;
    this.#cancel();
    this.#endQuestion(this.#state);
    this.#nextAtMs = undefined;
  }

  #endQuestion(next: ReauthStatus["state"]): void {
    if (this.#state === "asked") this.#options.context.metrics.reauthInProgress.dec();
    this.#state = next === "asked" ? "passed" : next;
    this.#askedUntilMs = undefined;
  }

  async #refillDeferral(): Promise<void> {
    if (this.#spentMs === 0) return;
    const { session, registry } = this.#options;
    await registry.attestations.endDeferral(session.tunnelId, session.agentId).then(
      () => this.#spentMs = 0,
      (error) => this.#log("warn", "deferral is not refilled", { code: codeOf(error) }),
    );
  }

  /** @throws PosternError `reauth_failed` when the attestation is over, and `store_*` */
  async #step(step: Parameters<AgentRegistry["attestations"]["step"]>[1]): Promise<void> {
    const { registry } = this.#options;
    for (let writes = 1;; writes++) {
      try {
        if (await registry.attestations.step(this.#attestationId, step)) return;
        throw failure("its attestation is over");
      } catch (error) {
        const mayTryAgain = errorOf(error).retryable && codeOf(error) !== "reauth_failed";
        if (!mayTryAgain || writes === MAX_WRITES || this.#isOver) throw error;
      }
    }
  }

  /** The end of it. What cannot be written is found unfinished by the next start, which takes it for lapsed. */
  async #note(step: Parameters<AgentRegistry["attestations"]["step"]>[1]): Promise<void> {
    if (!this.#isHeld && this.#claims.attestation_id === undefined) return;
    await this.#options.registry.attestations.step(this.#attestationId, step).catch((error) => {
      this.#log("error", "end of attestation is not remembered", { state: step.state, code: codeOf(error) });
    });
  }

  #jittered(ms: number): number {
    const bytes = this.#options.context.random(4);
    const unit = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0) / 0x1_0000_0000;
    return Math.floor(ms * (1 + JITTER * unit));
  }

  #log(level: "debug" | "info" | "warn" | "error", event: string, fields: LogFields): void {
    const { session, context } = this.#options;
    const { id, tunnelId, agentId } = session;
    context.log(level, event, { session_id: id, tunnel_id: tunnelId, agent_id: agentId, ...fields });
  }
}

function intervalOf({ reauth_interval_seconds: seconds }: Stage1Claims): number | undefined {
  return seconds === undefined ? undefined : seconds * 1_000;
}

function graceOf({ reauth_grace_seconds: seconds }: Stage1Claims): number {
  return Math.max(MIN_GRACE_MS, seconds * 1_000);
}

function lifeOf(claims: Stage1Claims): number {
  return reauthLifeMs({
    intervalMs: intervalOf(claims) ?? 0,
    graceMs: graceOf(claims),
    maintenanceCapMs: claims.maintenance_grace_cap_seconds * 1_000,
  });
}

function failure(state: string): PosternError {
  return new PosternError("reauth_failed", `Cannot go on with the channel: ${state}`, {
    detail: { code: "attestation_over" },
  });
}
