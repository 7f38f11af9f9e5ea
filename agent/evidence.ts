/** From the edge's challenge to a stage 1 token: control asks, the identity answers, control judges. */
import { type EvidenceProvider, qualifyingData } from "../src/attestation/mod.ts";
import { fromBase64Url, toBase64Url, utf8Decode } from "../src/bytes/mod.ts";
import { Backoff, type Challenge, type ReauthChallenge } from "../src/channel/mod.ts";
import { errorOf, PosternError } from "../src/errors/mod.ts";
import type { Clock, Random } from "../src/ports/mod.ts";
import type { ControlClient } from "./control_client.ts";

export type { EvidenceProvider } from "../src/attestation/mod.ts";

/** Re-authentication messages that this agent can answer. */
const REAUTH_VERSION = 1;
/** Waits between attempts to prove again, while the edge waits. */
const RETRY = { initialMs: 250, maxMs: 2_000, maxElapsedMs: 0 };

/** What control made of the evidence. */
export interface Attested {
  /** Stage 1 token. Secret until it is used. */
  readonly token: string;
  /** How well the key is kept, as control says; for people. */
  readonly tier: string | undefined;
}

export interface Prover {
  /** Answers the challenge of a new channel; gives up when the signal aborts. */
  open(challenge: Challenge, signal: AbortSignal): Promise<Attested>;
  /** Answers one of the channel that was opened so, within the time that the edge gives. */
  again(challenge: ReauthChallenge, signal: AbortSignal): Promise<Attested>;
}

export interface ProverOptions {
  readonly control: Pick<ControlClient, "challenge" | "evidence">;
  readonly provider: EvidenceProvider;
  readonly stage0Token: string;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * A prover for one channel. The signature covers the edge's nonce, control's nonce, what stands for the channel and its keys,
 * and both identities, so evidence is good for this channel only. Its methods throw what control and the provider throw.
 */
export class EvidenceProver implements Prover {
  readonly #options: ProverOptions;
  /** Lets the agent ask again for this channel. Secret. */
  #reauthToken: string | undefined;

  constructor(options: ProverOptions) {
    this.#options = options;
  }

  open(challenge: Challenge, signal: AbortSignal): Promise<Attested> {
    return this.#prove("channel-open", { stage0_token: this.#options.stage0Token }, challenge, signal);
  }

  /** @throws PosternError also `attestation_unknown`, when control has given no right to it */
  async again(challenge: ReauthChallenge, signal: AbortSignal): Promise<Attested> {
    const { clock, random } = this.#options;
    const reauthToken = this.#reauthToken;
    if (reauthToken === undefined) {
      throw new PosternError("attestation_unknown", "Cannot prove again: control gave no token for it");
    }
    const endsAt = clock.now() + challenge.withinMs;
    const stop = new AbortController();
    const abort = () => stop.abort();
    const cancel = clock.schedule(endsAt, abort);
    signal.addEventListener("abort", abort);
    if (signal.aborted) abort();
    const backoff = new Backoff(RETRY, random);
    try {
      for (;;) {
        try {
          return await this.#prove("channel-reauth", { reauth_token: reauthToken }, challenge, stop.signal);
        } catch (thrown) {
          const error = errorOf(thrown);
          const waitMs = backoff.next(clock.now())!;
          // What control was asked may have been lost on the way: nothing is harmed by asking anew.
          if (!error.retryable || stop.signal.aborted || clock.now() + waitMs >= endsAt) throw error;
          await pause(clock, waitMs, stop.signal);
        }
      }
    } finally {
      cancel();
      signal.removeEventListener("abort", abort);
    }
  }

  async #prove(
    purpose: "channel-open" | "channel-reauth",
    authority: { readonly stage0_token: string } | { readonly reauth_token: string },
    { sessionNonce, handshakeHash, agentStatic }: Pick<
      ReauthChallenge,
      "sessionNonce" | "handshakeHash" | "agentStatic"
    >,
    signal: AbortSignal,
  ): Promise<Attested> {
    const { control, provider } = this.#options;
    const answer = await control.challenge({
      ...authority,
      purpose,
      session_nonce: toBase64Url(sessionNonce),
      handshake_hash: toBase64Url(handshakeHash),
      agent_static: toBase64Url(agentStatic),
      agent_id: provider.agentId,
      reauth_version: REAUTH_VERSION,
    }, signal);
    const evidence = await provider.prove({
      qualifyingData: qualifyingData({
        purpose,
        sessionNonce,
        authorityNonce: fromBase64Url(answer.authority_nonce),
        handshakeHash,
        agentStatic,
        agentId: provider.agentId,
        policyVersion: answer.policy_version,
      }),
      pcrs: answer.pcr_selection,
    }, signal);
    const judged = await control.evidence({ challenge_id: answer.challenge_id, evidence }, signal);
    this.#reauthToken = judged.reauth_token ?? this.#reauthToken;
    return { token: judged.stage1_token, tier: tierOf(judged.stage1_token) };
  }
}

function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const cancel = clock.schedule(clock.now() + ms, resolve);
    signal.addEventListener("abort", () => {
      cancel();
      resolve();
    });
  });
}

/** What the token says, without any check: it is shown to people, and decides nothing. */
function tierOf(token: string): string | undefined {
  try {
    const { tier } = JSON.parse(utf8Decode(fromBase64Url(token.split(".")[1])));
    return typeof tier === "string" && /^[a-z0-9_-]{1,32}$/.test(tier) ? tier : undefined;
  } catch {
    return undefined;
  }
}
