/** The serving end of private channels: takes the grants that come for this agent's services, and comes to their channels. */
import { toBase64Url } from "../../src/bytes/mod.ts";
import { privateFingerprint } from "../../src/channel/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import { type ChannelInitGrant, readGrant } from "../../src/grants/mod.ts";
import type { Log } from "../../src/ports/mod.ts";
import type { AcceptedGrant, PrivateEndpoint, PrivateTarget } from "../private_endpoint.ts";
import { type PrivateParts, PrivateSession, type ServedStreams } from "./private_session.ts";

/** Channels of one agent at the same time, those that are not open yet included. */
const MAX_SESSIONS = 256;
/** Of these, channels whose other endpoint has not proved to be there: whoever asks and never comes must not take all places. */
const MAX_WAITING = 64;

export interface PrivateServerOptions extends PrivateParts {
  /** Who handles the streams that lead to a target. */
  readonly serve: (target: PrivateTarget) => ServedStreams;
  readonly log: Log;
}

export class PrivateServer implements PrivateEndpoint {
  readonly #options: PrivateServerOptions;
  readonly #sessions = new Set<PrivateSession>();
  readonly #waiting = new Set<PrivateSession>();
  #isOver = false;

  constructor(options: PrivateServerOptions) {
    this.#options = options;
  }

  /** What those who connect pin. */
  get fingerprint(): string {
    return privateFingerprint(this.#options.staticKeys.publicKey);
  }
  get sessions(): ReadonlySet<PrivateSession> {
    return this.#sessions;
  }

  /** @throws PosternError `grant_malformed`, `grant_wrong_role`, `grant_expired`, `private_channel_limit`, `peer_draining` */
  // deno-lint-ignore require-await
  async accept(grant: ChannelInitGrant, target: PrivateTarget): Promise<AcceptedGrant> {
    const { clock, serve, staticKeys } = this.#options;
    if (this.#isOver) throw new PosternError("peer_draining");
    const checked = readGrant(grant, { role: "server", nowMs: clock.wall() });
    if (this.#sessions.size >= MAX_SESSIONS) {
      throw new PosternError(
        "private_channel_limit",
        `Cannot take private channel: this agent has ${MAX_SESSIONS} already`,
      );
    }
    if (this.#waiting.size >= MAX_WAITING) {
      throw new PosternError(
        "private_channel_limit",
        `Cannot take private channel: ${MAX_WAITING} wait for their other endpoint already`,
      );
    }
    this.#follow(
      new PrivateSession({ ...this.#options, grant: checked, served: serve(target) }),
      target.name,
    );
    return { staticKey: toBase64Url(staticKeys.publicKey) };
  }

  /** Lets open streams finish for at most `deadlineMs`, then ends all; takes no further grants. */
  async stop(deadlineMs: number): Promise<void> {
    this.#isOver = true;
    for (const session of this.#sessions) session.drain(deadlineMs);
    await Promise.all([...this.#sessions].map(({ ended }) => ended));
  }

  #follow(session: PrivateSession, service: string): void {
    const { log } = this.#options;
    const { channelId: channel_id } = session;
    this.#sessions.add(session);
    this.#waiting.add(session);
    session.online.then((peer) => {
      this.#waiting.delete(session);
      log("info", "private channel open", {
        service,
        channel_id,
        peer: peer.fingerprint,
        assurance: peer.assurance,
        agent_id: peer.agentId,
        spiffe_id: peer.spiffeId,
      });
    }, () => {});
    session.ended.then((error) => {
      this.#sessions.delete(session);
      this.#waiting.delete(session);
      log(error === undefined || error.retryable ? "info" : "warn", "private channel over", {
        service,
        channel_id,
        code: error?.code,
        detail: error?.message,
      });
    });
  }
}
