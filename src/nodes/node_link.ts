/** The caller's end of one channel: hello, heartbeats, echoes, trust that the host has newer, and renewal of its own certificate. */
import { fromBase64Url, toBase64Url } from "../bytes/mod.ts";
import {
  type MutualTlsConnection,
  type NodeCredentials,
  type NodeIdentity,
  type WatchedPeer,
  watchPeer,
} from "../driver/tls/mod.ts";
import { codeOf, isErrorCode, PosternError } from "../errors/mod.ts";
import type { Clock, Log, Random } from "../ports/mod.ts";
import { FrameStream } from "./frame_stream.ts";
import type { NodeFacts } from "./hosted_node.ts";
import { checkIdentityProof, identityMessage } from "./identity_proof.ts";
import {
  type CallerMessage,
  type HostMessage,
  maxHostFrameBytes,
  nodeProtocolVersion,
  readHostMessage,
  type TrustMessage,
  type TunnelerReport,
} from "./messages.ts";
import type { NodeRefusal } from "./refusal_book.ts";
import { takeTrust } from "./taken_trust.ts";

/** From the handshake to the welcome. */
const welcomeTimeoutMs = 10_000;
/** Until a request for a certificate is answered. */
const renewalTimeoutMs = 15_000;
/** From one heartbeat to one that is early; and for each tunneler that it names: each is answered by an echo. */
const soonMs = 1_000;
const soonMsEach = 40;

export interface NodeLinkOptions {
  readonly connection: MutualTlsConnection;
  readonly identity: NodeIdentity;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly facts: NodeFacts;
  /** Those that are online here, for the host: their heartbeats go with ours. */
  readonly tunnelers?: () => readonly TunnelerReport[];
  /** Once: the host let us in. */
  readonly onWelcome?: () => void;
  /** Patterns of the tunnelers that may come to us: at first, and whenever they changed. */
  readonly onAccess?: (tunnelers: readonly string[]) => void;
  /** Whom we refused, for the host's audit: asked at each heartbeat. */
  readonly refusals?: () => readonly NodeRefusal[];
  readonly onHeartbeat?: (result: string) => void;
  /** An echo for one of our tunnelers: it is relayed, and answered by {@link NodeLink.answerEcho}. */
  readonly onTunnelerEcho?: (tunneler: string, nonce: string) => void;
}

export class NodeLink {
  readonly #options: NodeLinkOptions;
  readonly #frames: FrameStream;
  #watch: WatchedPeer | undefined;
  #welcome: Extract<HostMessage, { type: "welcome" }> | undefined;
  readonly #nonce: string;
  /** Those that the host saw last may be older, never newer. */
  readonly #credentials: NodeCredentials;
  #sequence = 0;
  #beatAtMs = 0;
  #heardAtMs: number;
  #cancelBeat = () => {};
  #cancelDeadline = () => {};
  #forget = () => {};
  #renewal: PromiseWithResolvers<readonly Uint8Array[]> | undefined;
  #ended: string | undefined;
  #lastEchoAtMs: number | undefined;

  constructor(options: NodeLinkOptions) {
    this.#options = options;
    this.#frames = new FrameStream(options.connection.stream, maxHostFrameBytes);
    this.#heardAtMs = options.clock.now();
    this.#nonce = toBase64Url(options.random(32));
    this.#credentials = options.identity.credentials;
  }

  /** Whether the host asked for an echo within the time of a channel, and got it. */
  get isOnline(): boolean {
    const at = this.#lastEchoAtMs;
    return this.#ended === undefined && at !== undefined && this.#welcome !== undefined &&
      this.#options.clock.now() - at < this.#welcome.offline_ms;
  }

  get host(): string {
    return this.#options.connection.peer.spiffeId;
  }

  /** Runs the channel until it is over; never rejects. Resolves with the code of its end. */
  async run(): Promise<string> {
    const { connection, identity, clock } = this.#options;
    try {
      this.#watch = watchPeer({
        identity,
        clock,
        connection,
        expected: {},
        usage: "server",
        onRefused: (error) => this.end(codeOf(error)),
      });
      this.#watch.renew(connection.chain);
      this.#deadline(welcomeTimeoutMs);
      await this.#frames.write({
        type: "hello",
        protocol: nodeProtocolVersion,
        nonce: this.#nonce,
        ...this.#facts(),
      });
      for (let value = await this.#frames.read(); value !== undefined; value = await this.#frames.read()) {
        this.#take(value);
      }
      this.end("connection_closed");
    } catch (error) {
      this.end(codeOf(error));
    }
    return this.#ended ?? "connection_closed";
  }

  /** Ends the channel. Idempotent. */
  end(code: string): void {
    if (this.#ended !== undefined) return;
    this.#ended = code;
    this.#cancelBeat();
    this.#cancelDeadline();
    this.#forget();
    this.#watch?.end();
    this.#renewal?.reject(
      new PosternError("connection_closed", "Cannot renew the certificate: the channel ended"),
    );
    const { clock } = this.#options;
    const cancel = clock.schedule(clock.now() + 1_000, () => this.#frames.close());
    this.#frames.write({ type: "close", code }).catch(() => {}).finally(() => {
      cancel();
      this.#frames.close();
    });
  }

  /** An echo that went on to a tunneler came back. */
  answerEcho(nonce: string, tunneler: string): void {
    this.#send({ type: "echo", nonce, tunneler });
  }

  /**
   * Has the host certify a key; DER. @param csr DER
   * @throws PosternError `node_renewal_refused`, `node_renewal_timeout`, `connection_closed`
   */
  async renew(csr: Uint8Array): Promise<readonly Uint8Array[]> {
    const { clock } = this.#options;
    const renewal = this.#renewal = Promise.withResolvers();
    const cancel = clock.schedule(
      clock.now() + renewalTimeoutMs,
      () =>
        renewal.reject(new PosternError("node_renewal_timeout", "Cannot renew the certificate: no answer")),
    );
    this.#send({ type: "renew", csr: toBase64Url(csr) });
    if (this.#ended !== undefined) {
      renewal.reject(
        new PosternError("connection_closed", "Cannot renew the certificate: the channel ended"),
      );
    }
    try {
      return await renewal.promise;
    } finally {
      cancel();
      this.#renewal = undefined;
    }
  }

  #take(value: unknown): void {
    const message = readHostMessage(value);
    if (message === undefined) throw unexpected();
    this.#heardAtMs = this.#options.clock.now();
    switch (message.type) {
      case "welcome":
        return this.#welcomed(message);
      case "access":
        return this.#options.onAccess?.(message.tunnelers);
      case "echo":
        return this.#echo(message.nonce, message.tunneler);
      case "identity":
        return this.#identity(message.chain.map(fromBase64Url), message.proof);
      case "trust":
        return this.#trust(message);
      case "renewed":
        return this.#renewed(message);
      case "close":
        return this.end(isErrorCode(message.code) ? message.code : "node_closed");
      default:
        return message satisfies never;
    }
  }

  #welcomed(message: Extract<HostMessage, { type: "welcome" }>): void {
    if (this.#welcome !== undefined || message.protocol !== nodeProtocolVersion) throw unexpected();
    const { identity, onWelcome, onAccess } = this.#options;
    this.#welcome = message;
    // Renewed while this channel was being made, or later: the host learns of each new certificate.
    const show = () => this.#send(identityMessage(identity.credentials, message.nonce));
    this.#forget = identity.onCredentials(show);
    if (identity.credentials !== this.#credentials) show();
    onWelcome?.();
    onAccess?.(message.tunnelers);
    this.#deadline(message.offline_ms);
    this.#beat();
  }

  /** The next heartbeat has news, and is early: by a second after the last one where it names few. */
  tellSoon(): void {
    if (this.#ended !== undefined || this.#welcome === undefined) return;
    const { clock, tunnelers } = this.#options;
    const restMs = Math.max(soonMs, soonMsEach * (tunnelers?.().length ?? 0));
    this.#cancelBeat();
    const atMs = this.#beatAtMs + Math.min(restMs, this.#welcome.heartbeat_ms);
    this.#cancelBeat = clock.schedule(Math.max(clock.now(), atMs), () => this.#beat());
  }

  #beat(): void {
    const { clock, tunnelers, refusals, onHeartbeat } = this.#options;
    this.#beatAtMs = clock.now();
    const refused = refusals?.() ?? [];
    if (refused.length > 0) this.#send({ type: "refused", refusals: refused.map((one) => ({ ...one })) });
    const { heartbeat_ms } = this.#welcome!;
    this.#cancelBeat = clock.schedule(clock.now() + heartbeat_ms, () => this.#beat());
    this.#frames.write({
      type: "heartbeat",
      seq: ++this.#sequence,
      ...this.#facts(),
      tunnelers: [...tunnelers?.() ?? []],
    }).then(() => onHeartbeat?.("ok"), (error) => {
      onHeartbeat?.(codeOf(error));
      this.end(codeOf(error));
    });
  }

  #echo(nonce: string, tunneler: string | undefined): void {
    if (this.#welcome === undefined) throw unexpected();
    if (tunneler !== undefined) return this.#options.onTunnelerEcho?.(tunneler, nonce);
    this.#lastEchoAtMs = this.#options.clock.now();
    this.#send({ type: "echo", nonce });
  }

  /** Each bundle by the one before. What is wrong ends the channel: another host may have it right. */
  #trust({ trust_bundles: documents, revocations }: TrustMessage): void {
    const { identity, clock } = this.#options;
    takeTrust(identity, documents, revocations, clock.wall());
  }

  #identity(chain: readonly Uint8Array[], proof: string): void {
    checkIdentityProof(chain[0], this.#nonce, proof);
    this.#watch?.renew(chain);
  }

  #renewed({ chain, code }: Extract<HostMessage, { type: "renewed" }>): void {
    if (chain !== undefined) return this.#renewal?.resolve(chain.map(fromBase64Url));
    this.#renewal?.reject(
      new PosternError("node_renewal_refused", "Cannot renew the certificate: the host refuses", {
        detail: { reason: code ?? "unknown" },
      }),
    );
  }

  #facts() {
    const { facts: { version, privateIp }, identity } = this.#options;
    return {
      version,
      ...(privateIp === undefined ? {} : { private_ip: privateIp }),
      bundle_version: identity.trust.bundle.version,
    };
  }

  #send(message: CallerMessage): void {
    if (this.#ended !== undefined) return;
    this.#frames.write(message).catch((error) => this.end(codeOf(error)));
  }

  /** The host answers each heartbeat by an echo: silence for so long is its end. */
  #deadline(afterMs: number): void {
    const { clock } = this.#options;
    this.#cancelDeadline();
    this.#cancelDeadline = clock.schedule(this.#heardAtMs + afterMs, () => {
      if (clock.now() - this.#heardAtMs < afterMs) return this.#deadline(afterMs);
      this.end(this.#welcome === undefined ? "node_hello_timeout" : "node_heartbeat_timeout");
    });
  }
}

function unexpected(): PosternError {
  return new PosternError(
    "node_message_unexpected",
    "Cannot go on with the host: its message is none, or out of turn",
  );
}
