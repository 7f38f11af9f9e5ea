/** A control plane on a virtual clock and a store in memory, asked without sockets. */
import assert from "node:assert/strict";
import {
  boundKeyVerifier,
  type EvidenceProvider,
  type EvidencePurpose,
  qualifyingData,
} from "../../src/attestation/mod.ts";
import { noEkTrust } from "../../src/attestation/ek/mod.ts";
import { fromBase64Url, toBase64Url } from "../../src/bytes/mod.ts";
import {
  controlApp,
  type ControlConfig,
  controlDefaults,
  type ControlDeps,
  type EdgeDescription,
  issueManagementToken,
  type LiveChannel,
  lookedUp,
  NodeAuthorities,
  openKeyset,
  PolicyBook,
  policyChooser,
  type Presence,
  tpmTrust,
  tpmVerifier,
} from "../../src/control/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import { edgeDefaults } from "../../src/config/mod.ts";
import type { Role } from "../../src/identity/mod.ts";
import type { MachineRecord } from "../../src/ports/mod.ts";
import { openSqliteStore, type SqliteOptions } from "../../src/store/mod.ts";
import { MemoryVault } from "../support/memory_vault.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { countingRandom } from "../identity/support.ts";

const settings = edgeDefaults();

/** The limits of an edge that is not told otherwise. */
export const defaultLimits: ControlConfig["limits"] = {
  ...settings.limits,
  maxBodyBytes: settings.limits.maxControlBodyBytes,
};

export const issuer = "https://control.example";
/** The edge that answers. */
const ownEdge = "edge-1";
export const edgeKey = toBase64Url(new Uint8Array(32).fill(5));

export const edgeOf = (change: Partial<EdgeDescription> = {}): EdgeDescription => ({
  edgeId: "edge-1",
  edgeUrl: "wss://edge-1.example/channel",
  transport: "wss",
  region: "eu",
  priority: 1,
  publicKey: edgeKey,
  ...change,
});

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // deno-lint-ignore no-explicit-any -- tests look into answers of every shape
  readonly json: any;
}

export interface ControlOptions {
  readonly config?: Partial<ControlConfig>;
  readonly edges?: readonly EdgeDescription[];
  readonly store?: SqliteOptions;
  readonly verifiers?: ControlDeps["verifiers"];
  readonly policyOf?: ControlDeps["policyOf"];
  readonly machineTrust?: ControlDeps["machineTrust"];
  /** Any machine that is enrolled is believed unless given. */
  readonly checkTrust?: (machine: MachineRecord) => void;
  readonly requirePolicy?: boolean;
  readonly oidc?: (
    deps: Pick<ControlDeps & { clock: VirtualClock }, "clock" | "random">,
  ) => ControlDeps["oidc"];
  readonly delivery?: ControlDeps["delivery"];
  readonly vault?: MemoryVault;
  /** Where the wall clock starts; the first day of 2026 unless given. */
  readonly wallMs?: number;
  /** Counts unless given: it comes around after 256 bytes. */
  readonly random?: ControlDeps["random"];
}

/** No agent of a private service is online. */
export const noDelivery: ControlDeps["delivery"] = {
  locate: () => Promise.resolve(undefined),
  offer: () => Promise.reject(new PosternError("private_service_offline")),
};

/** Opens a control plane; `await using` closes it. */
export async function openControl(options: ControlOptions = {}) {
  const clock = new VirtualClock(options.wallMs);
  const random = options.random ?? countingRandom(7);
  const store = openSqliteStore(":memory:", { wall: () => clock.wall(), ...options.store });
  const keyset = await openKeyset({ store, clock, random });
  const presences = new Map<string, Presence>();
  const channels: LiveChannel[] = [];
  const drained: string[] = [];
  /** Edges that do not answer. */
  const silent: string[] = [];
  const deleted: string[] = [];
  const changed: { tunnelId: string; revision: number; value: string }[] = [];
  const failed: string[] = [];
  const logged: string[] = [];
  const log: ControlDeps["log"] = (level, event, fields) =>
    void logged.push(JSON.stringify({ level, event, ...fields }));
  const choice = { store, clock, book: new PolicyBook(store), requirePolicy: options.requirePolicy ?? false };
  const deps: ControlDeps & { clock: VirtualClock } = {
    store,
    keyset,
    clock,
    random,
    config: {
      ...controlDefaults,
      tokens: settings.tokens,
      attestation: settings.attestation,
      identity: settings.identity,
      grants: settings.privateChannels,
      limits: defaultLimits,
      issuer,
      publicDomain: "tunnel.example",
      ...options.config,
    },
    edges: () => options.edges ?? [edgeOf()],
    presence: (tunnelId) => presences.get(tunnelId) ?? { status: "offline", agents: 0, tiers: [] },
    delivery: options.delivery ?? noDelivery,
    askEdges(question, edgeId = ownEdge) {
      if (edgeId !== ownEdge) throw new PosternError("edge_unknown");
      const rows = question.kind === "drain"
        ? [drained.push(`${Object.values(question.which)[0]} ${question.deadlineMs}`)]
        : question.kind === "resume"
        ? [drained.push(edgeId)]
        : lookedUp(question, channels, { edgeId, version: "1.2.3", isDrained: false });
      return Promise.resolve({ answers: [{ edgeId, rows }], silent });
    },
    oidc: options.oidc?.({ clock, random }),
    version: "1.2.3",
    publicUrl: () => issuer,
    events: {
      onTunnelDeleted: (tunnelId, reason) => void deleted.push(`${tunnelId} ${reason}`),
      onRulesChanged: (tunnelId, rules) => void changed.push({ tunnelId, ...rules }),
      onRevoked: (owner, tunnels) =>
        deleted.push(...tunnels.map((tunnelId) => `${tunnelId} ${owner} revoked`)),
      onAttestationFailed: (tunnelId, agentId) => void failed.push(`${tunnelId} ${agentId}`),
      onTierRequired: (tunnelId) => void deleted.push(`${tunnelId} demands tpm`),
      onMachineRevoked: (agentId) => void deleted.push(`${agentId} revoked`),
    },
    log,
    identities: await NodeAuthorities.open({
      store,
      vault: options.vault ?? new MemoryVault(),
      clock,
      random,
      log,
      trustDomain: "tunnel.example",
    }),
    verifiers: options.verifiers ??
      [boundKeyVerifier, tpmVerifier({ ...choice, log, checkTrust: options.checkTrust ?? (() => {}) })],
    machineTrust: options.machineTrust ?? tpmTrust(() => noEkTrust),
    policyOf: options.policyOf ?? policyChooser(choice),
  };
  const app = controlApp(deps);

  const send = async (request: Request, clientIp = "192.0.2.1"): Promise<Answer> => {
    const response = await app.fetch(request, { clientIp });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      json: text === "" ? undefined : JSON.parse(text),
    };
  };
  return {
    deps,
    app,
    clock,
    store,
    keyset,
    presences,
    channels,
    drained,
    silent,
    deleted,
    changed,
    failed,
    logged,
    send,
    get: (path: string, token?: string) =>
      send(
        new Request(`${issuer}${path}`, {
          headers: token === undefined ? {} : { Authorization: `Bearer ${token}` },
        }),
      ),
    post: (path: string, body: unknown, token?: string, clientIp?: string) =>
      send(
        new Request(`${issuer}${path}`, {
          method: "POST",
          headers: {
            "Content-Type": "application/json",
            ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
          },
          body: JSON.stringify(body),
        }),
        clientIp,
      ),
    tokenOf: async (owner: string, role: Role = "member") =>
      (await issueManagementToken(deps, owner, role)).token,
    [Symbol.asyncDispose]: () => store.close(),
  };
}

export type Control = Awaited<ReturnType<typeof openControl>>;

/** Asserts a problem document of this code, complete and with the status that the answer has. */
export function assertProblem(answer: Answer, status: number, code: string): void {
  assert.equal(answer.json?.code, code, JSON.stringify(answer.json));
  assert.equal(answer.status, status);
  assert.equal(answer.json.status, status);
  assert.equal(answer.json.type, `urn:postern:error:${code}`);
  assert.equal(answer.headers.get("Content-Type"), "application/problem+json");
  assert.equal(answer.headers.get("X-Request-Id"), answer.json.request_id);
  for (const field of ["title", "detail", "request_id"]) assert.ok(answer.json[field].length > 0, field);
}

/** 32 equal bytes, base64url. */
export const binding = (value: number) => toBase64Url(new Uint8Array(32).fill(value));

export const channelFields = {
  session_nonce: binding(1),
  handshake_hash: binding(2),
  agent_static: binding(3),
};

/**
 * The agent's part: asks for a challenge and proves; returns the body of POST /attest/evidence.
 * @param purpose with channel-reauth the judge is asked as if for a channel that stands, without one that does
 */
export async function answerFor(
  control: Control,
  provider: EvidenceProvider,
  stage0Token: string,
  purpose: EvidencePurpose = "channel-open",
  agentId = provider.agentId,
) {
  return await answerOf(control, provider, purpose, { stage0_token: stage0Token, agent_id: agentId });
}

/** As {@link answerFor}, on a channel that stands. */
export function answerAgain(control: Control, provider: EvidenceProvider, reauthToken: string) {
  return answerOf(control, provider, "channel-reauth", { reauth_token: reauthToken });
}

async function answerOf(
  control: Control,
  provider: EvidenceProvider,
  purpose: EvidencePurpose,
  authority: Record<string, string>,
) {
  const { status, json } = await control.post("/attest/challenge", {
    ...authority,
    ...channelFields,
    reauth_version: 1,
  });
  assert.equal(status, 200, JSON.stringify(json));
  const taken = (await control.store.takeChallenge(json.challenge_id))!;
  const body = JSON.stringify({ ...JSON.parse(taken.body), purpose });
  await control.store.putChallenge({ ...taken, body }, 9);
  const data = qualifyingData({
    purpose,
    sessionNonce: fromBase64Url(channelFields.session_nonce),
    authorityNonce: fromBase64Url(json.authority_nonce),
    handshakeHash: fromBase64Url(channelFields.handshake_hash),
    agentStatic: fromBase64Url(channelFields.agent_static),
    agentId: provider.agentId,
    policyVersion: json.policy_version,
  });
  return {
    challenge_id: json.challenge_id as string,
    evidence: await provider.prove({ qualifyingData: data, pcrs: json.pcr_selection }),
  };
}
