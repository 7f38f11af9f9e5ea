/** Composition root: an edge with the control plane embedded, from one configuration. */
import { adminApp } from "./admin.ts";
import { openAdminOidc } from "./admin_oidc.ts";
import { boundKeyVerifier } from "./attestation/mod.ts";
import { AuthorizerHealth } from "./authorizer_health.ts";
import { toBase64Url, utf8 } from "./bytes/mod.ts";
import { carrierUrlOf, controlUrlOf, type EdgeConfig, isLoopbackHost, trustDomainOf } from "./config/mod.ts";
import {
  controlApp,
  type ControlDeps,
  endingWarnings,
  NodeAuthorities,
  openKeyset,
  PolicyBook,
  policyChooser,
  startRevocationWatch,
  startUpkeep,
  tpmTrust,
  tpmVerifier,
} from "./control/mod.ts";
import { controlEvents } from "./control_events.ts";
import { controlConfigOf, rotationOf } from "./control_settings.ts";
import { dashboard as dashboardOf } from "./dashboard/mod.ts";
import { AuthorityDirectory, systemClock, systemRandom } from "./driver/mod.ts";
import type { EdgePlane } from "./edge/mod.ts";
import { certificateFilesOf } from "./edge_certificates.ts";
import { EdgeDirectory } from "./edge_directory.ts";
import { makePlane, startPlane } from "./edge_plane.ts";
import { EdgeQuestions } from "./edge_questions.ts";
import { FellowEdges } from "./fellow_edges.ts";
import { offerFirstAdministrator } from "./first_administrator.ts";
import { attachAudit } from "./attach_audit.ts";
import { attachGate } from "./attach_gate.ts";
import { knownRoute } from "./known_route.ts";
import { answerOf, presenceOf, servedTunnels } from "./live_channels.ts";
import { NodePort } from "./node_port.ts";
import { openStore } from "./open_store.ts";
import { OperatorToken } from "./operator_token.ts";
import type { Clock, Log, Random } from "./ports/mod.ts";
import { PrivateDelivery } from "./private_delivery.ts";
import { publicApp } from "./public_app.ts";
import { Readiness } from "./readiness.ts";
import { StateDirectory } from "./state_directory.ts";
import { type AdminListener, createLog, createMetrics, type Metrics, serveAdmin } from "./telemetry/mod.ts";
import { tokenGate } from "./token_gate.ts";
import { isForeignSubject, type OpenTokenVerifier, openTokenVerifier } from "./tokens/mod.ts";
import { TrustedManufacturers } from "./trusted_manufacturers.ts";
import { VerifierCredentialsFile } from "./verifier_credentials_file.ts";
import { version } from "./version.ts";

export { makeOwnerLink, type OwnerLink } from "./first_administrator.ts";

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
 * @throws PosternError `state_directory_unusable`, `state_directory_in_use`, `store_*`, `listen_failed`, `admin_listen_failed`, `jwks_invalid`,
 * `hmac_secret_weak`, `verifier_credentials_invalid`, `secret_file_*`, `ek_roots_unusable`, `ek_revocations_unusable`, and certificate codes
 */
export async function startEdge(config: EdgeConfig, deps: EdgeDeps = {}): Promise<RunningEdge> {
  const clock = deps.clock ?? systemClock;
  const random = deps.random ?? systemRandom;
  const log = deps.log ??
    createLog({ ...config.log, wall: () => clock.wall(), write: writeLine });
  const metrics = deps.metrics ?? createMetrics();
  const state = await StateDirectory.open(config.stateDirectory);
  const held = await state.hold({ isSuccessor: config.takeOver, clock });
  const store = await openStore(config, state, { clock, log, metrics }).catch((error) => {
    held[Symbol.dispose]();
    throw error;
  });
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
    const verifierFile = await VerifierCredentialsFile.open(config.tokens.verifyCredentialsFile, log);
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
    const instanceId = random(16).toHex();
    const directory = new EdgeDirectory({
      store,
      clock,
      log,
      instanceId,
      own: () => ({
        edgeId,
        edgeUrl: carrierUrlOf(config, edge.port),
        transport: "wss",
        region: config.region,
        priority: 0,
        publicKey: toBase64Url(edgeStatic.publicKey),
      }),
      served: () => servedTunnels(edge),
      takesOver: config.takeOver,
    });
    const questions = new EdgeQuestions({
      store,
      clock,
      random,
      log,
      self: { instanceId, edgeId },
      // A file is one edge's: there is nobody to hear a question.
      others: () => config.databaseUrlFile === null ? [] : directory.others(),
      answer: (question) => answerOf(question, { edge, edgeId, clock, directory }),
    });
    const delivery = new PrivateDelivery({
      edge: () => edge,
      directory,
      askEdges: questions.ask,
      announce: (announcement) => fellows.announce(announcement),
      own: () => ({
        edgeId,
        edgeUrl: carrierUrlOf(config, edge.port),
        publicKey: toBase64Url(edgeStatic.publicKey),
      }),
      edgeStatic,
      clock,
      random,
      log,
    });
    const controlDeps: ControlDeps & { clock: Clock } = {
      store,
      keyset,
      clock,
      random,
      config: controlConfig,
      edges: () => directory.edges(),
      presence: (tunnelId) => directory.presence(tunnelId, presenceOf(edge, tunnelId)),
      askEdges: questions.ask,
      delivery,
      oidc: oidc?.provider,
      verifierCredentials: () => verifierFile.credentials,
      version,
      publicUrl: () => controlUrlOf(config, edge.port),
      events: controlEvents({
        edge: () => edge,
        fellows: () => fellows,
        nodes,
        state,
        metrics,
        log,
        onTokensRevoked: (owner) => onTokensRevoked(owner),
      }),
      log,
      identities,
      machineTrust: tpmTrust(() => manufacturers.trust),
      verifiers: [
        boundKeyVerifier,
        tpmVerifier({ ...policyChoice, log, checkTrust: (machine) => manufacturers.check(machine) }),
      ],
      policyOf: policyChooser(policyChoice),
    };
    const operatorToken = new OperatorToken({
      deps: controlDeps,
      state,
      clock,
      log,
      // At half its life, so that whoever reads the file has hours left.
      everyMs: config.tokens.managementMs / 2,
    });
    const onTokensRevoked = (owner: string | undefined) => {
      if (owner !== undefined && isForeignSubject(owner)) edge.cutTunnel(owner, "token_revoked");
      edge.cutTenant(owner);
      operatorToken.onRevoked(owner);
    };
    const control = controlApp(controlDeps);
    const dashboard = dashboardOf({
      control: controlDeps,
      api: async (request, clientIp) => await control.fetch(request, { clientIp }),
      traffic: async () => await edge.traffic(),
      load: async () =>
        (await edge.status()).sessions.map(({ online, streams }) => ({ isOnline: online, streams })),
      clock,
    });
    const tokens = tokenGate(tokenVerifier.verifier, store, clock, controlConfig);
    const attaches = attachGate(keyset, store, clock, controlConfig);
    // An edge that begins has no channel: whatever this one had before is over, not merely unknown.
    if (!config.takeOver) {
      const lapsed = await store.lapseAttestations(edgeId, "channel_closed");
      if (lapsed > 0) log("info", "attestations of before are over", { attestations: lapsed });
    }
    const edge: EdgePlane = await makePlane({
      config,
      edgeId,
      version,
      clock,
      random,
      log,
      metrics,
      edgeStatic,
      control: publicApp({
        control: async (request, clientIp) => await control.fetch(request, { clientIp }),
        dashboard,
        // Between threads answers go whole.
        canStream: config.workers === 1,
        readiness: { answer: () => readiness.answer() },
        rates: controlConfig.rates,
        clock,
      }),
      knownRoute: (hostname) => knownRoute(store, config, hostname),
      tokens,
      attaches,
      onAttachRefused: attachAudit({ store, clock, log }),
      attestations: {
        hold: (hold) => store.holdAttestation({ ...hold, holder: edgeId }),
        step: (id, step) => store.stepAttestation(id, step),
        defer: (deferral) => store.deferAttestation(deferral),
        endDeferral: (tunnelId, agentId) => store.endDeferral(tunnelId, agentId),
        deferralSpent: (tunnelId, agentId) => store.deferralSpent(tunnelId, agentId),
        lost: (tunnelId, agentId) => {
          edge.cutRelayed(tunnelId, agentId);
          fellows.announce({ kind: "attestation_lapsed", tunnelId, agentId });
        },
        isHealthy: (uri) => authorizer.isHealthy(uri),
      },
      certificateFiles: files,
      workerEntry: deps.workerEntry,
    });
    await operatorToken.write();
    const warnings = () => {
      const endings = endingWarnings(identities.state, clock.wall(), config.identity.expiryWarningMs);
      return [...new Set(endings.map(({ code }) => code))];
    };
    const readiness = new Readiness({ edge, store, clock, warnings });
    await startPlane(edge, config);
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
      attaches,
      questions,
      clock,
      log,
      onTokensRevoked,
      onPrivate: (announcement) => delivery.heard(announcement),
      onNodeTrustChanged: () => void nodes.changed(),
    });
    await directory.start();
    await nodes.open(controlDeps, async () => {
      await edge.stop();
      await admin?.close();
    });
    operatorToken.start();
    const stopUpkeep = startUpkeep(controlDeps);
    const stopWatch = startRevocationWatch({
      store,
      clock,
      log,
      agents: () => [
        ...edge.sessions.all.filter(({ claims }) => claims.tier === "tpm").map((s) => s.agentId),
        ...edge.attached.flatMap(({ agent_id }) => agent_id ?? []),
      ],
      onMachineRevoked: (agentId) => edge.cutAgent(agentId),
    });
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
      operatorToken.stop();
      await admin?.close();
      await store.close();
      held[Symbol.dispose]();
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
        await Promise.all([
          edge.reload(),
          tokenVerifier.reload(),
          verifierFile.reload(),
          manufacturers.reload(),
        ]);
      },
      stop: () => stopping ??= stop(),
      finished: finished.promise,
    };
  } catch (error) {
    openVerifier?.stop();
    health?.close();
    openOidc?.close();
    await store.close();
    held[Symbol.dispose]();
    throw error;
  }
}

function writeLine(line: string): void {
  Deno.stderr.writeSync(utf8(line));
}
