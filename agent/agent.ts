/** All of an agent's services in one process, and what it tells about them. */
import type { EvidenceProvider } from "../src/attestation/mod.ts";
import { type CarrierPlace, channelLimits } from "../src/channel/mod.ts";
import { type AgentConfig, isLoopbackHost } from "../src/config/mod.ts";
import {
  connectWebSocket,
  DatagramBudget,
  Deadlines,
  type Network,
  type ProxyChooser,
  Slabs,
  systemClock,
  systemRandom,
  WireBuffers,
} from "../src/driver/mod.ts";
import type { PosternError } from "../src/errors/mod.ts";
import type { ChannelInitGrant } from "../src/grants/mod.ts";
import type { Clock, Log, Random, SealingCore } from "../src/ports/mod.ts";
import { type AdminListener, createMetrics, type Metrics, noLog, serveAdmin } from "../src/telemetry/mod.ts";
import { MAX_RECORD_BYTES } from "../src/wire/mod.ts";
import { loadCore } from "../wasm/mod.ts";
import { version as programVersion } from "../src/version.ts";
import { adminHandler } from "./admin.ts";
import { Carriers } from "./carriers.ts";
import { openControlAccess } from "./control_access.ts";
import { ControlClient } from "./control_client.ts";
import { checkMachineFile, machineFileIn } from "./machine_file.ts";
import { measuredProvider } from "./measured_provider.ts";
import { openPrivateParts, type PrivateParts, PrivateServer } from "./private/mod.ts";
import type { PrivateTarget } from "./private_endpoint.ts";
import { Registration } from "./registration.ts";
import { Service } from "./service.ts";
import type { Carrier } from "./session.ts";
import type { Tier } from "../src/identity/mod.ts";
import { boundKeyIdentity } from "./bound_key_identity.ts";
import type { AgentState, AgentStatus } from "./status.ts";
import { Supervisor } from "./supervisor.ts";
import type { TokenFile } from "./token_file.ts";
import { TokenRenewal } from "./token_renewal.ts";
import { openTpm, TpmProvider } from "./tpm/mod.ts";
import { TunnelStore } from "./tunnel_store.ts";

/** What may be put in place of the machine's own. */
export interface AgentDeps {
  readonly clock?: Clock;
  readonly random?: Random;
  readonly log?: Log;
  readonly metrics?: Metrics;
  readonly network?: Network;
  readonly core?: SealingCore;
  /** As {@link RunningAgent.onStatus}, from the start. */
  readonly onStatus?: (status: AgentStatus) => void;
  /** Version that is told to edges and control. */
  readonly version?: string;
  /** Whether a free port will do when the admin address is taken; true unless said. */
  readonly adminMayMove?: boolean;
}

export interface RunningAgent {
  status(): AgentStatus;
  /** Calls back with every change, and once a second while bytes flow. Returns what ends that. */
  onStatus(callback: (status: AgentStatus) => void): () => void;
  /** Resolves when every service was online once; rejects with the error of one that never will be. */
  readonly ready: Promise<void>;
  /** Resolves when no service is published any more: with the error that ended the first, if one did. */
  readonly done: Promise<PosternError | undefined>;
  /** As {@link done}, for those who want it thrown. */
  readonly finished: Promise<void>;
  /** Name of this agent, derived from its key. */
  readonly agentId: string;
  readonly tier: Tier;
  /** What those who connect to its private services pin; undefined where it has none. */
  readonly fingerprint: string | undefined;
  /** `host:port` of the admin listener, if there is one. */
  readonly adminAddress: string | undefined;
  /** Puts a new session in place of each one; open streams go on in the old ones. */
  reconnect(): void;
  /** Lets open streams finish within the drain timeout, then ends everything. Idempotent. */
  stop(): Promise<void>;
}

/** How often byte counts are told. */
const TICK_MS = 1_000;
/** Ticks after which buffers that nobody needed meanwhile are let go. */
const TRIM_TICKS = 5;
/** Answers that the status tells. */
const MAX_RECENT = 16;

/**
 * Starts publishing what the configuration names. Resolves when everything local is in order; throws what reading the
 * token, the CA file, the identity (see {@link openTpm} and {@link checkMachineFile}) and the stored tunnels throws, and `admin_listen_failed`.
 */
export async function startAgent(config: AgentConfig, deps: AgentDeps = {}): Promise<RunningAgent> {
  const log = deps.log ?? noLog;
  const random = deps.random ?? systemRandom;
  const { directory, caCerts, proxyFor, tokenFile } = await openControlAccess(config, log);
  const clock = deps.clock ?? systemClock;
  const provider = await identityOf(config, directory, clock, random);
  const store = await TunnelStore.open(`${directory}/tunnels.json`, log, clock);
  const version = deps.version ?? programVersion;
  for (const url of config.control) {
    if (!url.startsWith("http:") || isLoopbackHost(new URL(url).hostname)) continue;
    log("warn", "control is asked over plain http: tokens can be read on the way", { control: url });
  }
  const control = new ControlClient({
    url: config.control,
    clock,
    random,
    onMoved: (url) => log("info", "control is asked at another address", { control: url }),
    caCerts,
    proxyFor,
    network: deps.network,
    token: tokenFile === undefined ? undefined : () => tokenFile.read(),
    userAgent: `postern/${version}`,
  });
  const buffers = new WireBuffers(deps.core ?? loadCore());
  const network = deps.network;
  const parts = {
    config,
    directory,
    provider,
    buffers,
    caCerts,
    proxyFor,
    network,
    clock,
    random,
    log,
    version,
  };
  const hasPrivate = config.services.some((service) => service.private);
  return new Agent({
    config,
    deps,
    buffers,
    privateParts: hasPrivate ? await openPrivateParts(parts) : undefined,
    log,
    random,
    clock,
    caCerts,
    proxyFor,
    provider,
    store,
    control,
    tokenFile,
    version,
  });
}

/** The TPM's where one is set, and never a key in a file in its place. */
async function identityOf(
  { tpm, tpmEk, identityFile }: AgentConfig,
  directory: string,
  clock: Clock,
  random: Random,
): Promise<EvidenceProvider> {
  if (tpm === null) return await boundKeyIdentity(identityFile ?? `${directory}/identity.key`, random);
  const opened = await openTpm(tpm, { clock, random, ek: tpmEk ?? undefined });
  await checkMachineFile(machineFileIn(directory), opened.agentId);
  return new TpmProvider(opened);
}

interface AgentParts {
  readonly config: AgentConfig;
  readonly deps: AgentDeps;
  readonly buffers: WireBuffers;
  /** Of an agent that has private services. */
  readonly privateParts: PrivateParts | undefined;
  readonly log: Log;
  readonly random: Random;
  readonly clock: Clock;
  readonly caCerts: readonly string[] | undefined;
  readonly proxyFor: ProxyChooser | undefined;
  readonly provider: EvidenceProvider;
  readonly store: TunnelStore;
  readonly control: ControlClient;
  readonly tokenFile: TokenFile | undefined;
  readonly version: string;
}

class Agent implements RunningAgent {
  readonly ready: Promise<void>;
  readonly done: Promise<PosternError | undefined>;
  readonly finished: Promise<void>;
  readonly agentId: string;
  readonly tier: Tier;
  readonly #version: string;
  readonly #clock: Clock;
  readonly #metrics: Metrics;
  readonly #control: ControlClient;
  readonly #services: readonly Service[];
  readonly #carriers: readonly Carriers[];
  readonly #callbacks = new Set<(status: AgentStatus) => void>();
  readonly #renewal: TokenRenewal | undefined;
  readonly #admin: AdminListener | undefined;
  readonly #privateServer: PrivateServer | undefined;
  readonly #slabs: Slabs;
  readonly #drainMs: number;
  #ticks = 0;
  #told = "";
  #queued = false;
  #untick: () => void = () => {};

  constructor(parts: AgentParts) {
    const { config, deps, log, random, clock, provider, store, control, tokenFile, version } = parts;
    this.#clock = clock;
    this.#drainMs = config.drainTimeoutMs;
    this.#control = control;
    this.agentId = provider.agentId;
    this.tier = provider.kind;
    this.#version = version;
    const metrics = this.#metrics = deps.metrics ?? createMetrics();
    const measured = measuredProvider(provider, metrics, clock);
    metrics.buildInfo.set({ version, role: "agent" }, 1);
    metrics.startTimeSeconds.set(clock.wall() / 1_000);
    // First: where this fails nothing has begun. Requests come in later turns, when everything is there.
    this.#admin = config.adminListen === null ? undefined : serveAdmin({
      listen: config.adminListen,
      mayMove: deps.adminMayMove ?? true,
      answer: adminHandler({
        metrics,
        status: () => this.status(),
        isReady: () => this.#carriers.every((each) => each.isOnline),
      }),
      log,
    });
    const { buffers, privateParts } = parts;
    const slabs = this.#slabs = new Slabs();
    const deadlines = new Deadlines(clock);
    const { origin, services } = config;
    const { network } = deps;
    const datagramBudget = new DatagramBudget();
    const limits = channelLimits({ ...config, maxStreams: config.limits.maxStreams });
    const connect = connector(parts, buffers.core);
    this.#services = services.map((service) =>
      new Service({ config: service, origin, clock, deadlines, slabs, log, metrics, network, datagramBudget })
    );
    const targets = new Map<PrivateTarget, Service>();
    const server = this.#privateServer = privateParts === undefined
      ? undefined
      : new PrivateServer({ ...privateParts, log, serve: (target) => targets.get(target)! });
    this.#carriers = this.#services.map((service) => {
      const registration = new Registration({
        control,
        store,
        service: service.config,
        key: storedUnder(store, config.control, service),
        log,
      });
      const target = privateTargetOf(service);
      if (target !== undefined) targets.set(target, service);
      const onGrant = target === undefined || server === undefined
        ? undefined
        : (grant: ChannelInitGrant) => server.accept(grant, target);
      const supervise = (carrier: CarrierPlace | undefined) =>
        new Supervisor({
          config,
          service,
          registration,
          control,
          provider: measured,
          connect,
          limits,
          buffers,
          clock,
          random,
          log,
          metrics,
          version,
          carrier,
          onGrant,
          onChange: () => this.#changed(),
        });
      return new Carriers({ count: config.carriers, supervise, random, log });
    });
    if (deps.onStatus !== undefined) this.#callbacks.add(deps.onStatus);
    this.ready = Promise.all(this.#carriers.map((each) => each.online)).then(() => {});
    this.ready.catch(() => {}); // whoever is interested looks by itself
    this.done = this.#watch();
    this.finished = this.done.then((error) => {
      if (error !== undefined) throw error;
    });
    this.finished.catch(() => {});
    if (tokenFile !== undefined && config.tokenRenewal) {
      this.#renewal = new TokenRenewal({ file: tokenFile, control, clock, log });
    }
    log("info", "agent started", {
      agent_id: this.agentId,
      tier: this.tier,
      version,
      control: config.control.join(","),
      services: services.length,
      fingerprint: server?.fingerprint,
      admin: this.#admin?.address,
    });
    this.#tick();
  }

  get fingerprint(): string | undefined {
    return this.#privateServer?.fingerprint;
  }

  get adminAddress(): string | undefined {
    return this.#admin?.address;
  }

  status(): AgentStatus {
    const services = this.#carriers;
    const leading = services.find((each) => each.state === stateOf(services)) ?? services[0];
    const failures = services.flatMap(({ lastError }) => lastError === undefined ? [] : [lastError]);
    const lastError = failures.sort((a, b) => b.at - a.at)[0];
    return {
      role: "agent",
      agent_id: this.agentId,
      tier: this.tier,
      version: this.#version,
      state: stateOf(services),
      control: this.#control.url,
      services: services.map((each) => each.status()),
      rtt_ms: typeof leading?.rttMs === "number" ? Math.round(leading.rttMs * 100) / 100 : null,
      edge: leading?.edge ?? null,
      recent: this.#recent(),
      since: services.reduce((latest, { since }) => Math.max(latest, since), 0),
      ...(lastError === undefined ? {} : { last_error: lastError }),
    };
  }

  #recent(): AgentStatus["recent"] {
    const offset = this.#clock.wall() - this.#clock.now();
    return this.#services
      .flatMap((service) =>
        service.recent.list(offset).map((each) => ({ service: service.publicName, ...each }))
      )
      .sort((a, b) => b.at - a.at)
      .slice(0, MAX_RECENT);
  }

  onStatus(callback: (status: AgentStatus) => void): () => void {
    this.#callbacks.add(callback);
    callback(this.status());
    return () => this.#callbacks.delete(callback);
  }

  reconnect(): void {
    for (const service of this.#carriers) service.reconnect();
  }

  async stop(): Promise<void> {
    for (const service of this.#carriers) service.stop();
    await Promise.all([this.done, this.#privateServer?.stop(this.#drainMs)]);
  }

  async #watch(): Promise<PosternError | undefined> {
    const outcomes = await Promise.all(this.#carriers.map((each) => each.done));
    await this.#privateServer?.stop(this.#drainMs);
    for (const service of this.#services) service.close();
    this.#untick();
    this.#renewal?.stop();
    this.#control.close();
    await this.#admin?.close();
    this.#tell();
    return outcomes.find((error) => error !== undefined);
  }

  /** Told once for all changes of a turn. */
  #changed(): void {
    if (this.#queued) return;
    this.#queued = true;
    queueMicrotask(() => {
      this.#queued = false;
      this.#tell();
    });
  }

  #tick(): void {
    this.#untick = this.#clock.schedule(this.#clock.now() + TICK_MS, () => {
      this.#tell();
      if (++this.#ticks % TRIM_TICKS === 0) this.#slabs.trim();
      this.#tick();
    });
  }

  /** Calls back if anything is different from what was told last. */
  #tell(): void {
    this.#metrics.udpFlows.set(this.#services.reduce((sum, { udpFlows }) => sum + udpFlows, 0));
    this.#metrics.streamsOpen.set(this.#carriers.reduce((sum, { openStreams }) => sum + openStreams, 0));
    const status = this.status();
    for (const state of ["pending", "online", "offline", "refused"] as const) {
      this.#metrics.services.set({ state }, status.services.filter((each) => each.state === state).length);
    }
    if (this.#callbacks.size === 0) return;
    const text = JSON.stringify(status);
    if (text === this.#told) return;
    this.#told = text;
    for (const callback of this.#callbacks) callback(status);
  }
}

/**
 * Key of a service's tunnel: with the address of control under which it is stored already, whichever that is of those that
 * are set now, else with the first.
 */
function storedUnder(
  store: Pick<TunnelStore, "get">,
  control: readonly string[],
  { config, target }: Pick<Service, "config" | "target">,
): string {
  // To control a private service is a protocol of its own, whatever it carries.
  const protocol = config.private ? "private" : config.protocol;
  const keys = control.map((url) => [url, config.name ?? "", protocol, target].join(" "));
  return keys.find((key) => store.get(key) !== undefined) ?? keys[0];
}

/** Undefined for what is not private. */
function privateTargetOf({ config, target }: Service): PrivateTarget | undefined {
  if (!config.private || config.protocol === "tls") return undefined;
  return { name: config.name ?? target, protocol: config.protocol, address: config.target };
}

/** One word for all services: what they agree on, else `degraded` while any of them is online. */
function stateOf(services: readonly Carriers[]): AgentState {
  const states = services.map(({ state }) => state);
  const first = states[0] ?? "closed";
  if (states.every((state) => state === first)) return first;
  if (states.includes("online")) return "degraded";
  return states.find((state) => state !== "failed" && state !== "closed") ?? "failed";
}

/** Dials edges; records are masked by the core, in whose memory they lie. */
function connector(
  { deps, clock, random, caCerts, proxyFor }: AgentParts,
  core: SealingCore,
): (edgeUrl: string, signal: AbortSignal) => Promise<Carrier> {
  return (edgeUrl, signal) =>
    connectWebSocket(edgeUrl, {
      clock,
      random,
      signal,
      caCerts,
      proxyFor,
      network: deps.network,
      maxMessageBytes: MAX_RECORD_BYTES,
      mask: (_memory, start, end, key) => core.mask(start, end - start, key),
    });
}
