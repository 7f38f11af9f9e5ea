/** Composition root: an edge with the control plane embedded, from one configuration. */
import { loadCore } from "../wasm/mod.ts";
import { adminApp, health as alive } from "./admin.ts";
import { openAdminOidc } from "./admin_oidc.ts";
import { AuthorizerHealth } from "./authorizer_health.ts";
import { boundKeyVerifier } from "./attestation/mod.ts";
import { toBase64Url, utf8 } from "./bytes/mod.ts";
import {
  controlUrlOf,
  type EdgeConfig,
  formatAddress,
  isLoopbackHost,
  issuerOf,
  trustDomainOf,
} from "./config/mod.ts";
import {
  controlApp,
  type ControlConfig,
  controlDefaults,
  type ControlDeps,
  type DrainTarget,
  issueManagementToken,
  type LiveChannel,
  NodeAuthorities,
  openKeyset,
  PolicyBook,
  policyChooser,
  type Presence,
  startRevocationWatch,
  startUpkeep,
  tpmTrust,
  tpmVerifier,
} from "./control/mod.ts";
import { AuthorityDirectory, systemClock, systemRandom, WireBuffers } from "./driver/mod.ts";
import { type CertificateFiles, CertificateStore, loadOrMakeDevCertificates } from "./driver/tls/mod.ts";
import {
  type AttestationDesk,
  Edge,
  type EdgeOptions,
  type EdgePlane,
  LocalRegistry,
  type SessionStatus,
  type TokenGate,
} from "./edge/mod.ts";
import { dashboard as dashboardOf, isDashboardPath } from "./dashboard/mod.ts";
import { codeOf, PosternError } from "./errors/mod.ts";
import { EdgeDirectory } from "./edge_directory.ts";
import { FellowEdges } from "./fellow_edges.ts";
import { offerFirstAdministrator } from "./first_administrator.ts";
import { defaultRotation, reauthLifeMs, type RotationPolicy, tierSchema } from "./identity/mod.ts";
import { openStore } from "./open_store.ts";
import type { Clock, Log, Random, ServedTunnel } from "./ports/mod.ts";
import { knownRoute } from "./known_route.ts";
import { NodePort } from "./node_port.ts";
import { Readiness } from "./readiness.ts";
import { StateDirectory } from "./state_directory.ts";
import {
  type AdminListener,
  createLog,
  createMetrics,
  createTracer,
  type Metrics,
  serveAdmin,
} from "./telemetry/mod.ts";
import { tokenGate } from "./token_gate.ts";
import { isForeignSubject, type OpenTokenVerifier, openTokenVerifier } from "./tokens/mod.ts";
import { TrustedManufacturers } from "./trusted_manufacturers.ts";
import { version } from "./version.ts";
import { WorkerPlane } from "./workers/mod.ts";

export { makeOwnerLink, type OwnerLink } from "./first_administrator.ts";

/** Owner of the token that the edge writes for who runs it. */
const OPERATOR = "operator";

/** What a test may replace. */
export interface EdgeDeps {
  readonly log?: Log;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly metrics?: Metrics;
  /** Module that further threads run, for `workers` above 1: it calls `runWorker` of src/worker.ts. */
  readonly workerEntry?: string;
  /** Whether a free port will do when the admin address is taken; true unless said. Beside an edge to take over from it does. */
  readonly adminMayMove?: boolean;
}

export interface RunningEdge {
  /** Port of viewers, agents and control. */
  readonly port: number;
  /** Port of the admin listener; undefined when it is off. */
  readonly adminPort: number | undefined;
  /** Port of connectors and tunnelers; undefined when it is off. */
  readonly nodesPort: number | undefined;
  readonly edgeId: string;
  /** File with a management token for this machine's operator. */
  readonly tokenPath: string;
  /** Certificate authority of the development certificates; undefined when real ones are configured. */
  readonly caPath: string | undefined;
  readonly edge: EdgePlane;
  /** Reads again certificates, what tokens of other issuers are verified by, and the files about TPM manufacturers. */
  reload(): Promise<void>;
  /** Drains, then ends. Idempotent. */
  stop(): Promise<void>;
  readonly finished: Promise<void>;
}

/**
 * Starts an edge with embedded control. Listens when it returns.
 * @throws PosternError `state_directory_unusable`, `store_*`, `listen_failed`, `admin_listen_failed`, `jwks_invalid`,
 * `hmac_secret_weak`, `secret_file_*`, `ek_roots_unusable`, `ek_revocations_unusable`, and certificate codes
 */
export async function startEdge(config: EdgeConfig, deps: EdgeDeps = {}): Promise<RunningEdge> {
  const clock = deps.clock ?? systemClock;
  const random = deps.random ?? systemRandom;
  const log = deps.log ??
    createLog({ ...config.log, wall: () => clock.wall(), write: writeLine });
  const metrics = deps.metrics ?? createMetrics();
  const state = await StateDirectory.open(config.stateDirectory);
  const store = await openStore(config, state, { clock, log });
  let openVerifier: OpenTokenVerifier | undefined;
  let health: AuthorizerHealth | undefined;
  let openOidc: Awaited<ReturnType<typeof openAdminOidc>>;
  try {
    const oidc = openOidc = await openAdminOidc(config, { clock, random, log });
    const authorizer = health = await AuthorizerHealth.open(config, { clock, log });
    const keyset = await openKeyset({ store, clock, random }, rotationOf(config));
    const tokenVerifier = openVerifier = await openTokenVerifier({
      config,
      keyset,
      clock,
      random,
      log,
      series: metrics.tokens,
    });
    const edgeId = config.edgeId ?? await state.edgeId(random);
    const edgeStatic = await state.edgeStatic(random);
    const { files, caPath } = await certificateFilesOf(config, state, { clock, random, log });
    const controlConfig = controlConfigOf(config);
    const policyChoice = {
      store,
      clock,
      book: new PolicyBook(store),
      requirePolicy: controlConfig.attestation.requirePolicy,
    };
    const manufacturers = await TrustedManufacturers.open(config.attestation, {
      store,
      clock,
      log,
      cutAgent: (agentId) => edge.cutAgent(agentId),
    });
    const identities = await NodeAuthorities.open({
      store,
      vault: await AuthorityDirectory.open(`${state.path}/ca`),
      clock,
      random,
      log,
      trustDomain: trustDomainOf(config),
    });
    const nodes = new NodePort(config, edgeId, metrics);
    const directory = new EdgeDirectory({
      store,
      clock,
      log,
      instanceId: random(16).toHex(),
      own: () => ({
        edgeId,
        edgeUrl: carrierUrl(config, edge.port),
        transport: "wss",
        region: config.region,
        priority: 0,
        publicKey: toBase64Url(edgeStatic.publicKey),
      }),
      served: () => servedTunnels(edge),
      takesOver: config.takeOver,
    });
    const controlDeps: ControlDeps & { clock: Clock } = {
      store,
      keyset,
      clock,
      random,
      config: controlConfig,
      edges: () => directory.edges(),
      presence: (tunnelId) => directory.presence(tunnelId, presenceOf(edge, tunnelId)),
      channels: async () => (await edge.status()).sessions.map((session) => liveChannel(edgeId, session)),
      drain: (which, deadlineMs) => drainChannels(edge, clock, which, deadlineMs),
      oidc: oidc?.provider,
      version,
      publicUrl: () => controlUrlOf(config, edge.port),
      events: {
        onTunnelDeleted(tunnelId) {
          edge.cutTunnel(tunnelId, "tunnel_deleted");
          fellows.announce({ kind: "tunnels_cut", tunnelIds: [tunnelId], code: "tunnel_deleted" });
        },
        onRevoked(owner, tunnelIds) {
          for (const tunnelId of tunnelIds) edge.cutTunnel(tunnelId, "token_revoked");
          fellows.announce({ kind: "tunnels_cut", tunnelIds, code: "token_revoked" });
          fellows.announce({ kind: "tokens_revoked", owner });
          onTokensRevoked(owner);
        },
        onMachineRevoked(agentId) {
          edge.cutAgent(agentId);
          fellows.announce({ kind: "machine_revoked", agentId });
        },
        onRulesChanged(tunnelId, rules) {
          edge.holdRules(tunnelId, rules);
          fellows.announce({ kind: "rules_changed", tunnelId });
        },
        onTierRequired(tunnelId) {
          edge.cutWeaker(tunnelId);
          fellows.announce({ kind: "tier_required", tunnelId });
        },
        onAttestationFailed(tunnelId, agentId) {
          edge.cutFailed(tunnelId, agentId);
          fellows.announce({ kind: "attestation_failed", tunnelId, agentId });
        },
        onNodeTrustChanged() {
          void nodes.changed();
          fellows.announce({ kind: "node_trust_changed" });
        },
        onIdentity: (step, result) => metrics.identities.inc({ step, result }),
        onAdministrator: () =>
          void state.writeBootstrap(undefined).catch((error) =>
            log("warn", "used link not removed", { code: codeOf(error) })
          ),
        onTokenIssued: (kind) => metrics.tokensIssued.inc({ kind }),
        onEnrolment: (result) => metrics.enrolments.inc({ result }),
        onEvidenceJudged: (result, tier) => metrics.attestations.inc({ result, tier }),
      },
      log,
      identities,
      machineTrust: tpmTrust(() => manufacturers.trust),
      verifiers: [
        boundKeyVerifier,
        tpmVerifier({ ...policyChoice, log, checkTrust: (machine) => manufacturers.check(machine) }),
      ],
      policyOf: policyChooser(policyChoice),
    };
    const writeToken = async () =>
      await state.writeManagementToken((await issueManagementToken(controlDeps, OPERATOR, "operator")).token);
    const keepToken = () =>
      void writeToken().catch((error) => log("error", "management token kept", { code: codeOf(error) }));
    const onTokensRevoked = (owner: string | undefined) => {
      if (owner !== undefined && isForeignSubject(owner)) edge.cutTunnel(owner, "token_revoked");
      // The edge's own token may be among them. A revocation counts for the whole millisecond in which it was made, so the
      // token in its place has to be of a later one.
      if (owner === undefined || owner === OPERATOR) clock.schedule(clock.now() + 2, keepToken);
    };
    const control = controlApp(controlDeps);
    const dashboard = dashboardOf({
      control: controlDeps,
      api: async (request, clientIp) => await control.fetch(request, { clientIp }),
      traffic: async () => await edge.traffic(),
      clock,
    });
    const tokens = tokenGate(tokenVerifier.verifier, store, clock, controlConfig);
    // An edge that begins has no channel: whatever this one had before is over, not merely unknown.
    if (!config.takeOver) {
      const lapsed = await store.lapseAttestations(edgeId, "channel_closed");
      if (lapsed > 0) log("info", "attestations of before are over", { attestations: lapsed });
    }
    const parts: PlaneParts = {
      tokens,
      attestations: {
        hold: (hold) => store.holdAttestation({ ...hold, holder: edgeId }),
        step: (id, step) => store.stepAttestation(id, step),
        defer: (deferral) => store.deferAttestation(deferral),
        endDeferral: (tunnelId, agentId) => store.endDeferral(tunnelId, agentId),
        deferralSpent: (tunnelId, agentId) => store.deferralSpent(tunnelId, agentId),
        isHealthy: (uri) => authorizer.isHealthy(uri),
      },
    };
    const common: CommonOptions = {
      config,
      edgeId,
      version,
      clock,
      random,
      log,
      metrics,
      edgeStatic,
      control: async (request, clientIp) => {
        const { pathname } = new URL(request.url);
        if (pathname === "/healthz") return alive();
        if (pathname === "/readyz") return await readiness.answer();
        if (isDashboardPath(pathname)) {
          // Between threads answers go whole.
          return await dashboard.fetch(request, { clientIp, canStream: config.workers === 1 });
        }
        return await control.fetch(request, { clientIp });
      },
      knownRoute: (hostname) => knownRoute(store, config, hostname),
    };
    const edge: EdgePlane = config.workers === 1
      ? await planeOfOne(common, parts, files)
      : planeOfWorkers(common, parts, files, deps.workerEntry);
    await writeToken();
    const readiness = new Readiness({ edge, store, clock });
    await edgeListens(edge, config);
    let admin: AdminListener | undefined;
    try {
      admin = config.adminListen === null ? undefined : serveAdmin({
        listen: config.adminListen,
        mayMove: config.takeOver || (deps.adminMayMove ?? true),
        answer: adminApp({ edge, readiness, store, dashboard }).fetch,
        log,
      });
    } catch (error) {
      await edge.stop();
      throw error;
    }
    const fellows = new FellowEdges({
      store,
      edge,
      gate: tokens,
      clock,
      log,
      onTokensRevoked,
      onNodeTrustChanged: () => void nodes.changed(),
    });
    await directory.start();
    await nodes.open(controlDeps, async () => {
      await edge.stop();
      await admin?.close();
    });
    const stopUpkeep = startUpkeep(controlDeps);
    const stopWatch = startRevocationWatch({
      store,
      clock,
      log,
      agents: () => edge.sessions.all.filter(({ claims }) => claims.tier === "tpm").map((s) => s.agentId),
      onMachineRevoked: (agentId) => edge.cutAgent(agentId),
    });
    // At half its life, so that whoever reads the file has hours left.
    const stopWriting = repeat(clock, config.tokens.managementMs / 2, keepToken);
    metrics.buildInfo.set({ version, role: "edge" }, 1);
    metrics.startTimeSeconds.set(clock.wall() / 1_000);
    log("info", "edge started", {
      edge_id: edgeId,
      port: edge.port,
      admin_port: admin?.port,
      nodes_port: nodes.port,
      version,
      anonymous_tunnels: config.anonymousTunnels,
      token_file: state.tokenPath,
    });
    if (!isLoopbackHost(config.listen.host) && isLoopbackHost(config.publicHost)) {
      log("warn", "public_host means this machine: other machines cannot use the URLs of services", {
        public_host: config.publicHost,
      });
    }
    await offerFirstAdministrator({
      deps: controlDeps,
      state,
      log,
      show: Deno.stderr.isTerminal() ? writeLine : undefined,
    });

    const finished = Promise.withResolvers<void>();
    let stopping: Promise<void> | undefined;
    const stop = async () => {
      dashboard.close();
      await nodes.close();
      await edge.stop();
      await fellows.stop();
      tokenVerifier.stop();
      authorizer.close();
      oidc?.close();
      stopUpkeep();
      stopWatch();
      stopWriting();
      await admin?.close();
      await store.close();
      log("info", "edge stopped", { edge_id: edgeId });
      finished.resolve();
    };
    return {
      port: edge.port,
      adminPort: admin?.port,
      nodesPort: nodes.port,
      edgeId,
      tokenPath: state.tokenPath,
      caPath,
      edge,
      reload: async () => {
        await Promise.all([edge.reload(), tokenVerifier.reload(), manufacturers.reload()]);
      },
      stop: () => stopping ??= stop(),
      finished: finished.promise,
    };
  } catch (error) {
    openVerifier?.stop();
    health?.close();
    openOidc?.close();
    await store.close();
    throw error;
  }
}

/** What sessions are judged by. */
interface PlaneParts {
  readonly tokens: TokenGate;
  readonly attestations: AttestationDesk;
}

type CommonOptions = Omit<EdgeOptions, "registry" | "certificates" | "tracer" | "buffers">;

/** All on this thread. */
async function planeOfOne(
  common: CommonOptions,
  judges: PlaneParts,
  files: CertificateFiles | undefined,
): Promise<EdgePlane> {
  const { config, metrics, log } = common;
  const certificates = files === undefined ? undefined : await CertificateStore.load({ files: [files] });
  for (const warning of certificates?.warnings ?? []) log("warn", warning);
  return new Edge({
    ...common,
    tracer: createTracer({ ...config.otel, version }),
    buffers: new WireBuffers(loadCore()),
    registry: (parts) => new LocalRegistry({ config, metrics, ...judges, ...parts }),
    certificates,
  });
}

function planeOfWorkers(
  common: CommonOptions,
  parts: PlaneParts,
  certificateFiles: CertificateFiles | undefined,
  entry: string | undefined,
): EdgePlane {
  if (entry === undefined) throw new TypeError("no module for workers was given");
  return new WorkerPlane({ ...common, ...parts, certificateFiles, entry });
}

/** Calls every `everyMs`, the first time after as long. Returns what ends that. */
function repeat(clock: Clock, everyMs: number, call: () => void): () => void {
  let cancel = () => {};
  const schedule = () =>
    cancel = clock.schedule(clock.now() + everyMs, () => {
      call();
      schedule();
    });
  schedule();
  return () => cancel();
}

function writeLine(line: string): void {
  Deno.stderr.writeSync(utf8(line));
}

async function edgeListens(edge: EdgePlane, config: EdgeConfig): Promise<void> {
  try {
    await edge.start();
  } catch (cause) {
    if (cause instanceof PosternError) throw cause;
    throw listenFailed(formatAddress(config.listen), cause);
  }
}

/** Configured certificates; on loopback, development certificates; otherwise none, which is said. */
async function certificateFilesOf(
  config: EdgeConfig,
  state: StateDirectory,
  { clock, random, log }: { clock: Clock; random: Random; log: Log },
): Promise<{ files: CertificateFiles | undefined; caPath: string | undefined }> {
  const { certFile, keyFile } = config.tls;
  if (certFile !== null && keyFile !== null) {
    return { files: { certPath: certFile, keyPath: keyFile }, caPath: undefined };
  }
  if (!isLoopbackHost(config.listen.host)) {
    log("warn", "no certificate is configured: viewers and control requests are not encrypted", {});
    return { files: undefined, caPath: undefined };
  }
  const files = await loadOrMakeDevCertificates(state.path, { publicHost: config.publicHost, clock, random });
  return { files, caPath: files.caPath };
}

/** A retired key verifies for as long as a token that it signed may live, which is what the operator says. */
export function rotationOf({ tokens, reauth }: Pick<EdgeConfig, "tokens" | "reauth">): RotationPolicy {
  const { stage0Ms, stage1Ms, managementMs, recreateMaxMs } = tokens;
  const longestMs = Math.max(stage0Ms, stage1Ms, managementMs, recreateMaxMs, reauthLifeMs(reauth));
  return { ...defaultRotation, retainMs: longestMs + tokens.clockSkewMs };
}

function controlConfigOf(config: EdgeConfig): ControlConfig {
  const { tokens, limits } = config;
  return {
    ...controlDefaults,
    issuer: issuerOf(config),
    publicDomain: config.publicHost,
    anonymousTunnels: config.anonymousTunnels,
    tcpPorts: config.tcpPorts,
    udpPorts: config.udpPorts,
    tokens,
    attestation: config.attestation,
    identity: config.identity,
    reauth: { ...config.reauth, authorizerStatusUri: config.reauth.authorizerStatusUri ?? undefined },
    limits: {
      maxBodyBytes: limits.maxControlBodyBytes,
      maxTunnelsPerOwner: limits.maxTunnelsPerOwner,
      maxAnonymousTunnels: limits.maxAnonymousTunnels,
      maxTunnelsPerAddress: limits.maxTunnelsPerAddress,
      maxAgentsPerTunnel: limits.maxAgentsPerTunnel,
      maxMachines: limits.maxMachines,
      maxNodes: limits.maxNodes,
    },
  };
}

/** Where agents open their carrier. */
function carrierUrl(config: EdgeConfig, port: number): string {
  const secure = config.publicUrlScheme === "auto"
    ? config.tls.certFile !== null
    : config.publicUrlScheme === "https";
  return `${secure ? "wss" : "ws"}://${config.edgeHost ?? config.publicHost}:${config.publicUrlPort ?? port}`;
}

function presenceOf(edge: EdgePlane, tunnelId: string): Presence {
  const online = edge.sessions.ofTunnel(tunnelId).filter((session) => session.isOnline);
  const lastEchoAtMs = Math.max(0, ...online.map((session) => session.lastEchoAt));
  return {
    status: online.length > 0 ? "online" : "offline",
    agents: new Set(online.map((session) => session.agentId)).size,
    tiers: tierSchema.options.filter((tier) => online.some(({ claims }) => claims.tier === tier)),
    ...(lastEchoAtMs > 0 ? { lastEchoAtMs } : {}),
  };
}

function servedTunnels(edge: EdgePlane): ServedTunnel[] {
  const online = edge.sessions.all.filter((session) => session.isOnline);
  return [...Map.groupBy(online, ({ tunnelId }) => tunnelId)].map(([tunnelId, sessions]) => ({
    tunnelId,
    agents: new Set(sessions.map(({ agentId }) => agentId)).size,
    tiers: tierSchema.options.filter((tier) => sessions.some(({ claims }) => claims.tier === tier)),
  }));
}

function liveChannel(edgeId: string, session: SessionStatus): LiveChannel {
  const { attestation } = session;
  return {
    sessionId: session.session_id,
    edgeId,
    tunnelId: session.tunnel_id,
    agentId: session.agent_id,
    tier: session.tier,
    state: session.state,
    isOnline: session.online,
    rttMs: session.rtt_ms,
    sinceMs: session.since,
    lastEchoAtMs: session.last_echo_at ?? undefined,
    reauthDeadlineMs: attestation?.reauth_deadline ?? undefined,
    attestation: attestation?.state,
    attestedAtMs: attestation?.attested_at,
    streams: session.streams,
    requests: session.requests,
    bytesIn: session.bytes_in,
    bytesOut: session.bytes_out,
    remote: session.remote,
  };
}

function drainChannels(edge: EdgePlane, clock: Clock, which: DrainTarget, deadlineMs: number): number {
  const meant = edge.sessions.all.filter((session) =>
    "agentId" in which ? session.agentId === which.agentId : session.tunnelId === which.tunnelId
  );
  for (const { channel } of meant) channel.drain("draining", deadlineMs, clock.now());
  return meant.length;
}

function listenFailed(address: string, cause: unknown): PosternError {
  const state = cause instanceof Deno.errors.AddrInUse ? "it is in use" : "the system refuses";
  return new PosternError("listen_failed", `Cannot listen on ${address}: ${state}`, {
    cause,
    detail: { address },
  });
}
