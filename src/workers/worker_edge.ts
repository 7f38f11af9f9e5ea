/** One worker of an edge: its listeners, viewers and channels. What all workers must agree on is asked of the main thread. */
import { loadCore } from "../../wasm/mod.ts";
import { systemClock, systemRandom, WireBuffers } from "../driver/mod.ts";
import { CertificateStore } from "../driver/tls/mod.ts";
import { type AgentRegistry, AgentSession, Edge, type RegistryParts } from "../edge/mod.ts";
import { PosternError } from "../errors/mod.ts";
import type { ChannelInitGrant } from "../grants/mod.ts";
import type { MuxStream, StreamHandler } from "../mux/mod.ts";
import type { Log, Revised } from "../ports/mod.ts";
import { createMetrics, createTracer, metricObjects, type Metrics } from "../telemetry/mod.ts";
import { version } from "../version.ts";
import type { ResetReason, StreamOpening } from "../wire/mod.ts";
import { Calls } from "./calls.ts";
import { joinStreams } from "./stream_join.ts";
import { LinkedChannel, NO_PUMP } from "./linked_channel.ts";
import { WorkerLink } from "./link.ts";
import { RelayForward } from "./relay_forward.ts";
import type { MainFunctions, SessionFacts, WorkerFunctions, WorkerSetup } from "./protocol.ts";

/** How often the main thread is told of echoes. */
const ECHOES_EVERY_MS = 5_000;

/** The messages of a worker's own thread. */
export interface WorkerPort {
  post(message: unknown, transfer: Transferable[]): void;
}

export class WorkerEdge implements WorkerFunctions {
  readonly calls: Calls<WorkerFunctions, MainFunctions>;
  readonly #metrics: Metrics = createMetrics();
  readonly #links = new Map<number, WorkerLink>();
  readonly #makeLog: (setup: WorkerSetup) => Log;
  #log: Log = () => {};
  #started: Edge | undefined;

  constructor(port: WorkerPort, makeLog: (setup: WorkerSetup) => Log) {
    this.#makeLog = makeLog;
    this.calls = new Calls<WorkerFunctions, MainFunctions>({
      ours: this,
      post: (message, transfer) => port.post(message, transfer),
      clock: systemClock,
      log: (level, event, fields) => this.#log(level, event, fields),
    });
  }

  get #edge(): Edge {
    if (this.#started === undefined) throw new PosternError("worker_unavailable");
    return this.#started;
  }

  async start(setup: WorkerSetup): Promise<void> {
    const { config, edgeId, edgeStatic, certificateFiles } = setup;
    const log = this.#log = this.#makeLog(setup);
    const certificates = certificateFiles === undefined
      ? undefined
      : await CertificateStore.load({ files: [certificateFiles] });
    if (setup.index === 0) { for (const warning of certificates?.warnings ?? []) log("warn", warning); }
    const edge = new Edge({
      config,
      edgeId,
      version,
      clock: systemClock,
      random: systemRandom,
      log,
      metrics: this.#metrics,
      tracer: createTracer({ ...config.otel, version }),
      buffers: new WireBuffers(loadCore()),
      edgeStatic,
      registry: (parts) => this.#registry(parts),
      certificates,
      relay: new RelayForward(systemClock, (attach, port) => this.calls.hand([port], "relay", attach, port)),
      control: (request, clientIp) => this.#control(request, clientIp),
      knownRoute: (hostname) => this.calls.ask("knownRoute", hostname),
    });
    try {
      await edge.start();
    } catch (cause) {
      const state = cause instanceof Deno.errors.AddrInUse ? "it is in use" : "the system refuses";
      throw new PosternError("listen_failed", `Cannot listen on port ${config.listen.port}: ${state}`, {
        detail: { port: config.listen.port },
      });
    }
    this.#started = edge;
    this.#tellEchoes();
  }

  openPorts(ports: Parameters<WorkerFunctions["openPorts"]>[0]): void {
    this.#edge.openPorts(ports);
  }

  closePorts(ports: Parameters<WorkerFunctions["closePorts"]>[0]): void {
    this.#edge.closePorts(ports);
  }

  closeSession(id: string, code: Parameters<WorkerFunctions["closeSession"]>[1]): void {
    const session = this.#edge.sessions.get(id);
    if (session === undefined) return;
    this.#edge.sessions.retire(session);
    session.channel.close(new PosternError(code), systemClock.now());
  }

  drainSession(id: string, deadlineMs: number): void {
    this.#edge.sessions.get(id)?.channel.drain("draining", deadlineMs, systemClock.now());
  }

  cutTunnel(tunnelId: string, code: "tunnel_deleted" | "token_revoked"): void {
    this.#edge.cutTunnel(tunnelId, code);
  }

  cutAgent(agentId: string): void {
    this.#edge.cutAgent(agentId);
  }

  cutWeaker(tunnelId: string): void {
    this.#edge.cutWeaker(tunnelId);
  }

  cutFailed(tunnelId: string, agentId: string): void {
    this.#edge.cutFailed(tunnelId, agentId);
  }

  holdRules(tunnelId: string, rules: Revised<string>): void {
    this.#edge.holdRules(tunnelId, rules);
  }

  offerPrivate(sessionId: string, grant: ChannelInitGrant): Promise<string> {
    return this.#edge.offerTo(sessionId, grant);
  }

  join(index: number, port: MessagePort, initiator: boolean): void {
    this.part(index);
    const link = new WorkerLink({
      port,
      initiator,
      unread: this.#edge.unread,
      now: systemClock.now,
      onOpen: (sessionId, opening, stream) => this.#openFor(sessionId, opening, stream),
    });
    this.#links.set(index, link);
  }

  part(index: number): void {
    this.#links.get(index)?.close();
    this.#links.delete(index);
  }

  linkSession(index: number, facts: SessionFacts, rules: Revised<string> | undefined): void {
    const channel = new LinkedChannel(facts.id, () => this.#links.get(index));
    this.#edge.link(new AgentSession({ ...facts, channel, pump: NO_PUMP, isLinked: true }), rules);
  }

  linkedOnline(id: string, lastEchoAt: number): void {
    this.#edge.sessions.onlineElsewhere(id, lastEchoAt);
  }

  unlinkSession(id: string): void {
    this.#edge.unlink(id);
  }

  traffic(): ReturnType<WorkerFunctions["traffic"]> {
    return this.#edge.traffic();
  }

  status(): ReturnType<WorkerFunctions["status"]> {
    return this.#edge.status();
  }

  metrics(): ReturnType<WorkerFunctions["metrics"]> {
    this.#started?.observe();
    return metricObjects(this.#metrics.registry);
  }

  async reload(): Promise<void> {
    await this.#edge.reload();
  }

  async stopAccepting(): Promise<void> {
    await this.#edge.stopAccepting();
  }

  async settle(): Promise<void> {
    await this.#edge.settle();
  }

  async finish(): Promise<void> {
    await this.#edge.finish();
  }

  /** A viewer of another worker wants a session of this one. */
  #openFor(sessionId: string, opening: StreamOpening, stream: MuxStream): StreamHandler | ResetReason {
    const session = this.#edge.sessions.get(sessionId);
    if (session === undefined || !session.isOnline) return "draining";
    const onward = session.channel.open(opening, stream.handler);
    session.requests++;
    joinStreams(stream, onward);
    return stream.handler;
  }

  /** Sessions are kept here, and judged by the main thread. */
  #registry({ sessions, onRetired }: RegistryParts): AgentRegistry {
    const { calls } = this;
    return {
      attestations: {
        hold: (hold) => calls.ask("holdAttestation", hold),
        step: (attestationId, step) => calls.ask("stepAttestation", attestationId, step),
        defer: (deferral) => calls.ask("deferAttestation", deferral),
        endDeferral: (tunnelId, agentId) => calls.ask("endDeferral", tunnelId, agentId),
        deferralSpent: (tunnelId, agentId) => calls.ask("deferralSpent", tunnelId, agentId),
        lost: (tunnelId, agentId) => calls.tell("attestationLost", tunnelId, agentId),
        // No answer is no good answer.
        isHealthy: (uri) => calls.ask("isAuthorizerHealthy", uri).catch(() => false),
      },
      async admit(token, place) {
        const { claims, ticket } = await calls.ask("admit", token, place);
        return { claims, leave: () => calls.tell("leave", ticket) };
      },
      verifyStage1: (token) => calls.ask("verifyStage1", token),
      register(session, registration) {
        sessions.keep(session); // first: it may be cut while it is taken in
        const { id, claims, since, remoteAddress, carrier } = session;
        return calls.ask("register", { id, claims, since, remoteAddress, carrier }, registration);
      },
      online(session) {
        sessions.online(session);
        calls.tell("sessionOnline", session.id, session.lastEchoAt);
      },
      retired(session) {
        sessions.retire(session);
        onRetired(session);
        calls.tell("sessionRetired", session.id);
      },
      gone(session) {
        sessions.remove(session);
        calls.tell("sessionGone", session.id);
      },
    };
  }

  async #control(request: Request, clientIp: string): Promise<Response> {
    const body = request.body === null ? undefined : new Uint8Array(await request.arrayBuffer());
    const { method, url, headers } = request;
    const answer = await this.calls.ask("control", { method, url, headers: [...headers], body }, clientIp);
    // A status of those without a body takes none, not even an empty one (Fetch 2.2.5).
    return new Response(answer.body.length === 0 ? null : answer.body, answer);
  }

  #tellEchoes(): void {
    systemClock.schedule(systemClock.now() + ECHOES_EVERY_MS, () => {
      const times = this.#edge.sessions.all.map(({ id, lastEchoAt }) => [id, lastEchoAt] as const);
      if (times.length > 0) this.calls.tell("echoes", times);
      this.#tellEchoes();
    });
  }
}
