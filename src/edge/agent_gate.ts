/**
 * Where agents come in: the edge's side of the attested handshake. Nothing is registered and no traffic flows before both
 * stages hold; what is unproven is bounded in number, bytes and time.
 */
import { networkOf, toBase64Url } from "../bytes/mod.ts";
import {
  Channel,
  type ChannelLimits,
  HandshakeResponder,
  isTerminal,
  type Proof,
  type SuiteName,
  takesNewStreams,
} from "../channel/mod.ts";
import type { X25519KeyPair } from "../crypto/mod.ts";
import { acceptWebSocketStream, ChannelPump, type SocketReader, type WireBuffers } from "../driver/mod.ts";
import { PosternError } from "../errors/mod.ts";
import type { RequestHead } from "../http1/mod.ts";
import { matchStages, type Stage0Claims, type Stage1Claims } from "../identity/mod.ts";
import type { UnreadBudget } from "../mux/mod.ts";
import type { ByteStream } from "../ports/mod.ts";
import type { AgentRegistry } from "./agent_registry.ts";
import { AgentSession } from "./agent_session.ts";
import { TrustedProxies, withoutPort } from "./client_ip.ts";
import { ConnectionLimits } from "./connection_limits.ts";
import type { EdgeContext } from "./context.ts";
import { Reauthentication } from "./reauthentication.ts";
import { SessionOffers } from "./session_offers.ts";

export interface AgentGateOptions {
  readonly context: EdgeContext;
  readonly registry: AgentRegistry;
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
}

/** Channels of one network that may be unproven: so that nobody keeps all others' agents out alone. */
const MAX_UNPROVEN_PER_NETWORK = 64;

export class AgentGate {
  readonly #options: AgentGateOptions;
  readonly #context: EdgeContext;
  readonly #unproven: ConnectionLimits;
  readonly #proxies: TrustedProxies;
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
    const { context, registry, buffers, edgeStatic, suites, limits, edgeId, version } = this.#options;
    const { clock, metrics, log } = context;
    const startedAt = clock.now();
    const pump = new ChannelPump({ ...connection, buffers, clock });
    let stage0: Stage0Claims | undefined;
    let challengedAt = 0;
    let session: AgentSession | undefined;
    let offers: SessionOffers | undefined;
    let reauthentication: Reauthentication | undefined;
    let isProven = false;
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
          if (session !== undefined && !takesNewStreams(state)) registry.retired(session);
        },
        onStage0: (token) =>
          this.#judge(channel, "0", async () => {
            const admitted = await registry.admit(token, this.#placeOf(connection.stream.remoteAddress));
            if (isTerminal(channel.state)) return admitted.leave();
            leaveOwner = admitted.leave;
            stage0 = admitted.claims;
            challengedAt = clock.now();
            channel.challenge(challengedAt);
          }),
        onProof: (proof) =>
          this.#judge(channel, "1", async () => {
            if (clock.now() - challengedAt > stage0!.handshake_max_age_seconds * 1_000) {
              throw new PosternError("session_nonce_expired");
            }
            await this.#prove(channel, pump, stage0!, proof, connection.stream.remoteAddress, {
              named: (named, keeper) => { // before anything can end it
                [session, reauthentication] = [named, keeper];
                named.offers = offers = new SessionOffers(channel, clock);
              },
              proven: () => {
                isProven = true;
                proven();
                metrics.handshakes.inc({ result: "ok", code: "none" });
                metrics.handshakeSeconds.observe((clock.now() - startedAt) / 1_000);
                metrics.channels.inc({ role: "edge", tier: session!.claims.tier });
              },
            });
          }),
        onReauthProof: (proof) => void reauthentication!.proved(proof),
        onOfferAnswer: (offer, answer) => offers?.answered(offer, answer),
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
            tier: session?.claims.tier,
            remote: connection.stream.remoteAddress,
            code: error?.code,
          };
          void reauthentication?.ended(error);
          offers?.ended();
          if (session !== undefined) registry.gone(session);
          if (isProven) metrics.channels.dec({ role: "edge", tier: session!.claims.tier });
          else metrics.handshakes.inc({ result: "refused", code: error?.code ?? "none" });
          if (error !== undefined) metrics.refusals.inc({ code: error.code, layer: "channel" });
          log(error === undefined ? "info" : "warn", "channel ended", fields);
        },
      },
    });
    await pump.run(channel, connection.leftover);
  }

  /** Runs a judgement; what it throws is what the agent is refused with. */
  async #judge(channel: Channel, stage: "0" | "1", judgement: () => Promise<void>): Promise<void> {
    const { handshakeStages } = this.#context.metrics;
    try {
      await judgement();
      handshakeStages.inc({ stage, result: "ok", code: "none" });
    } catch (error) {
      const refusal = error instanceof PosternError
        ? error
        : new PosternError("internal_error", undefined, { cause: error });
      handshakeStages.inc({ stage, result: "refused", code: refusal.code });
      this.#context.log(refusal.code === "internal_error" ? "error" : "warn", "agent refused", {
        stage,
        code: refusal.code,
        port: refusal.detail.port,
        claim: refusal.detail.claim,
        reason: refusal.detail.reason ?? refusal.detail.route ?? refusal.detail.hostname,
        cause: refusal.code === "internal_error" && error instanceof Error ? error.stack : undefined,
      });
      channel.refuse(refusal, this.#context.clock.now());
    }
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
    tell: { named: (session: AgentSession, reauthentication: Reauthentication) => void; proven: () => void },
  ): Promise<void> {
    const { context, registry, urls } = this.#options;
    const { clock, config, log } = context;
    const claims = await registry.verifyStage1(proof.token);
    matchStages(stage0, claims, proof);
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
    const reauthentication = new Reauthentication({ session, channel, context, registry });
    session.reauthentication = reauthentication;
    tell.named(session, reauthentication);
    const rules = await registry.register(session, { replaces: proof.replaces, issuedAt: stage0.iat });
    session.guard = context.guards.put(claims.sub, rules);
    const reauthMs = await reauthentication.begin();
    if (channel.state !== "authorizing") throw new PosternError("channel_closed");
    tell.proven();
    channel.accept({
      type: "ready",
      session_id: session.id,
      services: [{ id: 0, urls: urls(claims) }],
      heartbeat_ms: config.heartbeat.intervalMs,
      offline_ms: config.heartbeat.offlineMs,
      // Agents of before take no field that they do not know.
      ...(reauthMs === undefined || claims.reauth_version === undefined ? {} : { reauth_ms: reauthMs }),
    }, clock.now());
    log("info", "channel established", {
      session_id: session.id,
      tunnel_id: session.tunnelId,
      agent_id: session.agentId,
      tier: claims.tier,
      policy_version: claims.policy_version,
      reauth_deadline: reauthentication.deadline,
      remote: remoteAddress,
    });
  }

  #online(session: AgentSession): void {
    this.#options.registry.online(session);
    const { hostnames, tls_hostnames, tcp_ports, udp_ports } = session.claims;
    this.#context.log("info", "service online", {
      session_id: session.id,
      tunnel_id: session.tunnelId,
      tier: session.claims.tier,
      hosts: [...hostnames, ...tls_hostnames].join(",") || undefined,
      ports: tcp_ports.join(",") || undefined,
      udp_ports: udp_ports.join(",") || undefined,
    });
  }
}
