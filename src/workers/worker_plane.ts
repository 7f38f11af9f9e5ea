/**
 * The data plane in several threads. Each worker has listeners on the same ports, which the system spreads viewers and agents
 * over; here is what they have to agree on: which sessions there are, who is admitted, which ports are open.
 */
import { Backoff } from "../channel/mod.ts";
import type { EdgeConfig } from "../config/mod.ts";
import type { X25519KeyPair } from "../crypto/mod.ts";
import type { CertificateFiles } from "../driver/tls/mod.ts";
import {
  type AgentRegistry,
  AgentSession,
  type AttestationDesk,
  type EdgePlane,
  type EdgeRelay,
  type EdgeStatus,
  type KnownRoute,
  LocalRegistry,
  offerToAgent,
  type PrivateOfferTaken,
  relayedStatus,
  Sessions,
  type TokenGate,
} from "../edge/mod.ts";
import { codeOf, PosternError } from "../errors/mod.ts";
import type { ChannelInitGrant } from "../grants/mod.ts";
import type { AttachClaims } from "../identity/mod.ts";
import type { Clock, Log, Random, Revised } from "../ports/mod.ts";
import {
  metricObjects,
  type Metrics,
  requestIds,
  summedPage,
  summedTotals,
  type TrafficTotals,
} from "../telemetry/mod.ts";
import { HeldChannel } from "./held_channel.ts";
import { NO_PUMP } from "./linked_channel.ts";
import { relayForwarded } from "./relay_forward.ts";
import type { MainFunctions, SessionFacts, WorkerSetup } from "./protocol.ts";
import { ServicePortList } from "./service_port_list.ts";
import { shareOf } from "./share.ts";
import { WorkerHandle } from "./worker_handle.ts";

export interface WorkerPlaneOptions {
  readonly config: EdgeConfig;
  readonly edgeId: string;
  readonly version: string;
  readonly edgeStatic: X25519KeyPair;
  readonly certificateFiles: CertificateFiles | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Of the main thread: those of the workers are added. */
  readonly metrics: Metrics;
  readonly tokens: TokenGate;
  readonly attestations: AttestationDesk;
  readonly relay: EdgeRelay;
  readonly control: (request: Request, clientIp: string) => Promise<Response>;
  readonly knownRoute: (hostname: string) => Promise<KnownRoute | undefined>;
  /** Module that a worker runs. */
  readonly entry: string;
}

/** Waits before a worker that has ended is started again. */
const RESTART = { initialMs: 100, maxMs: 10_000, maxElapsedMs: 0 };
/** A worker that has served for so long did not fail at its start. */
const STABLE_MS = 30_000;
/** A worker loads its program first. */
const START_MS = 30_000;
/** Beyond what draining may take, for the answer to come. */
const STOP_SLACK_MS = 5_000;
const PORTS_EVERY_MS = 5_000;

export class WorkerPlane implements EdgePlane {
  readonly sessions: Sessions;
  readonly #options: WorkerPlaneOptions;
  readonly #registry: AgentRegistry;
  readonly #ports: ServicePortList;
  /** By index; undefined while one is about to be started again. */
  readonly #workers: (WorkerHandle | undefined)[] = [];
  readonly #backoffs: Backoff[] = [];
  readonly #pending = new Set<() => void>();
  #port = 0;
  #state: "starting" | "serving" | "draining" | "stopped" = "starting";

  constructor(options: WorkerPlaneOptions) {
    this.#options = options;
    const { config, clock, log, metrics, tokens, attestations, random } = options;
    this.sessions = new Sessions({ clock, log, graceMs: config.graceMs, replacement: config.replacement });
    this.#ports = new ServicePortList({ host: config.listen.host, keepMs: config.graceMs });
    this.#registry = new LocalRegistry({
      config,
      metrics,
      tokens,
      attestations,
      sessions: this.sessions,
      openPorts: ({ claims }) => this.#openPorts(claims),
      onRetired() {},
    });
    for (let index = 0; index < config.workers; index++) this.#backoffs.push(new Backoff(RESTART, random));
  }

  get port(): number {
    return this.#port;
  }
  get isReady(): boolean {
    return this.#state === "serving" && this.#serving.length === this.#options.config.workers;
  }

  async start(): Promise<void> {
    this.#port = probe(this.#options.config);
    try {
      await Promise.all(this.#backoffs.map((_backoff, index) => this.#startWorker(index)));
    } catch (error) {
      for (const worker of this.#workers) worker?.end();
      throw error;
    }
    this.#state = "serving";
    this.#upkeep();
  }

  async status(): Promise<EdgeStatus> {
    const { edgeId, version, clock, relay } = this.#options;
    const parts = await this.#ofEach((worker) => worker.calls.ask("status"));
    return {
      role: "edge",
      edge_id: edgeId,
      version,
      state: this.#state,
      at: clock.wall(),
      viewer_connections: parts.reduce((sum, part) => sum + part.viewer_connections, 0),
      udp_flows: parts.reduce((sum, part) => sum + part.udp_flows, 0),
      sessions: parts.flatMap((part) => part.sessions),
      relayed: relayedStatus(relay.channels, { now: clock.now(), wall: clock.wall() }),
    };
  }

  async traffic(): Promise<TrafficTotals> {
    return summedTotals(await this.#ofEach((worker) => worker.calls.ask("traffic")));
  }

  async metricsPage(): Promise<string> {
    const { metrics, relay } = this.#options;
    relay.observe();
    const online = this.sessions.all.filter((session) => session.isOnline);
    metrics.services.set({ state: "online" }, new Set(online.map((session) => session.tunnelId)).size);
    metrics.services.set({ state: "offline" }, this.sessions.size - online.length);
    const parts = await this.#ofEach((worker) => worker.calls.ask("metrics"));
    return await summedPage([await metricObjects(metrics.registry), ...parts]);
  }

  cutTunnel(tunnelId: string, code: "tunnel_deleted" | "token_revoked"): void {
    this.#options.relay.cutTunnel(tunnelId);
    this.#tell((worker) => worker.calls.tell("cutTunnel", tunnelId, code));
  }

  cutAgent(agentId: string): void {
    this.#options.relay.cutAgent(agentId);
    this.#tell((worker) => worker.calls.tell("cutAgent", agentId));
  }

  cutTenant(owner: string | undefined): void {
    this.#options.relay.cutTenant(owner);
  }

  cutWeaker(tunnelId: string): void {
    this.#options.relay.cutUnlessServed(tunnelId, this.sessions.agentsOfTier(tunnelId, "tpm"));
    this.#tell((worker) => worker.calls.tell("cutWeaker", tunnelId));
  }

  cutFailed(tunnelId: string, agentId: string): void {
    this.cutRelayed(tunnelId, agentId);
    this.#tell((worker) => worker.calls.tell("cutFailed", tunnelId, agentId));
  }

  get attached(): readonly AttachClaims[] {
    return this.#options.relay.attached;
  }

  cutChannel(channelId: string): void {
    this.#options.relay.cutChannel(channelId);
  }

  cutRelayed(tunnelId: string, agentId: string): void {
    this.#options.relay.cutAgent(agentId, tunnelId);
  }

  holdRules(tunnelId: string, rules: Revised<string>): void {
    for (const worker of this.#workers) {
      for (const held of worker?.sessions.values() ?? []) {
        if (held.session.tunnelId === tunnelId) held.rules = rules;
      }
    }
    this.#tell((worker) => worker.calls.tell("holdRules", tunnelId, rules));
  }

  async offerPrivate(tunnelId: string, agentId: string, grant: ChannelInitGrant): Promise<PrivateOfferTaken> {
    return await offerToAgent(this.sessions.ofTunnel(tunnelId), agentId, grant, async ({ id }) => {
      const worker = this.#serving.find(({ sessions }) => sessions.has(id));
      if (worker === undefined) throw new PosternError("private_service_offline");
      return await worker.calls.ask("offerPrivate", id, grant);
    });
  }

  async reload(): Promise<void> {
    await this.#ofEach((worker) => worker.calls.ask("reload"));
  }

  /**
   * In step: viewers who are told to come back must find no worker that still listens, and agents may leave when no worker
   * has viewers for them.
   */
  async stop(): Promise<void> {
    if (this.#state === "stopped" || this.#state === "draining") return;
    this.#state = "draining";
    for (const cancel of this.#pending) cancel();
    const { config, clock, relay } = this.#options;
    relay.drain();
    const withinMs = config.drainTimeoutMs + STOP_SLACK_MS;
    await this.#ofEach((worker) => worker.calls.askWithin(withinMs, "stopAccepting"));
    await this.#ofEach((worker) => worker.calls.askWithin(withinMs, "settle"));
    // Before their workers close the connections, endpoints of private channels are told.
    const cancel = clock.schedule(clock.now() + config.drainTimeoutMs, () => relay.close());
    await this.#ofEach((worker) => worker.calls.askWithin(withinMs, "finish"));
    cancel();
    relay.close();
    this.#tell((worker) => worker.end());
    this.#state = "stopped";
  }

  get #serving(): WorkerHandle[] {
    return this.#workers.filter((worker) => worker?.isServing) as WorkerHandle[];
  }

  #tell(what: (worker: WorkerHandle) => void, except?: WorkerHandle): void {
    for (const worker of this.#serving) if (worker !== except) what(worker);
  }

  /** Asks all that serve; who does not answer is left out. */
  async #ofEach<T>(ask: (worker: WorkerHandle) => Promise<T>): Promise<T[]> {
    const answers = await Promise.allSettled(this.#serving.map(ask));
    return answers.flatMap((answer) => {
      if (answer.status === "fulfilled") return [answer.value];
      this.#options.log("warn", "worker does not answer", { code: codeOf(answer.reason) });
      return [];
    });
  }

  async #startWorker(index: number): Promise<void> {
    const { config, edgeId, edgeStatic, certificateFiles, clock, log, entry } = this.#options;
    let startedAt = clock.now();
    const worker: WorkerHandle = new WorkerHandle({
      index,
      entry,
      clock,
      log,
      ours: (handle) => this.#functionsFor(handle),
      onEnd: (cause) => {
        log("error", "worker ended", { worker: index, cause });
        this.#forget(worker);
        if (clock.now() - startedAt >= STABLE_MS) this.#backoffs[index].reset();
        this.#restartSoon(index);
      },
    });
    this.#workers[index] = worker;
    const setup: WorkerSetup = {
      index,
      config: shareOf(config, this.#port),
      edgeId,
      edgeStatic,
      certificateFiles,
    };
    await worker.calls.askWithin(START_MS, "start", setup);
    startedAt = clock.now();
    if (this.#state === "draining" || this.#state === "stopped") return worker.end();
    // In this turn nothing of others goes by: from now on it hears of everything, before that it is told.
    for (const other of this.#serving) {
      const { port1, port2 } = new MessageChannel();
      worker.calls.hand([port1], "join", other.index, port1, true);
      other.calls.hand([port2], "join", index, port2, false);
      for (const held of other.sessions.values()) this.#link(worker, other, held);
    }
    worker.isServing = true;
    if (this.#ports.isEmpty) return;
    const opening = worker.calls.ask("openPorts", portsFor(worker, this.#ports.all));
    await opening.catch((error) => log("warn", "port not opened", { worker: index, code: codeOf(error) }));
  }

  /** Everybody forgets what an ended worker had. */
  #forget(worker: WorkerHandle): void {
    this.#workers[worker.index] = undefined;
    for (const id of [...worker.sessions.keys()]) this.#gone(worker, id);
    this.#tell((other) => other.calls.tell("part", worker.index));
  }

  #restartSoon(index: number): void {
    if (this.#state !== "serving") return;
    const { clock, log } = this.#options;
    this.#later(this.#backoffs[index].next(clock.now()) ?? RESTART.maxMs, async () => {
      try {
        await this.#startWorker(index);
        log("info", "worker started again", { worker: index });
      } catch (error) {
        log("error", "worker does not start", { worker: index, code: codeOf(error) });
        const worker = this.#workers[index];
        if (worker === undefined) return; // it ended by itself: its next start is waited for
        worker.end();
        this.#forget(worker);
        this.#restartSoon(index);
      }
    });
  }

  /** Runs it then, unless this stops before. */
  #later(afterMs: number, run: () => void): void {
    const { clock } = this.#options;
    const cancel = clock.schedule(clock.now() + afterMs, () => {
      this.#pending.delete(cancel);
      run();
    });
    this.#pending.add(cancel);
  }

  /** What a worker may call. */
  #functionsFor(worker: WorkerHandle): MainFunctions {
    const registry = this.#registry;
    const { knownRoute, attestations, relay, random, clock } = this.#options;
    const newRequestId = requestIds(random);
    return {
      relay: (attach, port) => void relayForwarded(relay, attach, port, { clock, newRequestId }),
      async admit(token, place) {
        const agent = await registry.admit(token, place);
        return { claims: agent.claims, ticket: worker.keep(agent) };
      },
      leave: (ticket) => worker.leave(ticket),
      verifyStage1: (token) => registry.verifyStage1(token),
      register: (facts, registration) => this.#register(worker, facts, registration),
      sessionOnline: (id, lastEchoAt) => this.#online(worker, id, lastEchoAt),
      sessionRetired: (id) => this.#retired(worker, id),
      sessionGone: (id) => this.#gone(worker, id),
      echoes(times) {
        for (const [id, lastEchoAt] of times) {
          const held = worker.sessions.get(id);
          if (held !== undefined && lastEchoAt > 0) held.session.lastEchoAt = lastEchoAt;
        }
      },
      holdAttestation: (hold) => attestations.hold(hold),
      stepAttestation: (attestationId, step) => attestations.step(attestationId, step),
      deferAttestation: (deferral) => attestations.defer(deferral),
      endDeferral: (tunnelId, agentId) => attestations.endDeferral(tunnelId, agentId),
      deferralSpent: (tunnelId, agentId) => attestations.deferralSpent(tunnelId, agentId),
      attestationLost: (tunnelId, agentId) => attestations.lost(tunnelId, agentId),
      isAuthorizerHealthy: (uri) => attestations.isHealthy(uri),
      knownRoute,
      control: async ({ method, url, headers, body }, clientIp) => {
        const response = await this.#options.control(new Request(url, { method, headers, body }), clientIp);
        const bytes = new Uint8Array(await response.arrayBuffer());
        return { status: response.status, headers: [...response.headers], body: bytes };
      },
    };
  }

  async #register(
    worker: WorkerHandle,
    facts: SessionFacts,
    registration: Parameters<MainFunctions["register"]>[1],
  ): Promise<Revised<string> | undefined> {
    const channel = new HeldChannel(facts.id, worker);
    const session = new AgentSession({ ...facts, channel, pump: NO_PUMP });
    const held = { session, rules: undefined as Revised<string> | undefined, isLinked: false };
    worker.sessions.set(facts.id, held);
    const rules = await this.#registry.register(session, registration);
    if (channel.state !== "authorizing") throw new PosternError("channel_closed");
    channel.state = "established";
    held.rules ??= rules;
    held.isLinked = true;
    this.#tell((other) => this.#link(other, worker, held), worker);
    return held.rules;
  }

  /** Tells `other` of a session of `worker`. */
  #link(other: WorkerHandle, worker: WorkerHandle, { session, rules, isLinked }: {
    session: AgentSession;
    rules: Revised<string> | undefined;
    isLinked: boolean;
  }): void {
    if (!isLinked) return;
    const { id, claims, since, remoteAddress, carrier } = session;
    other.calls.tell("linkSession", worker.index, { id, claims, since, remoteAddress, carrier }, rules);
    if (session.isOnline) other.calls.tell("linkedOnline", id, session.lastEchoAt);
  }

  #online(worker: WorkerHandle, id: string, lastEchoAt: number): void {
    const held = worker.sessions.get(id);
    if (held === undefined) return;
    held.session.lastEchoAt = lastEchoAt;
    if (held.session.isOnline) {
      this.#tell((other) => other.calls.tell("linkedOnline", id, lastEchoAt), worker);
    }
  }

  #retired(worker: WorkerHandle, id: string): void {
    const held = worker.sessions.get(id);
    if (held === undefined) return;
    const channel = held.session.channel as HeldChannel;
    if (channel.state === "established") channel.state = "draining";
    this.#unlink(worker, id, held);
  }

  #gone(worker: WorkerHandle, id: string): void {
    const held = worker.sessions.get(id);
    if (held === undefined) return;
    worker.sessions.delete(id);
    (held.session.channel as HeldChannel).state = "closed";
    this.#registry.gone(held.session);
    this.#unlink(worker, id, held);
  }

  #unlink(worker: WorkerHandle, id: string, held: { isLinked: boolean }): void {
    if (!held.isLinked) return;
    held.isLinked = false;
    this.#tell((other) => other.calls.tell("unlinkSession", id), worker);
  }

  /** @throws PosternError `tcp_port_unavailable`, `udp_port_unavailable`, `worker_unavailable` */
  async #openPorts(claims: AgentSession["claims"]): Promise<void> {
    if (claims.tcp_ports.length + claims.udp_ports.length === 0) return;
    this.#ports.use(claims, this.#options.clock.now());
    await Promise.all(
      this.#serving.map((worker) => worker.calls.ask("openPorts", portsFor(worker, claims))),
    );
  }

  #upkeep(): void {
    this.#later(PORTS_EVERY_MS, () => {
      const unused = this.#ports.takeUnused(this.sessions.all, this.#options.clock.now());
      if (unused !== undefined) {
        this.#tell((worker) => worker.calls.tell("closePorts", unused));
      }
      this.#upkeep();
    });
  }
}

/** Ports of udp services are the first worker's: a datagram finds the flow that it belongs to there, and nowhere else. */
function portsFor<P extends { tcp_ports: readonly number[]; udp_ports: readonly number[] }>(
  { index }: WorkerHandle,
  { tcp_ports, udp_ports }: P,
) {
  return { tcp_ports, udp_ports: index === 0 ? udp_ports : [] };
}

/** The port to listen on, which nobody has: only a listener that does not share tells. @throws Deno.errors.AddrInUse and the like */
function probe({ listen, takeOver }: EdgeConfig): number {
  if (takeOver && listen.port !== 0) return listen.port;
  const listener = Deno.listen({ hostname: listen.host, port: listen.port });
  const { port } = listener.addr;
  listener.close();
  return port;
}
