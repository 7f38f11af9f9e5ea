/** What connector and tunneler share: an identity that renews itself, an admin listener, and an orderly end. */
import type { AgentConfig } from "../../src/config/mod.ts";
import { readSecretFile } from "../../src/config/mod.ts";
import { openPrivateDirectory, readAuthorities, systemClock, systemRandom } from "../../src/driver/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import { NodeCaller, type NodeFacts, type NodeRefusal, type TunnelerReport } from "../../src/nodes/mod.ts";
import type { NodeRole } from "../../src/pki/mod.ts";
import type { Clock, Log, Random } from "../../src/ports/mod.ts";
import {
  type AdminListener,
  createMetrics,
  type Metrics,
  metricsHandler,
  serveAdmin,
} from "../../src/telemetry/mod.ts";
import { version as programVersion } from "../../src/version.ts";
import { ControlClient } from "../control_client.ts";
import { proxyChooser } from "../egress.ts";
import {
  ekProver,
  EnrolledIdentity,
  type EnrolledIdentityOptions,
  hostKeyFileIn,
  identityFileIn,
  openToken,
  secretFilesOf,
} from "../identity/mod.ts";
import { ChannelControl } from "./channel_control.ts";

/** What may be put in place of the machine's own. */
export interface NodeDeps {
  readonly clock?: Clock;
  readonly random?: Random;
  readonly log: Log;
  readonly metrics?: Metrics;
  readonly adminMayMove?: boolean;
}

export interface RunningNode {
  readonly spiffeId: string;
  /** Port that tunnelers come to; undefined for a tunneler. */
  readonly port: number | undefined;
  readonly adminAddress: string | undefined;
  /** Whether an echo went all the way within the time of a channel. */
  readonly isOnline: () => boolean;
  stop(): Promise<void>;
  readonly finished: Promise<void>;
}

/** A node that has its identity. */
export interface NodeParts {
  readonly config: AgentConfig;
  readonly identity: EnrolledIdentity;
  readonly facts: NodeFacts;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  /** The channel to control, once it is begun. */
  readonly control: { caller?: NodeCaller };
  stop(): void;
}

/**
 * Takes the identity that is on disk, or enrolls by the token file.
 * @throws PosternError `node_not_enrolled`, `node_credentials_unusable`, `identity_file_malformed`, and what enrollment throws
 */
export async function openNode(
  role: Extract<NodeRole, "connector" | "tunneler">,
  config: AgentConfig,
  { clock = systemClock, random = systemRandom, log, metrics = createMetrics() }: NodeDeps,
): Promise<NodeParts> {
  const caCerts = config.caFile === null ? undefined : [await readAuthorities(config.caFile)];
  const api = new ControlClient({
    url: config.control,
    clock,
    caCerts,
    proxyFor: await proxyChooser(config, log),
    userAgent: `postern/${programVersion}`,
  });
  const control: NodeParts["control"] = {};
  const channel = new ChannelControl(() => control.caller?.link, () => identity.documents.revocations);
  const directory = config.stateDirectory.replace(/(?<=.)\/+$/, "");
  await openPrivateDirectory(directory);
  const options = {
    path: identityFileIn(directory),
    files: secretFilesOf(config, { clock, random, log }),
    controls: [channel, api],
    clock,
    random,
    log,
    ...(config.tpm === null ? {} : { proveEk: ekProver(config, config.tpm, api, { clock, random }) }),
    onRenewal: (result: string) => metrics.nodeRenewals.inc({ result }),
  };
  const identity: EnrolledIdentity = await EnrolledIdentity.load(options) ??
    await enrolled(role, config, options, directory);
  if (identity.id.role !== role) {
    throw new PosternError(
      "node_credentials_unusable",
      `Cannot run a ${role}: the identity in ${options.path} is of a ${identity.id.role}`,
    );
  }
  identity.start();
  metrics.buildInfo.set({ version: programVersion, role }, 1);
  metrics.startTimeSeconds.set(clock.wall() / 1_000);
  const { privateIp } = config.node;
  return {
    config,
    identity,
    facts: { version: programVersion, ...(privateIp === null ? {} : { privateIp }) },
    clock,
    random,
    log,
    metrics,
    control,
    stop() {
      identity.stop();
      api.close();
    },
  };
}

async function enrolled(
  role: string,
  { node: { enrollmentTokenFile } }: AgentConfig,
  options: EnrolledIdentityOptions,
  directory: string,
): Promise<EnrolledIdentity> {
  if (enrollmentTokenFile === null) {
    throw new PosternError(
      "node_not_enrolled",
      `Cannot run a ${role}: it has no identity in ${options.path}, and no enrollment token is configured`,
    );
  }
  const { secret, warning } = await readSecretFile(enrollmentTokenFile, Deno);
  if (warning !== undefined) options.log("warn", warning);
  return await EnrolledIdentity.enroll(
    options,
    await openToken(secret, hostKeyFileIn(directory), options.files),
  );
}

/** The channel to control, which also brings newer trust, and renewals. */
export function callControl(
  { config, identity, facts, control, clock, random, log, metrics }: NodeParts,
  hooks: {
    readonly tunnelers?: () => readonly TunnelerReport[];
    readonly onTunnelerEcho?: (tunneler: string, nonce: string) => void;
    readonly onAccess?: (tunnelers: readonly string[]) => void;
    readonly refusals?: () => readonly NodeRefusal[];
  },
): NodeCaller {
  const { role } = identity.id;
  const caller = new NodeCaller({
    addresses: config.node.control,
    expected: { expectedRole: "control" },
    identity,
    clock,
    random,
    log,
    facts,
    ...hooks,
    onHandshake: (result) => metrics.nodeHandshakes.inc({ result }),
    onHeartbeat: (result) => metrics.nodeHeartbeats.inc({ role, result }),
  });
  control.caller = caller;
  caller.start();
  return caller;
}

/** `/healthz` answers while the process does, `/readyz` tells whether the node is online. Throws `admin_listen_failed`. */
export function serveNodeAdmin(
  { config, metrics, log }: NodeParts,
  mayMove: boolean,
  status: () => { readonly ready: boolean } & Readonly<Record<string, unknown>>,
): AdminListener | undefined {
  if (config.adminListen === null) return undefined;
  const page = metricsHandler(metrics.registry);
  return serveAdmin({
    listen: config.adminListen,
    mayMove,
    log,
    answer: (request) => {
      const { pathname } = new URL(request.url);
      const headers = { "cache-control": "no-store", "x-content-type-options": "nosniff" };
      if (request.method !== "GET" && request.method !== "HEAD") {
        return new Response("Method not allowed\n", { status: 405, headers: { allow: "GET, HEAD" } });
      }
      const now = status();
      switch (pathname) {
        case "/healthz":
          return Response.json({ status: "ok" }, { headers });
        case "/readyz":
          return now.ready
            ? Response.json({ status: "ready" }, { headers })
            : Response.json({ status: "not ready" }, { status: 503, headers });
        case "/status":
          return Response.json(now, { headers });
        case "/metrics":
          return page(request);
        default:
          return new Response("Not found\n", { status: 404, headers });
      }
    },
  });
}

/** Throws `config_address_missing`. */
export function demandAddresses(addresses: readonly unknown[], key: string): void {
  if (addresses.length > 0) return;
  throw new PosternError("config_address_missing", `Cannot run the node: ${key} names no address`);
}
