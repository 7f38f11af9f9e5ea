/**
 * The host's end of one channel: control's with a node, or a connector's with a tunneler.
 *
 * ```
 *   handshaked -- hello --> established -- nothing heard for 30 s, refused, replaced, broken --> closed
 * ```
 */
import { fromBase64Url, toBase64Url } from "../bytes/mod.ts";
import {
  type ExpectedPeer,
  type MutualTlsConnection,
  type NodeIdentity,
  type WatchedPeer,
  watchPeer,
} from "../driver/tls/mod.ts";
import { codeOf, PosternError } from "../errors/mod.ts";
import type { VerifiedPeer } from "../pki/mod.ts";
import type { Clock, Log, Random } from "../ports/mod.ts";
import { FrameStream } from "./frame_stream.ts";
import { checkIdentityProof, identityMessage } from "./identity_proof.ts";
import {
  type CallerMessage,
  type HostMessage,
  maxCallerFrameBytes,
  nodeProtocolVersion,
  readCallerMessage,
  type TunnelerReport,
} from "./messages.ts";
import type { NodeRefusal } from "./refusal_book.ts";

/** From the handshake to the hello. */
const helloTimeoutMs = 10_000;
/** Messages of one node in one heartbeat's time; a connector answers an echo for each tunneler. */
const maxMessagesPerHeartbeat = 600;
/** Echoes that wait for their answers. */
const maxEchoes = 512;

/** Times of a channel, milliseconds. */
export interface NodeTimes {
  readonly heartbeatMs: number;
  /** Without a heartbeat for so long a channel is over. */
  readonly offlineMs: number;
}

const nodeTimes: NodeTimes = Object.freeze({ heartbeatMs: 10_000, offlineMs: 30_000 });

/** What a node says of itself. */
export interface NodeFacts {
  readonly version: string;
  readonly privateIp?: string;
}

export interface HostedNodeOptions {
  readonly connection: MutualTlsConnection;
  readonly identity: NodeIdentity;
  readonly expected: ExpectedPeer;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly times?: NodeTimes;
  /** Who may come to this connector, for its welcome. */
  readonly tunnelersOf?: (peer: VerifiedPeer) => readonly string[];
  /** Once, when the node is established. */
  readonly onEstablished?: (node: HostedNode) => void;
  /** The node has proved the key of a renewed certificate: `peer` has it. */
  readonly onRenewed?: (node: HostedNode) => void;
  /** An echo of the node came back: it is online now. */
  readonly onEcho?: (node: HostedNode, facts: NodeFacts, rttMs: number) => void;
  /** An echo of one of its tunnelers came back by way of it. */
  readonly onTunnelerEcho?: (node: HostedNode, tunneler: TunnelerReport) => void;
  readonly onHeartbeat?: (node: HostedNode, bundleVersion: number) => void;
  /** Whom a connector refused since it told last. */
  readonly onRefusals?: (node: HostedNode, refusals: readonly NodeRefusal[]) => void;
  /** An echo that was relayed to this node came back: the nonce is the one of {@link HostedNode.relayEcho}. */
  readonly onRelayedEcho?: (node: HostedNode, nonce: string) => void;
  /** Certifies the key of a request, DER; absent: this host does not renew. */
  readonly renew?: (peer: VerifiedPeer, csr: Uint8Array) => Promise<readonly Uint8Array[]>;
  /** The result of each renewal: of a certificate shown, or of one asked for. */
  readonly onRenewal?: (result: string) => void;
}

interface PendingEcho {
  readonly sentAtMs: number;
  readonly facts: NodeFacts;
  readonly tunneler?: TunnelerReport;
}

export class HostedNode {
  readonly #options: HostedNodeOptions;
  readonly #frames: FrameStream;
  readonly #nonce: string;
  readonly #times: NodeTimes;
  readonly #echoes = new Map<string, PendingEcho>();
  readonly #relayed = new Set<string>();
  #watch: WatchedPeer | undefined;
  #facts: NodeFacts | undefined;
  #bundleVersion = 0;
  #heardAtMs: number;
  #messages = 0;
  #windowAtMs: number;
  #cancel = () => {};
  #forget: () => void = () => {};
  #ended: string | undefined;
  #told: Promise<void> = Promise.resolve();
  #lastEchoAtMs: number | undefined;

  constructor(options: HostedNodeOptions) {
    this.#options = options;
    this.#times = options.times ?? nodeTimes;
    this.#frames = new FrameStream(options.connection.stream, maxCallerFrameBytes);
    this.#nonce = toBase64Url(options.random(32));
    this.#heardAtMs = this.#windowAtMs = options.clock.now();
  }

  /** As it was judged last. */
  get peer(): VerifiedPeer {
    return this.#watch?.peer ?? this.#options.connection.peer;
  }

  /** What it said of itself last. */
  get facts(): NodeFacts | undefined {
    return this.#facts;
  }

  /** Of the trust bundle that it holds, as it says. */
  get bundleVersion(): number {
    return this.#bundleVersion;
  }

  /** Whether it was revoked, and has only the time that its open work may take. */
  get isDraining(): boolean {
    return this.#watch?.isDraining ?? false;
  }

  /** Whether an echo came back, and within the time of a channel. */
  get isOnline(): boolean {
    const at = this.#lastEchoAtMs;
    return this.#ended === undefined && at !== undefined &&
      this.#options.clock.now() - at < this.#times.offlineMs;
  }

  /** Serves the channel until it is over; never rejects. Resolves with the code of its end, `ok` for an orderly one. */
  async serve(): Promise<string> {
    const { connection, identity, expected, clock } = this.#options;
    try {
      this.#watch = watchPeer({
        identity,
        clock,
        connection,
        expected,
        usage: "client",
        onRefused: (error) => this.end(codeOf(error)),
      });
      // What was judged in the handshake may have changed before the watch began.
      this.#watch.renew(connection.chain);
      this.#arm(helloTimeoutMs);
      await this.#hello();
      for (let value = await this.#frames.read(); value !== undefined; value = await this.#frames.read()) {
        await this.#take(value);
      }
      this.end("ok");
    } catch (error) {
      this.end(codeOf(error));
    }
    return this.#ended ?? "ok";
  }

  /** Ends the channel and tells the node why. Idempotent. */
  end(code: string): void {
    if (this.#ended !== undefined) return;
    this.#ended = code;
    this.#cancel();
    this.#forget();
    this.#watch?.end();
    const { clock } = this.#options;
    // A peer that does not read is not waited for.
    const cancel = clock.schedule(clock.now() + 1_000, () => this.#frames.close());
    const told = code === "ok" ? Promise.resolve() : this.#frames.write({ type: "close", code });
    this.#told = told.catch(() => {}).finally(() => {
      cancel();
      this.#frames.close();
    });
  }

  /** What is expected of it may have changed. */
  judge(): void {
    this.#watch?.judge();
  }

  /** When its channel was ended: resolves when it was told, or does not listen. */
  get told(): Promise<void> {
    return this.#told;
  }

  /** Sends it a message; a channel that cannot take it is over. */
  send(message: HostMessage): void {
    if (this.#ended !== undefined) return;
    this.#frames.write(message).catch((error) => this.end(codeOf(error)));
  }

  /** An echo of somebody else, to be answered with the same nonce. */
  relayEcho(nonce: string): void {
    if (this.#relayed.size >= maxEchoes) return;
    this.#relayed.add(nonce);
    this.send({ type: "echo", nonce });
  }

  async #hello(): Promise<void> {
    const { identity, tunnelersOf, onEstablished } = this.#options;
    const message = readCallerMessage(await this.#frames.read());
    if (message?.type !== "hello") throw unexpected();
    if (message.protocol !== nodeProtocolVersion) {
      throw new PosternError(
        "node_protocol_unknown",
        "Cannot serve the node: it speaks another protocol version",
      );
    }
    this.#note(message);
    await this.#frames.write({
      type: "welcome",
      protocol: nodeProtocolVersion,
      nonce: this.#nonce,
      heartbeat_ms: this.#times.heartbeatMs,
      offline_ms: this.#times.offlineMs,
      tunnelers: [...tunnelersOf?.(this.peer) ?? []],
    });
    const { nonce } = message;
    this.#forget = identity.onCredentials(() => this.send(identityMessage(identity.credentials, nonce)));
    this.#heard();
    onEstablished?.(this);
  }

  async #take(value: unknown): Promise<void> {
    const message = readCallerMessage(value);
    if (message === undefined) throw unexpected();
    this.#count();
    switch (message.type) {
      case "hello":
        throw unexpected();
      case "heartbeat":
        return this.#heartbeat(message);
      case "echo":
        return this.#answered(message.nonce, message.tunneler);
      case "identity":
        return this.#identity(message.chain.map(fromBase64Url), message.proof);
      case "renew":
        return await this.#renew(fromBase64Url(message.csr));
      case "refused":
        return this.#options.onRefusals?.(this, message.refusals);
      case "close":
        return this.end("ok");
      default:
        return message satisfies never;
    }
  }

  #heartbeat(message: Extract<CallerMessage, { type: "heartbeat" }>): void {
    this.#heard();
    const facts = this.#note(message);
    const sentAtMs = this.#options.clock.now();
    this.#echo({ sentAtMs, facts });
    for (const tunneler of message.tunnelers) this.#echo({ sentAtMs, facts, tunneler });
    this.#options.onHeartbeat?.(this, message.bundle_version);
  }

  #note(said: { version: string; private_ip?: string | undefined; bundle_version: number }): NodeFacts {
    this.#bundleVersion = said.bundle_version;
    return this.#facts = {
      version: said.version,
      ...(said.private_ip === undefined ? {} : { privateIp: said.private_ip }),
    };
  }

  #echo(pending: PendingEcho): void {
    const { offlineMs } = this.#times;
    for (const [nonce, { sentAtMs }] of this.#echoes) {
      if (pending.sentAtMs - sentAtMs < offlineMs) break;
      this.#echoes.delete(nonce);
    }
    if (this.#echoes.size >= maxEchoes) return;
    const nonce = toBase64Url(this.#options.random(12));
    this.#echoes.set(nonce, pending);
    this.send({ type: "echo", nonce, ...(pending.tunneler && { tunneler: pending.tunneler.id }) });
  }

  /** Only what was asked counts: nobody is online by talking. */
  #answered(nonce: string, tunneler: string | undefined): void {
    const { clock, onEcho, onTunnelerEcho, onRelayedEcho } = this.#options;
    if (this.#relayed.delete(nonce)) return onRelayedEcho?.(this, nonce);
    const pending = this.#echoes.get(nonce);
    if (pending === undefined || pending.tunneler?.id !== tunneler) return;
    this.#echoes.delete(nonce);
    if (pending.tunneler !== undefined) return onTunnelerEcho?.(this, pending.tunneler);
    this.#lastEchoAtMs = clock.now();
    onEcho?.(this, pending.facts, clock.now() - pending.sentAtMs);
  }

  #identity(chain: readonly Uint8Array[], proof: string): void {
    try {
      checkIdentityProof(chain[0], this.#nonce, proof);
      this.#watch?.renew(chain);
    } catch (error) {
      this.#options.onRenewal?.(codeOf(error));
      throw error;
    }
    this.#options.onRenewal?.("ok");
    this.#options.onRenewed?.(this);
  }

  async #renew(csr: Uint8Array): Promise<void> {
    const { renew, onRenewal, log } = this.#options;
    try {
      if (renew === undefined) {
        throw new PosternError("node_renewal_unavailable", "Cannot renew the certificate: not of this host");
      }
      const chain = await renew(this.peer, csr);
      this.send({ type: "renewed", chain: chain.map(toBase64Url) });
    } catch (error) {
      onRenewal?.(codeOf(error));
      log("warn", "node certificate not renewed", { node: this.peer.spiffeId, code: codeOf(error) });
      this.send({ type: "renewed", code: codeOf(error) });
    }
  }

  #count(): void {
    const nowMs = this.#options.clock.now();
    if (nowMs - this.#windowAtMs >= this.#times.heartbeatMs) {
      this.#windowAtMs = nowMs;
      this.#messages = 0;
    }
    if (++this.#messages > maxMessagesPerHeartbeat) {
      throw new PosternError("node_flood", "Cannot serve the node: it sends too many messages");
    }
  }

  #heard(): void {
    this.#heardAtMs = this.#options.clock.now();
    this.#arm(this.#times.offlineMs);
  }

  #arm(afterMs: number): void {
    // What was on its way is read to its end.
    if (this.#ended !== undefined) return;
    const { clock } = this.#options;
    this.#cancel();
    this.#cancel = clock.schedule(
      this.#heardAtMs + afterMs,
      () => this.end(this.#facts === undefined ? "node_hello_timeout" : "node_heartbeat_timeout"),
    );
  }
}

function unexpected(): PosternError {
  return new PosternError(
    "node_message_unexpected",
    "Cannot serve the node: its message is none, or out of turn",
  );
}
