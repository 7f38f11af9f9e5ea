/**
 * Where agents come in: the edge's side of the attested handshake. Nothing is registered and no traffic flows before both
 * stages hold; what is unproven is bounded in number, bytes and time.
 */
import { codeOf, PosternError } from "../errors/mod.ts";
import {
  Channel,
  type ChannelLimits,
  HandshakeResponder,
  type Proof,
  type SuiteName,
} from "../channel/mod.ts";
import type { X25519KeyPair } from "../crypto/mod.ts";
import { acceptWebSocketStream, ChannelPump, type SocketReader, type WireBuffers } from "../driver/mod.ts";
import type { RequestHead } from "../http1/mod.ts";
import { matchStages, type Stage0Claims, type Stage1Claims } from "../identity/mod.ts";
import { networkOf, toBase64Url } from "../bytes/mod.ts";
import type { UnreadBudget } from "../mux/mod.ts";
import type { ByteStream, Revised } from "../ports/mod.ts";
import { AgentSession } from "./agent_session.ts";
import { TrustedProxies, withoutPort } from "./client_ip.ts";
import { ConnectionLimits } from "./connection_limits.ts";
import type { EdgeContext } from "./context.ts";

/** How the gate judges tokens; composed from identity and store. */
export interface TokenGate {
  /** Signature, audience, times. @throws PosternError `token_*` */
  verifyStage0(token: string): Promise<Stage0Claims>;
  verifyStage1(token: string): Promise<Stage1Claims>;
  /** Owner of the token's tunnel; undefined when it is anonymous or gone. */
  ownerOf(claims: Stage0Claims): Promise<string | undefined>;
  /** Spends the stage 0 token. @throws PosternError `token_replayed`, `replay_cache_full`, `tunnel_deleted`, `token_revoked` */
  spend(claims: Stage0Claims): Promise<void>;
  /**
   * The rules that the tunnel has now.
   * @param issuedAt of the stage 0 token, Unix seconds. @throws PosternError `tunnel_deleted`, `token_revoked`
   */
  checkTunnel(tunnelId: string, issuedAt: number): Promise<Revised<string> | undefined>;
}

export interface AgentGateOptions {
  readonly context: EdgeContext;
  readonly tokens: TokenGate;
  readonly buffers: WireBuffers;
  readonly edgeStatic: X25519KeyPair;
  readonly edgeId: string;
  readonly version: string;
  readonly limits: ChannelLimits;
  /** The bound on unread bytes of all channels. */
  readonly unread?: UnreadBudget;
  readonly suites: readonly SuiteName[];
  /** Public URLs of a session's services. */
  readonly urls: (claims: Stage1Claims) => string[];
  /**
   * Opens public ports; called before the agent is told that it is ready.
   * @throws PosternError `tcp_port_unavailable`, `udp_port_unavailable`
   */
  readonly openPorts: (session: AgentSession) => void;
  /** The session takes no new streams; may be told more than once. */
  readonly onRetired: (session: AgentSession) => void;
}

/** Channels of one network that may be unproven: so that nobody keeps all others' agents out alone. */
const MAX_UNPROVEN_PER_NETWORK = 64;

export class AgentGate {
  readonly #options: AgentGateOptions;
  readonly #context: EdgeContext;
  readonly #unproven: ConnectionLimits;
  readonly #proxies: TrustedProxies;
  /** Channels by owner, from their stage 0 token on. */
  readonly #owners = new Map<string, number>();
  #closed = false;

  constructor(options: AgentGateOptions) {
    this.#options = options;
    this.#context = options.context;
    const { limits, trustedProxies } = options.context.config;
    const max = limits.maxUnauthenticatedChannels;
    this.#unproven = new ConnectionLimits(max, Math.min(max, MAX_UNPROVEN_PER_NETWORK));
    this.#proxies = new TrustedProxies(trustedProxies);
  }

  /** Takes no further agents. */
  close(): void {
    this.#closed = true;
  }

  /** Serves one carrier until it ends. @throws PosternError before the upgrade was granted */
  async accept(socket: ByteStream, reader: SocketReader, head: RequestHead): Promise<void> {
    const { config, sessions } = this.#context;
    if (this.#closed) throw new PosternError("peer_draining");
    if (sessions.size >= config.limits.maxAgents) throw new PosternError("agent_limit");
    const proven = this.#enter(socket.remoteAddress);
    try {
      const { core } = this.#options.buffers;
      const connection = await acceptWebSocketStream(
        socket,
        {
          method: head.method,
          httpVersion: `1.${head.minor}`,
          header: (name) => head.headers.has(name) ? head.headers.getAll(name).join(", ") : null,
        },
        reader.buffer.slice(reader.start, reader.end),
        {
          clock: this.#context.clock,
          mask: (_buffer, start, end, key) => core.mask(start, end - start, key),
        },
      );
      reader.take(reader.available);
      await this.#serve(connection, proven);
    } finally {
      proven();
    }
  }

  /** Counts one more that is unproven; the result takes it back, once. @throws PosternError `agent_limit` */
  #enter(remoteAddress: string): () => void {
    try {
      return this.#unproven.enter(this.#placeOf(remoteAddress));
    } catch (cause) {
      throw new PosternError("agent_limit", undefined, { cause });
    }
  }

  async #serve(
    connection: Awaited<ReturnType<typeof acceptWebSocketStream>>,
    proven: () => void,
  ): Promise<void> {
    const { context, buffers, edgeStatic, suites, limits, edgeId, version } = this.#options;
    const { clock, metrics, log } = context;
    const startedAt = clock.now();
    const pump = new ChannelPump({ ...connection, buffers, clock });
    let stage0: Stage0Claims | undefined;
    let challengedAt = 0;
    let session: AgentSession | undefined;
    let leaveOwner = () => {};
    const channel: Channel = new Channel({
      role: {
        side: "responder",
        handshake: new HandshakeResponder({ edgeStatic, allowedSuites: suites, random: context.random }),
        edgeId,
        version,
      },
      core: buffers.core,
      unread: this.#options.unread,
      limits,
      events: {
        wake: pump.wake,
        onState: (state, before) => {
          if (before !== "idle") metrics.channelState.dec({ state: before });
          if (state !== "closed" && state !== "failed") metrics.channelState.inc({ state });
          if (session !== undefined && state !== "established") {
            context.sessions.retire(session);
            this.#options.onRetired(session);
          }
        },
        onStage0: (token) =>
          this.#judge(channel, async () => {
            stage0 = await this.#stage0(
              token,
              connection.stream.remoteAddress,
              (leave) => leaveOwner = leave,
            );
            challengedAt = clock.now();
            channel.challenge(challengedAt);
          }),
        onProof: (proof) =>
          this.#judge(channel, async () => {
            if (clock.now() - challengedAt > stage0!.handshake_max_age_seconds * 1_000) {
              throw new PosternError("session_nonce_expired");
            }
            await this.#prove(channel, pump, stage0!, proof, connection.stream.remoteAddress, (proved) => {
              session = proved; // before anything can end it
              proven();
              metrics.handshakes.inc({ result: "ok", code: "none" });
              metrics.handshakeSeconds.observe((clock.now() - startedAt) / 1_000);
              metrics.channels.inc({ role: "edge" });
            });
          }),
        onOpen: () => "class_denied",
        onRekey: () => metrics.rekeys.inc(),
        onGoaway: (reason) => metrics.drains.inc({ reason }),
        onEcho: (rttMs) => {
          metrics.heartbeatRttSeconds.observe(rttMs / 1_000);
          if (session === undefined) return;
          const first = session.lastEchoAt === 0;
          session.lastEchoAt = clock.wall();
          if (first) this.#online(session);
        },
        onEnd: (error) => {
          leaveOwner();
          const fields = {
            session_id: session?.id,
            tunnel_id: stage0?.sub,
            remote: connection.stream.remoteAddress,
            code: error?.code,
          };
          if (session !== undefined) {
            context.sessions.remove(session);
            metrics.channels.dec({ role: "edge" });
          } else metrics.handshakes.inc({ result: "refused", code: error?.code ?? "none" });
          if (error !== undefined) metrics.refusals.inc({ code: error.code, layer: "channel" });
          log(error === undefined ? "info" : "warn", "channel ended", fields);
        },
      },
    });
    await pump.run(channel, connection.leftover);
  }

  /** Runs a judgement; what it throws is what the agent is refused with. */
  async #judge(channel: Channel, judgement: () => Promise<void>): Promise<void> {
    try {
      await judgement();
    } catch (error) {
      const refusal = error instanceof PosternError
        ? error
        : new PosternError("internal_error", undefined, { cause: error });
      this.#context.log(refusal.code === "internal_error" ? "error" : "warn", "agent refused", {
        code: refusal.code,
        cause: refusal.code === "internal_error" && error instanceof Error ? error.stack : undefined,
      });
      channel.refuse(refusal, this.#context.clock.now());
    }
  }

  /** Everything that does not spend the token comes first. */
  async #stage0(
    token: string,
    remoteAddress: string,
    onCounted: (leave: () => void) => void,
  ): Promise<Stage0Claims> {
    const claims = await this.#options.tokens.verifyStage0(token).catch((error) =>
      this.#refusedToken("stage0", error)
    );
    if (this.#context.sessions.size >= this.#context.config.limits.maxAgents) {
      throw new PosternError("agent_limit");
    }
    const owner = await this.#options.tokens.ownerOf(claims);
    onCounted(this.#countOwner(owner === undefined ? this.#placeOf(remoteAddress) : `owner ${owner}`));
    await this.#options.tokens.spend(claims).catch((error) => this.#refusedToken("stage0", error));
    return claims;
  }

  /** Counts one more channel of an owner; the result takes it back. @throws PosternError `owner_agent_limit` */
  #countOwner(owner: string): () => void {
    const count = this.#owners.get(owner) ?? 0;
    if (count >= this.#context.config.limits.maxAgentsPerOwner) {
      throw new PosternError(
        "owner_agent_limit",
        "Cannot admit agent: its owner has as many as it may have",
        {
          detail: { agents: count },
        },
      );
    }
    this.#owners.set(owner, count + 1);
    return () => {
      const rest = this.#owners.get(owner)! - 1;
      if (rest === 0) this.#owners.delete(owner);
      else this.#owners.set(owner, rest);
    };
  }

  /** Where somebody without an account comes from: its network, or itself alone behind a proxy, which stands for many. */
  #placeOf(remoteAddress: string): string {
    const ip = withoutPort(remoteAddress);
    return this.#proxies.trusts(ip) ? remoteAddress : networkOf(ip);
  }

  async #prove(
    channel: Channel,
    pump: ChannelPump,
    stage0: Stage0Claims,
    proof: Proof,
    remoteAddress: string,
    onProven: (session: AgentSession) => void,
  ): Promise<void> {
    const { context, tokens, urls, openPorts } = this.#options;
    const { clock, sessions, config, log } = context;
    const claims = await tokens.verifyStage1(proof.token).catch((error) =>
      this.#refusedToken("stage1", error)
    );
    matchStages(stage0, claims, proof);
    sessions.checkReplacement(claims.sub, claims.agent_id, proof.carrier?.index);
    if (channel.state !== "authorizing") throw new PosternError("channel_closed");
    const session = new AgentSession({
      id: toBase64Url(context.random(12)),
      claims,
      channel,
      pump,
      since: clock.wall(),
      remoteAddress,
      carrier: proof.carrier,
    });
    openPorts(session);
    onProven(session);
    sessions.add(session, proof.replaces, config.drainTimeoutMs);
    // The tokens may be older than the deletion of their tunnel. Whoever deletes it from now on finds the session.
    session.guard = context.guards.put(claims.sub, await tokens.checkTunnel(claims.sub, stage0.iat));
    if (channel.state !== "authorizing") throw new PosternError("channel_closed");
    channel.accept({
      type: "ready",
      session_id: session.id,
      services: [{ id: 0, urls: urls(claims) }],
      heartbeat_ms: config.heartbeat.intervalMs,
      offline_ms: config.heartbeat.offlineMs,
    }, clock.now());
    log("info", "channel established", {
      session_id: session.id,
      tunnel_id: session.tunnelId,
      agent_id: session.agentId,
      tier: claims.tier,
      remote: remoteAddress,
    });
  }

  #online(session: AgentSession): void {
    this.#context.sessions.online(session);
    const { hostnames, tls_hostnames, tcp_ports, udp_ports } = session.claims;
    this.#context.log("info", "service online", {
      session_id: session.id,
      tunnel_id: session.tunnelId,
      hosts: [...hostnames, ...tls_hostnames].join(",") || undefined,
      ports: tcp_ports.join(",") || undefined,
      udp_ports: udp_ports.join(",") || undefined,
    });
  }

  #refusedToken(kind: "stage0" | "stage1", error: unknown): never {
    this.#context.metrics.tokensRefused.inc({ kind, code: codeOf(error) });
    throw error;
  }
}
