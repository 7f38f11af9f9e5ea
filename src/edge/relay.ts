/**
 * Where endpoints of private channels come in: judged by their attach tokens, joined by channel id and role, and then passed
 * through unread. What is not attached yet is bounded in number, bytes and time.
 */
import { codeOf, PosternError } from "../errors/mod.ts";
import type { EdgeConfig } from "../config/mod.ts";
import { acceptWebSocketStream } from "../driver/mod.ts";
import type { AttachClaims } from "../identity/mod.ts";
import type { ByteStream, Clock, Log } from "../ports/mod.ts";
import {
  ATTACH_PATH,
  type AttachFacts,
  type AttachRecord,
  type ChannelView,
  Pairing,
  readAttach,
  reasonOf,
  RELAY_LIMITS,
  type RelayReason,
  relayRefusal,
} from "../relay/mod.ts";
import type { Metrics } from "../telemetry/mod.ts";
import { acceptWebSocket, createMask, type UpgradeRequestHead } from "../wire/websocket/mod.ts";
import { RelayBuffers } from "./relay_buffers.ts";
import { MAX_RELAYED_BYTES, RelayConnection } from "./relay_connection.ts";

/** What an edge does with endpoints of private channels: relays them, or hands them to whoever does. */
export interface EdgeRelay {
  readonly channels: readonly RelayedChannel[];
  /** What the tokens of those said that are attached, or about to. */
  readonly attached: readonly AttachClaims[];
  /** Serves one endpoint until its end. @throws PosternError before the upgrade was granted */
  accept(stream: ByteStream, request: AttachRequest): Promise<void>;
  /** Brings the gauges up to date. */
  observe(): void;
  /** Ends the channels that are for this owner or were asked for by it, or all: its tokens were revoked. */
  cutTenant(owner: string | undefined): void;
  /** Ends one channel: who it is for may not have it any more. */
  cutChannel(channelId: string): void;
  /** Ends the channels of a service: it was deleted, or may not be served any more. */
  cutTunnel(tunnelId: string): void;
  /** Ends the channels of a service that none of these agents serves: it demands a better kept key of them now. */
  cutUnlessServed(tunnelId: string, agentIds: ReadonlySet<string>): void;
  /**
   * Ends the channels of which a half was granted to this agent: its machine was revoked, or did not prove itself for this
   * tunnel. What it asked for goes with that, and of what it serves only this tunnel's.
   */
  cutAgent(agentId: string, tunnelId?: string): void;
  /** Takes nobody any more, and ends whoever waits. Pairs stay until {@link close}. */
  drain(): void;
  /** Ends all, with `draining`. */
  close(): void;
  /** Resolves when no connection is left. */
  closed(): Promise<void>;
}

/** How attach tokens are judged; composed from identity, grants and store. */
export interface AttachGate {
  /** Signature, audience, times. @throws PosternError `token_*` */
  verify(token: string): Promise<AttachClaims>;
  /** Whether its tenant, who asked, service and agent still may; also asked of channels that stand. @throws as `spend` */
  check(claims: AttachClaims): Promise<void>;
  /**
   * The same, and then single use. Fails closed.
   * @throws PosternError `token_replayed`, `token_revoked`, `machine_revoked`, `tunnel_deleted`, `private_service_unknown`, `attestation_failed`,
   * `tier_too_weak`, `replay_cache_full`, and what the store throws
   */
  spend(claims: AttachClaims): Promise<void>;
}

/** A request to attach, as its parser left it. */
export interface AttachRequest extends UpgradeRequestHead {
  readonly target: string;
  /** Values of a header, apart. */
  headers(name: string): readonly string[];
  /** Address of the endpoint, without port; behind a trusted proxy the one that it reports. */
  readonly ip: string;
  /** What came behind the head. */
  readonly leftover: Uint8Array;
}

export interface RelayGateOptions {
  readonly config: EdgeConfig["relay"];
  /** Which edge this is: grants lead both halves to one. */
  readonly edgeId: string;
  readonly attaches: AttachGate;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Pick<Metrics, "relay" | "refusals">;
  /** Told of refusals for tokens, for the audit log. */
  readonly onRefused?: (refusal: AttachRefusal) => void;
}

export interface AttachRefusal {
  readonly code: string;
  readonly reason: RelayReason;
  readonly remote: string;
  /** What a token said whose signature holds. */
  readonly claims: Pick<AttachClaims, "tenant" | "channel_id" | "role" | "jti"> | undefined;
}

/** A relayed channel, without anything of its content. */
export interface RelayedChannel extends ChannelView {
  readonly clientRemote: string | undefined;
  readonly serverRemote: string | undefined;
}

/** Time for one record to come in whole, once it has begun. */
const UNFINISHED_MS = 30_000;
/** How often unfinished records are looked for, and buffers without a use are let go. */
const SWEEP_MS = 5_000;

export class RelayGate implements EdgeRelay {
  readonly #options: RelayGateOptions;
  readonly #pairing: Pairing<RelayConnection>;
  readonly #buffers: RelayBuffers;
  readonly #connections = new Set<RelayConnection>();
  /** One for all: it keeps a view of the last buffer only. */
  readonly #mask = createMask();
  #armedAt = Infinity;
  #disarm = () => {};
  #sweepAt = Infinity;
  #onIdle: () => void = () => {};

  constructor(options: RelayGateOptions) {
    this.#options = options;
    const { config } = options;
    this.#pairing = new Pairing({
      ...RELAY_LIMITS,
      maxConnections: config.maxConnections,
      maxConnectionsPerAddress: config.maxConnectionsPerAddress,
      maxChannels: config.maxChannels,
      maxWaiting: config.maxWaiting,
      maxChannelsPerTenant: config.maxChannelsPerTenant,
      attachMs: config.attachMs,
      maxBytesPerChannel: config.maxChannelBytes,
      maxBytesPerTenant: config.maxTenantBytesPerHour,
    });
    this.#buffers = new RelayBuffers({
      maxBytes: config.maxBufferedBytes,
      maxTenantBytes: config.maxTenantBufferedBytes,
    });
  }

  /** Connections that are attached, or about to. */
  get size(): number {
    return this.#connections.size;
  }

  get channels(): RelayedChannel[] {
    const remotes = new Map<string, string>();
    for (const { claims, remoteAddress } of this.#connections) {
      if (claims !== undefined) remotes.set(`${claims.role} ${claims.channel_id}`, remoteAddress);
    }
    return this.#pairing.channels.map((view) => ({
      ...view,
      clientRemote: view.client ? remotes.get(`client ${view.channelId}`) : undefined,
      serverRemote: view.server ? remotes.get(`server ${view.channelId}`) : undefined,
    }));
  }

  get attached(): AttachClaims[] {
    return [...this.#connections].flatMap(({ claims }) => claims ?? []);
  }

  observe(): void {
    const { relay } = this.#options.metrics;
    const { connections, waiting, paired } = this.#pairing.counts;
    relay.connections.set(connections);
    relay.channels.set({ state: "waiting" }, waiting);
    relay.channels.set({ state: "paired" }, paired);
    relay.bufferedBytes.set(this.#buffers.held);
  }

  async accept(stream: ByteStream, request: AttachRequest): Promise<void> {
    const { clock } = this.#options;
    const connection = new RelayConnection({
      stream,
      clock,
      buffers: this.#buffers,
      pairing: this.#pairing,
      onPaired: (paired) => this.#paired(paired),
      onEnd: (ended, reason) => this.#ended(ended, reason),
      passed: this.#options.metrics.relay.bytes,
    });
    try {
      if (request.target !== ATTACH_PATH) throw relayRefusal("policy_denied");
      acceptWebSocket(request); // what is none costs nothing
      connection.half = this.#pairing.enter(connection, request.ip, clock.now());
    } catch (error) {
      this.#refused(connection, error);
      throw error;
    }
    this.#connections.add(connection);
    this.#rearm();
    try {
      const bearer = bearerOf(request);
      if (bearer !== undefined) await connection.unlessOver(this.#judged(connection, bearer));
      const { framing, leftover } = await acceptWebSocketStream(stream, request, request.leftover, {
        clock,
        mask: this.#mask,
        maxMessageBytes: MAX_RELAYED_BYTES,
      });
      connection.open(framing, leftover);
      if (bearer === undefined) {
        const record = readAttach(await connection.firstRecord());
        await connection.unlessOver(this.#judged(connection, record.token, record));
      }
      this.#seat(connection);
    } catch (error) {
      this.#refused(connection, error);
      connection.leave(reasonOf(error));
      this.#forget(connection);
      if (!connection.isOpen) throw error;
      return await connection.close();
    }
    try {
      await connection.run();
    } finally {
      this.#forget(connection);
    }
  }

  cutTenant(owner: string | undefined): void {
    this.#cut(({ tenant, requester }) => owner === undefined || tenant === owner || requester === owner);
  }

  cutChannel(channelId: string): void {
    this.#cut(({ channel_id }) => channel_id === channelId);
  }

  cutTunnel(tunnelId: string): void {
    this.#cut(({ tunnel_id }) => tunnel_id === tunnelId);
  }

  cutUnlessServed(tunnelId: string, agentIds: ReadonlySet<string>): void {
    this.#cut(({ tunnel_id, role, agent_id }) =>
      tunnel_id === tunnelId && role === "server" && (agent_id === undefined || !agentIds.has(agent_id))
    );
  }

  cutAgent(agentId: string, tunnelId?: string): void {
    this.#cut(({ agent_id, role, tunnel_id }) =>
      agent_id === agentId && (tunnelId === undefined || role === "client" || tunnel_id === tunnelId)
    );
  }

  /** Both halves of a channel hear why, whichever of them is meant. */
  #cut(isMeant: (claims: AttachClaims) => boolean): void {
    const channels = new Set<string>();
    for (const { claims } of this.#connections) {
      if (claims !== undefined && isMeant(claims)) channels.add(claims.channel_id);
    }
    if (channels.size > 0) this.#pairing.cut((_tenant, channelId) => channels.has(channelId), "revoked");
  }

  drain(): void {
    this.#pairing.drain();
  }

  close(): void {
    this.#pairing.close();
    this.#disarm();
  }

  async closed(): Promise<void> {
    if (this.#connections.size > 0) await new Promise<void>((resolve) => this.#onIdle = resolve);
  }

  /** Everything that does not spend the token comes first. */
  async #judge(connection: RelayConnection, token: string, record?: AttachRecord): Promise<void> {
    const { attaches, clock, edgeId } = this.#options;
    const claims = await attaches.verify(token);
    connection.claims = claims;
    if (record !== undefined && record.channel_id !== claims.channel_id) {
      throw relayRefusal("channel_mismatch");
    }
    if (record !== undefined && record.role !== claims.role) throw relayRefusal("role_mismatch");
    if ((claims.edge_id ?? edgeId) !== edgeId) throw relayRefusal("elsewhere");
    this.#rearm(); // its place may end before its connection's time does
    const reserved = this.#pairing.reserve(connection.half, factsOf(claims, clock), clock.now());
    if (!reserved) throw relayRefusal(connection.reason ?? "timeout");
    await attaches.spend(claims);
  }

  /** What is no fault of the endpoint or its token is one code for it; the log has the cause. */
  async #judged(connection: RelayConnection, token: string, record?: AttachRecord): Promise<void> {
    try {
      await this.#judge(connection, token, record);
    } catch (cause) {
      if (reasonOf(cause) !== "attach_failed") throw cause;
      throw new PosternError("relay_attach_failed", "Cannot attach: its token cannot be judged now", {
        cause,
      });
    }
  }

  #seat(connection: RelayConnection): void {
    const { metrics, log, clock } = this.#options;
    if (!this.#pairing.seat(connection.half, clock.now())) throw relayRefusal(connection.reason ?? "timeout");
    this.#rearm();
    const { channel_id, role, tenant, jti } = connection.claims!;
    metrics.relay.attaches.inc({ result: "ok", reason: "none" });
    log("info", "relay attached", {
      channel_id,
      role,
      tenant,
      token_id: jti,
      remote: connection.remoteAddress,
    });
  }

  #paired(connection: RelayConnection): void {
    const { metrics, clock } = this.#options;
    // Told to both: the one that came first waited.
    if (connection.claims!.role !== "client") return;
    metrics.relay.pairSeconds.observe((clock.now() - connection.since) / 1_000);
  }

  #ended(connection: RelayConnection, reason: RelayReason): void {
    const { metrics, log } = this.#options;
    metrics.relay.ends.inc({ reason });
    if (!connection.wasSeated) return;
    const { channel_id, role, tenant } = connection.claims!;
    log(reason === "peer_closed" || reason === "canceled" ? "info" : "warn", "relay ended", {
      channel_id,
      role,
      tenant,
      reason,
      bytes: connection.half.bytes,
      remote: connection.remoteAddress,
    });
  }

  #refused(connection: RelayConnection, error: unknown): void {
    const { metrics, log, onRefused } = this.#options;
    const code = codeOf(error);
    const reason = reasonOf(error);
    const { claims, remoteAddress: remote } = connection;
    metrics.relay.attaches.inc({ result: "refused", reason });
    metrics.refusals.inc({ code, layer: "relay" });
    log(code === "internal_error" ? "error" : "info", "relay attach refused", {
      reason,
      code,
      remote,
      channel_id: claims?.channel_id,
      role: claims?.role,
      tenant: claims?.tenant,
      token_id: claims?.jti,
      limit: error instanceof PosternError ? error.detail.limit : undefined,
      cause: causeOf(error),
    });
    onRefused?.({ code, reason, remote, claims });
  }

  #forget(connection: RelayConnection): void {
    this.#connections.delete(connection);
    if (this.#connections.size === 0) this.#onIdle();
  }

  /** One timer for all that ends by itself. */
  #rearm(): void {
    const { clock } = this.#options;
    if (this.#sweepAt === Infinity && this.#connections.size > 0) this.#sweepAt = clock.now() + SWEEP_MS;
    const at = Math.min(this.#pairing.deadline, this.#sweepAt);
    if (at >= this.#armedAt) return;
    this.#disarm();
    this.#armedAt = at;
    this.#disarm = clock.schedule(at, () => {
      this.#armedAt = Infinity;
      const now = clock.now();
      if (now >= this.#pairing.deadline) this.#pairing.timeout(now);
      if (now >= this.#sweepAt) this.#sweep(now);
      this.#rearm();
    });
  }

  /** Nobody holds a buffer by beginning a record and leaving it unfinished. */
  #sweep(now: number): void {
    this.#sweepAt = Infinity;
    this.#buffers.trim();
    for (const connection of [...this.#connections]) {
      if (now - connection.unfinishedSince >= UNFINISHED_MS) connection.leave("timeout");
    }
  }
}

/** What the endpoint is not told. */
function causeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || error.cause === undefined && error instanceof PosternError) {
    return undefined;
  }
  const { cause = error } = error;
  if (cause instanceof PosternError) return cause.code;
  return cause instanceof Error ? cause.stack : String(cause);
}

function factsOf(claims: AttachClaims, clock: Clock): AttachFacts {
  const { channel_id, role, tenant, init_exp, idle_timeout } = claims;
  return {
    channelId: channel_id,
    role,
    tenant,
    initExp: init_exp,
    initEndsAt: clock.now() + init_exp * 1_000 - clock.wall(),
    idleTimeoutMs: idle_timeout * 1_000,
  };
}

/** Whether a request is for the relay, with or without what does not belong behind the path. */
export function isAttach(target: string): boolean {
  if (!target.startsWith(ATTACH_PATH)) return false;
  const next = target[ATTACH_PATH.length];
  return next === undefined || next === "?" || next === "/" || next === ";" || next === "#";
}

/** The token in the header, when there is one (RFC 6750 2.1). @throws PosternError `relay_attach_invalid` */
function bearerOf(request: AttachRequest): string | undefined {
  const values = request.headers("authorization");
  if (values.length === 0) return undefined;
  const token = values.length > 1 ? undefined : /^bearer +([A-Za-z0-9._~+/=-]+)$/i.exec(values[0])?.[1];
  if (token !== undefined) return token;
  throw relayRefusal("invalid_attach", "Cannot attach: its Authorization header is not one bearer token");
}
