/**
 * Keeps a way to one private service: a grant, a channel, and another grant when that channel ends. Grants are never used again.
 *
 * ```
 *   grant -> channel online ---- lost, or the server drains ----> wait (backoff) -> grant
 *   an error that will not go away by itself -> done
 * ```
 */
import type { BackoffLimits, VerifiedPrivatePeer } from "../../src/channel/mod.ts";
import { errorOf, PosternError } from "../../src/errors/mod.ts";
import type { ChannelInitGrant } from "../../src/grants/mod.ts";
import type { Log } from "../../src/ports/mod.ts";
import { Retries } from "../retries.ts";
import { type PrivateParts, PrivateSession } from "./private_session.ts";

/** Time that a stream waits for a channel. */
const WAIT_MS = 15_000;
/** Exit code of refusals that concern who the other endpoint is: no attempt with the same peer does better. */
const REFUSED_EXIT = 4;

export interface PrivateConnectorOptions extends PrivateParts {
  /** Name of the service, for logs. */
  readonly service: string;
  /** Asks control for a grant of role `client`. Throws what control refuses with. */
  readonly grant: (signal: AbortSignal) => Promise<ChannelInitGrant>;
  readonly retry: BackoffLimits;
  readonly log: Log;
}

export class PrivateConnector {
  /** Resolves when a channel was online once; rejects with the error of one that never will be. */
  readonly online: Promise<VerifiedPrivatePeer>;
  /** Resolves when no channel is kept any more: with the error that ended it, if one did. */
  readonly done: Promise<PosternError | undefined>;
  readonly #options: PrivateConnectorOptions;
  readonly #retries: Retries;
  readonly #abort = new AbortController();
  readonly #waiting = new Set<() => void>();
  #current: PrivateSession | undefined;
  /** What control refused the grant with, when it did. */
  #refusal: PosternError | undefined;
  /** Those that drain. */
  readonly #sessions = new Set<PrivateSession>();
  #failure: PosternError | undefined;
  #goOnline!: (peer: VerifiedPrivatePeer) => void;
  #succeeded = false;

  constructor(options: PrivateConnectorOptions) {
    const { retry, random, log } = options;
    this.#options = options;
    this.#retries = new Retries({ limits: retry, random, log });
    const online = Promise.withResolvers<VerifiedPrivatePeer>();
    this.online = online.promise;
    this.online.catch(() => {}); // whoever is interested looks by itself
    this.#goOnline = online.resolve;
    this.done = this.#run().then((error) => {
      this.#failure = error ??
        new PosternError("channel_closed", "Cannot reach the private service: closed here");
      online.reject(this.#failure);
      this.#wakeAll();
      return error;
    });
  }

  /** The channel that stands, if one does. */
  get session(): PrivateSession | undefined {
    return this.#current?.isOnline ? this.#current : undefined;
  }

  /** A channel that stands, waited for if need be. @throws PosternError `private_unreachable`, and what ended it for good */
  async acquire(signal: AbortSignal): Promise<PrivateSession> {
    const { clock, service } = this.#options;
    let isLate = false;
    const cancel = clock.schedule(clock.now() + WAIT_MS, () => {
      isLate = true;
      this.#wakeAll();
    });
    const wake = () => this.#wakeAll();
    signal.addEventListener("abort", wake, { once: true });
    try {
      for (;;) {
        if (this.session !== undefined) return this.session;
        if (this.#failure !== undefined) throw this.#failure;
        if (signal.aborted) throw new PosternError("connect_aborted");
        if (isLate) {
          throw new PosternError(
            "private_unreachable",
            `Cannot reach ${service}: there is no channel to it now`,
          );
        }
        await new Promise<void>((resolve) => this.#waiting.add(resolve));
      }
    } finally {
      cancel();
      signal.removeEventListener("abort", wake);
    }
  }

  /** Lets open streams finish for at most `deadlineMs`, then ends. Idempotent. */
  async stop(deadlineMs: number): Promise<void> {
    this.#abort.abort();
    for (const session of this.#sessions) session.drain(deadlineMs);
    await this.done;
    await Promise.all([...this.#sessions].map(({ ended }) => ended));
  }

  async #run(): Promise<PosternError | undefined> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      const error = await this.#once();
      if (signal.aborted) return undefined;
      if (error === undefined) continue; // drained: the next one at once
      const { clock, log, service } = this.#options;
      const fields = { service, code: error.code, detail: error.message };
      if (this.#isFinal(error)) return error;
      const waitMs = this.#retries.next(error, clock.now(), fields);
      if (waitMs instanceof PosternError) {
        log("error", "private service given up", fields);
        return waitMs;
      }
      await this.#sleep(waitMs);
    }
    return undefined;
  }

  /** One channel, from its grant to its end; the error that there is to be waited for, or undefined when it drains. */
  async #once(): Promise<PosternError | undefined> {
    const { grant, clock, log, service } = this.#options;
    let session: PrivateSession;
    let granted: ChannelInitGrant;
    try {
      granted = await grant(this.#abort.signal);
    } catch (error) {
      return this.#refusal = errorOf(error, `Cannot ask for private channel: ${String(error)}`);
    }
    try {
      session = new PrivateSession({ ...this.#options, grant: granted });
      this.#sessions.add(session);
      session.ended.then(() => this.#sessions.delete(session));
      if (this.#abort.signal.aborted) session.close();
      const peer = await session.online;
      this.#current = session;
      this.#succeeded = true;
      this.#retries.succeeded();
      log("info", "private channel open", {
        service,
        channel_id: session.channelId,
        peer: peer.fingerprint,
        assurance: peer.assurance,
        agent_id: peer.agentId,
        spiffe_id: peer.spiffeId,
      });
      this.#goOnline(peer);
      this.#wakeAll();
    } catch (error) {
      return errorOf(error, `Cannot open private channel: ${String(error)}`);
    }
    const since = clock.now();
    const outcome = await Promise.race([session.ended.then((error) => ({ error })), session.leaving]);
    if (this.#current === session) this.#current = undefined;
    this.#retries.ended(clock.now() - since);
    return outcome === undefined ? undefined : outcome.error ?? new PosternError("peer_closed");
  }

  /** A relay that breaks one channel must not end the program: once a channel stood, only a wrong peer and control do. */
  #isFinal(error: PosternError): boolean {
    if (error.retryable) return false;
    return !this.#succeeded || error === this.#refusal || error.facts.exit === REFUSED_EXIT;
  }

  #wakeAll(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }

  #sleep(ms: number): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#abort;
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const cancel = clock.schedule(clock.now() + ms, () => {
        signal.removeEventListener("abort", stop);
        resolve();
      });
      const stop = () => {
        cancel();
        resolve();
      };
      signal.addEventListener("abort", stop, { once: true });
    });
  }
}
