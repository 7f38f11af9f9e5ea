/** Asks a service of the operator whether a token is valid. */
import { toBase64Url, utf8 } from "../bytes/mod.ts";
import { Backoff } from "../channel/mod.ts";
import { PosternError } from "../errors/mod.ts";
import {
  acceptClaims,
  type ClaimsOf,
  clockSkewSeconds,
  type Expectation,
  type TokenClaim,
  type TokenKind,
} from "../identity/mod.ts";
import type { Clock, Random } from "../ports/mod.ts";
import { boundedFetch, FetchFailure } from "./bounded_fetch.ts";
import { Breaker, type BreakerState, type Permit } from "./breaker.ts";
import { VerdictCache } from "./verdict_cache.ts";
import {
  answerInvalid,
  hasNoJudge,
  MAX_VERIFIER_ANSWER_BYTES,
  readAnswer,
  refusalOf,
  type VerifierAnswer,
} from "./verifier_answer.ts";

export interface RemoteVerifierOptions {
  readonly url: string;
  /** The credential for it, without white space; read anew for each request. */
  readonly bearer: () => string | undefined;
  readonly client: Deno.HttpClient;
  readonly clock: Clock;
  readonly random: Random;
  /** For one request. */
  readonly timeoutMs: number;
  /** Further requests after one that got no answer. */
  readonly retries: number;
  /** For one token, all requests and waits together. */
  readonly budgetMs: number;
  /** Longest time that claims are kept; never beyond their expiry. */
  readonly cacheMs: number;
  readonly events: RemoteVerifierEvents;
}

/** Ways in which one request, or the wish for one, ends. */
export type RequestOutcome =
  | "answered"
  | "timeout"
  | "unreachable"
  | "server_error"
  | "answer_invalid"
  | "held_back"
  | "cached"
  | "joined";

/** For metrics and logs. Must not throw. */
export interface RemoteVerifierEvents {
  readonly onRequest: (outcome: RequestOutcome, seconds?: number) => void;
  readonly onBreaker: (state: BreakerState["name"]) => void;
}

/** Tokens that are asked about at the same time. */
const MAX_IN_FLIGHT = 256;
/** Kept claims: about 2 KiB each. */
const MAX_CACHED = 1_024;
/** Waits between requests for one token, at random up to these. */
const RETRY = { initialMs: 200, maxMs: 2_000, maxElapsedMs: 0 };

export class RemoteVerifier {
  readonly #options: RemoteVerifierOptions;
  readonly #breaker: Breaker;
  /**
   * Only what is valid is kept. A refusal is asked for again: it may be the verifier's that has not heard of a key yet, and
   * whoever sends made-up tokens would fill the room of the others.
   */
  readonly #cache = new VerdictCache(MAX_CACHED);
  readonly #inFlight = new Map<string, Promise<VerifierAnswer>>();

  constructor(options: RemoteVerifierOptions) {
    this.#options = options;
    this.#breaker = new Breaker(options.events.onBreaker);
  }

  /**
   * The claims of a token that the verifier calls valid and that hold here as well; undefined when it has no opinion of
   * tokens like it. Throws `token_verifier_unavailable`, `token_verifier_answer_invalid`, `token_verifier_refused` and
   * other codes of tokens.
   * @param claim of the same token
   */
  async verify<K extends TokenKind>(
    kind: K,
    token: string,
    claim: TokenClaim,
    expect: Expectation,
  ): Promise<ClaimsOf[K] | undefined> {
    const { clock, cacheMs, events } = this.#options;
    refuseEnded(kind, claim, expect);
    const key = toBase64Url(new Uint8Array(await crypto.subtle.digest("SHA-256", utf8(token))));
    const cached = this.#cache.find(key, clock.wall());
    if (cached !== undefined) {
      events.onRequest("cached");
      return acceptClaims(kind, cached, { ...expect, nowMs: clock.wall() });
    }
    const answer = await this.#joined(key, token);
    if (hasNoJudge(answer)) return undefined;
    if (!answer.valid) throw refusalOf(kind, answer.error);
    refuseMixUp(claim, answer.claims);
    // The answer took its time.
    const nowMs = clock.wall();
    const claims = acceptClaims(kind, answer.claims, { ...expect, nowMs });
    this.#cache.put(key, answer.claims, Math.min(claims.exp * 1_000, nowMs + cacheMs), nowMs);
    return claims;
  }

  /** One question for a token, however many ask. */
  #joined(key: string, token: string): Promise<VerifierAnswer> {
    const { events } = this.#options;
    const running = this.#inFlight.get(key);
    if (running !== undefined) {
      events.onRequest("joined");
      return running;
    }
    if (this.#inFlight.size >= MAX_IN_FLIGHT) {
      events.onRequest("held_back");
      throw unavailable("it is asked about too many tokens already", "busy");
    }
    const asking = this.#ask(token).finally(() => this.#inFlight.delete(key));
    this.#inFlight.set(key, asking);
    return asking;
  }

  async #ask(token: string): Promise<VerifierAnswer> {
    const { clock, random, retries, budgetMs } = this.#options;
    const untilMs = clock.now() + budgetMs;
    const backoff = new Backoff(RETRY, random);
    for (let attempt = 0;; attempt++) {
      const permit = this.#permit();
      try {
        return await this.#request(token, permit, untilMs - clock.now());
      } catch (error) {
        if (!(error instanceof NoAnswer)) throw error;
        const atMs = clock.now() + backoff.next(clock.now())!;
        if (attempt === retries || atMs >= untilMs) throw unavailable(error.state, error.reason, error.cause);
        await until(clock, atMs);
      }
    }
  }

  #permit(): Permit {
    const permit = this.#breaker.enter(this.#options.clock.now());
    if (permit !== undefined) return permit;
    this.#options.events.onRequest("held_back");
    throw unavailable("it did not answer before, and is not asked again yet", "breaker_open");
  }

  /** @throws NoAnswer, PosternError `token_verifier_answer_invalid` */
  async #request(token: string, permit: Permit, leftMs: number): Promise<VerifierAnswer> {
    const { url, bearer, client, clock, timeoutMs, events } = this.#options;
    const startedAt = clock.now();
    const told = (outcome: RequestOutcome) =>
      events.onRequest(outcome, Math.max(0, clock.now() - startedAt) / 1_000);
    const credential = bearer();
    try {
      const answer = await boundedFetch(url, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          accept: "application/json",
          "accept-encoding": "identity",
          ...(credential === undefined ? {} : { authorization: `Bearer ${credential}` }),
        },
        body: JSON.stringify({ token }),
      }, { clock, client, timeoutMs: Math.min(timeoutMs, leftMs), maxBytes: MAX_VERIFIER_ANSWER_BYTES });
      if (answer.status >= 500 || answer.status === 429) {
        throw new NoAnswer("server_error", `it answers with status ${answer.status}`);
      }
      permit.answered();
      const verdict = readAnswer(answer);
      told("answered");
      return verdict;
    } catch (error) {
      if (error instanceof PosternError) {
        told("answer_invalid");
        throw error;
      }
      if (error instanceof FetchFailure && error.reason === "too_large") {
        permit.answered();
        told("answer_invalid");
        throw answerInvalid(error.message);
      }
      permit.failed(clock.now());
      const failure = noAnswerOf(error);
      told(failure.reason);
      throw failure;
    }
  }
}

/** The verifier did not say anything: worth another request, and what opens the breaker. */
class NoAnswer extends Error {
  constructor(
    readonly reason: "timeout" | "unreachable" | "server_error",
    readonly state: string,
    cause?: unknown,
  ) {
    super(state, { cause });
  }
}

function noAnswerOf(error: unknown): NoAnswer {
  if (error instanceof NoAnswer) return error;
  if (error instanceof FetchFailure && error.reason !== "too_large") {
    return new NoAnswer(error.reason, error.message, error.cause);
  }
  return new NoAnswer("unreachable", "it cannot be asked", error);
}

/** What has ended by its own words is not worth a question. */
function refuseEnded(kind: TokenKind, { payload }: TokenClaim, expect: Expectation): void {
  const skewMs = expect.clockSkewMs ?? clockSkewSeconds * 1_000;
  if (typeof payload.exp === "number" && payload.exp * 1_000 + skewMs <= expect.nowMs) {
    throw new PosternError("token_expired", `Cannot accept ${kind} token: it has expired`, {
      detail: { token: kind },
    });
  }
}

/** The verifier has to speak of the token that it was asked about: one that mixes answers up lets anybody in as anybody. */
function refuseMixUp({ payload }: TokenClaim, claims: Readonly<Record<string, unknown>>): void {
  for (const name of ["iss", "sub", "jti", "iat", "exp"]) {
    if (payload[name] !== undefined && payload[name] !== claims[name]) {
      throw answerInvalid(`its claim ${name} is not the token's`, { claim: name });
    }
  }
}

export function unavailable(state: string, reason: string, cause?: unknown): PosternError {
  return new PosternError("token_verifier_unavailable", `Cannot ask the token's verifier: ${state}`, {
    cause,
    detail: { reason },
  });
}

function until(clock: Clock, atMs: number): Promise<void> {
  return new Promise((resolve) => clock.schedule(atMs, resolve));
}
