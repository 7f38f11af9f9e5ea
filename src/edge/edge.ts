/** The edge: its listeners, its sessions, and how it starts and stops. Everything from outside is handed in. */
import { AddressBlocks } from "../bytes/mod.ts";
import type { EdgeConfig } from "../config/mod.ts";
import { publicUrlOf } from "../config/mod.ts";
import { channelLimits, type SuiteName } from "../channel/mod.ts";
import type { X25519KeyPair } from "../crypto/mod.ts";
import { Deadlines, Slabs, type WireBuffers } from "../driver/mod.ts";
import type { CertificateStore } from "../driver/tls/mod.ts";
import { PosternError } from "../errors/mod.ts";
import type { ChannelInitGrant } from "../grants/mod.ts";
import type { AttachClaims, Stage1Claims } from "../identity/mod.ts";
import { UnreadBudget } from "../mux/mod.ts";
import type { Clock, Log, Random, Revised } from "../ports/mod.ts";
import { type Metrics, requestIds, type Tracer, type TrafficTotals } from "../telemetry/mod.ts";
import { AgentGate } from "./agent_gate.ts";
import type { AgentRegistry, LocalRegistryOptions } from "./agent_registry.ts";
import { TrustedProxies } from "./client_ip.ts";
import { ConnectionLimits } from "./connection_limits.ts";
import type { EdgeContext } from "./context.ts";
import { Guards } from "./guards.ts";
import { GoneServices } from "./gone_services.ts";
import { OpenRequests } from "./open_requests.ts";
import { EdgeListener } from "./listener.ts";
import type { EdgePlane } from "./plane.ts";
import type { AgentSession } from "./agent_session.ts";
import { offerToAgent, type PrivateOfferTaken } from "./private_offers.ts";
import { offline } from "./session_offers.ts";
import { Sessions } from "./sessions.ts";
import type { ServiceGuard } from "./service_guard.ts";
import type { EdgeRelay } from "./relay.ts";
import { type EdgeStatus, edgeStatus } from "./status.ts";
import { seedOf } from "./seed.ts";
import { TcpServices } from "./tcp_services.ts";
import { AddressBuckets } from "./token_bucket.ts";
import { ViewerGate } from "./viewer_gate.ts";
import { UdpServices } from "./udp_services.ts";

export interface EdgeOptions {
  readonly config: EdgeConfig;
  readonly edgeId: string;
  readonly version: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly tracer: Tracer;
  readonly buffers: WireBuffers;
  readonly edgeStatic: X25519KeyPair;
  /** Who judges agents, given what of this edge takes part. */
  readonly registry: (parts: RegistryParts) => AgentRegistry;
  readonly certificates: CertificateStore | undefined;
  readonly relay: EdgeRelay;
  readonly control: EdgeContext["control"];
  readonly knownRoute: EdgeContext["knownRoute"];
}

export type RegistryParts = Pick<LocalRegistryOptions, "sessions" | "openPorts" | "onRetired">;

/** Ports of services. */
export interface ServicePorts {
  readonly tcp_ports: readonly number[];
  readonly udp_ports: readonly number[];
}

/** How often ports without a route are looked for, and buffers without a use. */
const UPKEEP_MS = 5_000;

export class Edge implements EdgePlane {
  readonly sessions: Sessions;
  readonly #options: EdgeOptions;
  readonly #gate: AgentGate;
  readonly #listener: EdgeListener;
  /** The bound on what all channels hold, and links to other workers. */
  readonly unread: UnreadBudget;
  readonly #goneServices: GoneServices;
  readonly #tcp: TcpServices;
  readonly #slabs = new Slabs();
  readonly #guards: Guards;
  readonly #udp: UdpServices;
  #port = 0;
  #state: "starting" | "serving" | "draining" | "stopped" = "starting";
  #stopUpkeep: (() => void) | undefined;

  constructor(options: EdgeOptions) {
    const { config, clock, random, log, metrics } = options;
    this.#options = options;
    this.#guards = new Guards({ clock, random, share: 1 / config.workers });
    this.sessions = new Sessions({ clock, log, graceMs: config.graceMs, replacement: config.replacement });
    const proxies = new TrustedProxies(config.trustedProxies);
    const viewers = viewerGate(config, proxies, { clock, random });
    const context: EdgeContext = {
      config,
      clock,
      random,
      newRequestId: requestIds(random),
      log,
      metrics,
      tracer: options.tracer,
      slabs: this.#slabs,
      deadlines: new Deadlines(clock),
      sessions: this.sessions,
      knownRoute: options.knownRoute,
      guards: this.#guards,
      viewers,
      openRequests: new OpenRequests(config.limits.maxHttp2RequestsPerAddress),
      unreadRequests: new UnreadBudget(config.limits.maxUnreadBytes),
      control: options.control,
    };
    this.#tcp = new TcpServices(context, viewers);
    this.#goneServices = new GoneServices(metrics);
    this.unread = new UnreadBudget(config.limits.maxUnreadBytes);
    this.#udp = new UdpServices(context);
    const registry = options.registry({
      sessions: this.sessions,
      openPorts: ({ claims }) => this.openPorts(claims),
      onRetired: (session) => this.#udp.retire(session),
    });
    this.#gate = new AgentGate({
      context,
      registry,
      buffers: options.buffers,
      edgeStatic: options.edgeStatic,
      edgeId: options.edgeId,
      version: options.version,
      limits: channelLimits({ ...config, maxStreams: config.limits.maxStreamsPerChannel }),
      unread: this.unread,
      suites: suitesOf(config),
      urls: (claims) => this.#urls(claims),
    });
    const { certificates, relay } = options;
    this.#listener = new EdgeListener({
      context,
      gate: this.#gate,
      relay,
      limits: viewers,
      proxies,
      certificates,
    });
  }

  /** Port that is really listened on. */
  get port(): number {
    return this.#port;
  }
  /** Whether viewers and agents are served. */
  get isReady(): boolean {
    return this.#state === "serving";
  }

  // deno-lint-ignore require-await -- what throws here is a rejection for who waits
  async start(): Promise<void> {
    this.#port = this.#listener.listen();
    this.#state = "serving";
    this.#upkeep();
  }

  /** Opens ports of a service, here or in another worker. @throws PosternError `tcp_port_unavailable`, `udp_port_unavailable` */
  openPorts(claims: ServicePorts): void {
    this.#tcp.open({ claims });
    this.#udp.open({ claims });
  }

  /** Closes ports of services, whose routes are gone. */
  closePorts({ tcp_ports, udp_ports }: ServicePorts): void {
    this.#tcp.closePorts(tcp_ports);
    this.#udp.closePorts(udp_ports);
  }

  /** Takes in a session of another worker; `rules` are its tunnel's. @throws PosternError `rules_unusable` */
  link(session: AgentSession, rules: Revised<string> | undefined): void {
    session.guard = this.#guards.put(session.tunnelId, rules);
    this.sessions.link(session);
  }

  /** A session of another worker takes no new streams. */
  unlink(id: string): void {
    const session = this.sessions.unlink(id);
    if (session !== undefined) this.#udp.retire(session);
  }

  status(): EdgeStatus {
    const { edgeId, version, clock, relay } = this.#options;
    return edgeStatus({
      edgeId,
      version,
      state: this.#state,
      viewers: this.#listener.openViewers,
      udpFlows: this.#udp.flows,
      sessions: this.sessions.all,
      relayed: relay.channels,
      now: clock.now(),
      wall: clock.wall(),
    });
  }

  /** Brings the gauges up to date; call before they are read. */
  observe(): void {
    const { metrics, buffers, relay } = this.#options;
    relay.observe();
    const sessions = this.sessions.all;
    const online = sessions.filter((session) => session.isOnline);
    metrics.streamsOpen.set(sessions.reduce((sum, session) => sum + session.channel.openStreams, 0));
    if (this.#options.config.workers === 1) { // with several, a service may be in more than one
      metrics.services.set({ state: "online" }, new Set(online.map((session) => session.tunnelId)).size);
      metrics.services.set({ state: "offline" }, sessions.length - online.length);
    }
    metrics.udpFlows.set(this.#udp.flows);
    metrics.queuedBytes.set(buffers.bytesInUse);
    metrics.unreadBytes.set(this.unread.held);
  }

  traffic(): TrafficTotals {
    return this.#options.metrics.totals();
  }

  async metricsPage(): Promise<string> {
    this.observe();
    return await this.#options.metrics.registry.metrics();
  }

  async reload(): Promise<void> {
    const { certificates, log } = this.#options;
    if (certificates === undefined) return;
    const result = await certificates.reload();
    if (result.outcome === "reloaded") {
      log("info", "certificates reloaded", {});
      for (const warning of result.warnings) log("warn", warning);
    } else {
      const { code, message } = result.error;
      log("error", "certificates kept: the new ones are not usable", { code, reason: message });
    }
  }

  /** Cuts everything that a tunnel has, because it was deleted or its owner's tokens were revoked. */
  cutTunnel(tunnelId: string, code: "tunnel_deleted" | "token_revoked"): void {
    this.sessions.cutTunnel(tunnelId, new PosternError(code));
    this.#options.relay.cutTunnel(tunnelId);
  }

  /** Cuts the sessions of a tunnel whose agents have no TPM, because it demands one now. */
  cutWeaker(tunnelId: string): void {
    this.sessions.cutWeaker(tunnelId, "tpm", new PosternError("tier_too_weak"));
    this.#options.relay.cutUnlessServed(tunnelId, this.sessions.agentsOfTier(tunnelId, "tpm"));
  }

  /** Cuts every session of an agent, because its machine was revoked. */
  cutAgent(agentId: string): void {
    this.sessions.cutAgent(agentId, new PosternError("machine_revoked"));
    this.#options.relay.cutAgent(agentId);
  }

  /** Cuts the private channels that are for an owner or were asked for by it, or all: the tokens were revoked. */
  cutTenant(owner: string | undefined): void {
    this.#options.relay.cutTenant(owner);
  }

  /** Cuts what an agent has for one tunnel: its machine failed to prove itself again. */
  cutFailed(tunnelId: string, agentId: string): void {
    this.sessions.cutAgent(agentId, new PosternError("reauth_failed"), tunnelId);
    this.cutRelayed(tunnelId, agentId);
  }

  get attached(): readonly AttachClaims[] {
    return this.#options.relay.attached;
  }

  /** Cuts one private channel. */
  cutChannel(channelId: string): void {
    this.#options.relay.cutChannel(channelId);
  }

  /** Cuts the private channels of an agent whose machine did not prove itself for this tunnel. */
  cutRelayed(tunnelId: string, agentId: string): void {
    this.#options.relay.cutAgent(agentId, tunnelId);
  }

  /** Holds these rules for the tunnel from the next request, or connection, on. */
  holdRules(tunnelId: string, rules: Revised<string>): void {
    this.#guards.put(tunnelId, rules);
  }

  async offerPrivate(tunnelId: string, agentId: string, grant: ChannelInitGrant): Promise<PrivateOfferTaken> {
    return await offerToAgent(
      this.sessions.ofTunnel(tunnelId),
      agentId,
      grant,
      ({ id }) => this.offerTo(id, grant),
    );
  }

  /** Hands a grant to the agent of one session; its endpoint's static key. @throws as {@link offerPrivate} */
  async offerTo(sessionId: string, grant: ChannelInitGrant): Promise<string> {
    const offers = this.sessions.get(sessionId)?.offers;
    if (offers === undefined) throw offline();
    return await offers.offer(grant);
  }

  /**
   * Stops in order: no new connections, those that are open get their answer, agents are asked to go elsewhere while open
   * streams finish within the drain timeout, and the rest is cut.
   */
  async stop(): Promise<void> {
    if (!await this.stopAccepting()) return;
    await this.settle();
    await this.finish();
  }

  /** The first part of {@link stop}: takes no further connections. False: it was called before. */
  async stopAccepting(): Promise<boolean> {
    if (this.#state === "stopped" || this.#state === "draining") return false;
    this.#state = "draining";
    const { metrics } = this.#options;
    metrics.drains.inc({ reason: "shutdown" });
    this.#stopUpkeep?.();
    this.#gate.close();
    this.#options.relay.drain();
    this.#tcp.stopAccepting();
    await this.#listener.stopAccepting();
    return true;
  }

  /** The second part: connections that are open get their answer. */
  async settle(): Promise<void> {
    this.#listener.stopViewers();
    await this.#listener.settled(Math.min(SETTLE_MS, this.#options.config.drainTimeoutMs));
  }

  /** The third part: agents leave, and what is left is cut. */
  async finish(): Promise<void> {
    const { config, clock } = this.#options;
    this.#udp.close(); // nobody tells when a datagram protocol is done
    const endAt = clock.now() + config.drainTimeoutMs + STOP_SLACK_MS;
    await this.#drainSessions(endAt);
    await this.#listener.drained(Math.max(0, endAt - clock.now()));
    this.#tcp.close();
    this.#state = "stopped";
  }

  /** Resolves when all sessions and private channels are gone, or at `endAt`: then those are told. */
  async #drainSessions(endAt: number): Promise<void> {
    const { config, clock, relay } = this.#options;
    let cancel = () => {};
    const late = new Promise<void>((resolve) => cancel = clock.schedule(endAt, resolve));
    await Promise.race([Promise.all([this.sessions.drain(config.drainTimeoutMs), relay.closed()]), late]);
    cancel();
    relay.close();
  }

  #upkeep(): void {
    const { clock, config } = this.#options;
    this.#stopUpkeep = clock.schedule(clock.now() + UPKEEP_MS, () => {
      this.sessions.routes.forgetOld();
      this.#slabs.trim();
      if (config.workers === 1) { // with several it is known to none of them which ports are used
        this.#tcp.closeUnused();
        this.#udp.closeUnused();
      }
      this.#forgetGuards();
      const { routes } = this.sessions;
      this.#goneServices.sweep((name) => routes.group(name) !== undefined, clock.now());
      this.#upkeep();
    });
  }

  #forgetGuards(): void {
    const used = new Set<ServiceGuard | undefined>();
    for (const { guard } of this.sessions.routes.all) used.add(guard);
    for (const { guard } of this.sessions.everywhere()) used.add(guard);
    this.#guards.forgetUnused((guard) => used.has(guard));
  }

  #urls(claims: Stage1Claims): string[] {
    const { config } = this.#options;
    const suffix = `.${config.publicHost}`;
    const nameOf = (hostname: string) =>
      hostname.endsWith(suffix) ? hostname.slice(0, -suffix.length) : hostname;
    const http = claims.hostnames.map((hostname) => publicUrlOf(config, nameOf(hostname), this.#port));
    const tls = claims.tls_hostnames.map((hostname) =>
      publicUrlOf(config, nameOf(hostname), this.#port, true)
    );
    return [
      ...http,
      ...tls,
      ...claims.tcp_ports.map((port) => `tcp://${config.publicHost}:${port}`),
      ...claims.udp_ports.map((port) => `udp://${config.publicHost}:${port}`),
    ];
  }
}

/** Time in which viewers make use of connections that they have, before agents are asked to leave. */
const SETTLE_MS = 1_000;
/** Beyond the drain timeout, for the last records to be written. */
const STOP_SLACK_MS = 1_000;

/** Addresses whose new connections are counted at the same time. */
const MAX_COUNTED_ADDRESSES = 65_536;

function viewerGate(
  config: EdgeConfig,
  proxies: TrustedProxies,
  { clock, random }: { clock: Clock; random: Random },
): ViewerGate {
  const { limits, access } = config;
  const { connectionRatePerAddress: rate, connectionBurstPerAddress: burst } = limits;
  return new ViewerGate({
    limits: new ConnectionLimits(limits.maxViewerConnections, limits.maxConnectionsPerAddress),
    proxies,
    allow: new AddressBlocks(access.allow),
    deny: new AddressBlocks(access.deny),
    newConnections: rate === null ? undefined : new AddressBuckets(
      { intervalMs: rate.everyMs / rate.count, burst: burst ?? rate.count },
      MAX_COUNTED_ADDRESSES,
      seedOf(random),
    ),
    now: clock.now.bind(clock),
  });
}

function suitesOf(config: EdgeConfig): SuiteName[] {
  return config.channel.hybrid === "required" ? ["hybrid"] : ["hybrid", "classic"];
}
