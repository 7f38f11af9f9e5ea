/** Settings of the control plane, and what it is handed. */
import type { EvidenceVerifier, PcrSelection, TpmInstant } from "../attestation/mod.ts";
import type { Keyset, Tier, TokenKind, Transport } from "../identity/mod.ts";
import type { EdgeConfig } from "../config/mod.ts";
import type { Clock, Log, Random, Revised, Store } from "../ports/mod.ts";
import type { GrantDelivery } from "./grant_delivery.ts";
import type { OidcProvider } from "./admin/oidc.ts";
import type { Ending } from "./authority_expiry.ts";
import type { AskEdges } from "./edge_question.ts";
import type { MachineTrust } from "./machine_trust.ts";
import type { NodeAuthorities } from "./node_authorities.ts";
import type { VerifierCredentials } from "./verifier_credentials.ts";

/** A token bucket: `burst` at once, refilled evenly. */
export interface RateLimit {
  readonly perMinute: number;
  readonly burst: number;
}

/** Routes are limited in groups, each address on its own. */
export type RateGroup =
  | "create"
  | "manage"
  | "attest"
  | "enroll"
  | "identity"
  | "verify"
  | "grant"
  | "grant_owner"
  | "read"
  | "login"
  | "account"
  | "code"
  | "admin"
  | "health";

export interface ControlConfig {
  /** `iss` of every token. */
  readonly issuer: string;
  /** `aud` of the tokens that edges take. */
  readonly edgeAudience: readonly string[];
  /** A tunnel's hostname is `<name>.<publicDomain>`. */
  readonly publicDomain: string;
  /** Whether tunnels may be created without a token. */
  readonly anonymousTunnels: boolean;
  /** Public ports of tcp tunnels, both ends included; null: tcp is not offered. */
  readonly tcpPorts: { readonly first: number; readonly last: number } | null;
  /** Public ports of udp tunnels, as {@link tcpPorts}. */
  readonly udpPorts: { readonly first: number; readonly last: number } | null;
  /** Names refused in addition to the built-in ones. */
  readonly reservedNames: readonly string[];
  readonly tokens: EdgeConfig["tokens"];
  readonly attestation: Pick<EdgeConfig["attestation"], "tiers" | "requirePolicy">;
  readonly identity: EdgeConfig["identity"];
  readonly reauth: {
    /** 0: agents are never asked again. */
    readonly intervalMs: number;
    readonly graceMs: number;
    readonly maintenanceCapMs: number;
    /** https only; edges ask there before they cut an agent that cannot attest. */
    readonly authorizerStatusUri?: string;
  };
  /** Of private channels. */
  readonly grants: EdgeConfig["privateChannels"];
  /** Longest time between stage 0 and stage 1 on one channel. */
  readonly handshakeMaxAgeMs: number;
  /** Life of an attestation challenge. */
  readonly challengeMs: number;
  /** How long the candidates of an answer are worth trying. */
  readonly candidatesMs: number;
  readonly limits: {
    /** Longest body of a request. */
    readonly maxBodyBytes: number;
    readonly maxTunnelsPerOwner: number;
    readonly maxAnonymousTunnels: number;
    readonly maxTunnelsPerAddress: number;
    readonly maxAgentsPerTunnel: number;
    readonly maxMachines: number;
    readonly maxNodes: number;
  };
  readonly rates: Readonly<Record<RateGroup, RateLimit>>;
}

/** What is no setting. */
export const controlDefaults: Omit<
  ControlConfig,
  "issuer" | "publicDomain" | "tokens" | "attestation" | "identity" | "grants" | "limits"
> = Object
  .freeze({
    edgeAudience: ["postern-edge"],
    anonymousTunnels: false,
    tcpPorts: null,
    udpPorts: null,
    reservedNames: [],
    reauth: { intervalMs: 300_000, graceMs: 10_000, maintenanceCapMs: 1_800_000 },
    handshakeMaxAgeMs: 60_000,
    challengeMs: 30_000,
    candidatesMs: 300_000,
    rates: {
      create: { perMinute: 60, burst: 20 },
      manage: { perMinute: 120, burst: 40 },
      // Two requests of each channel whenever it opens and is proved again, and a thousand channels may share an address:
      // who cannot ask in time is cut. A request without a valid token costs one check of a signature.
      attest: { perMinute: 6_000, burst: 2_000 },
      enroll: { perMinute: 120, burst: 60 },
      // A thousand connectors behind one address renew 300 times a minute, with two requests each, and ask for the
      // revocation list and the bundle once a minute.
      identity: { perMinute: 6_000, burst: 1_000 },
      // Two for each channel that opens at an edge elsewhere.
      verify: { perMinute: 6_000, burst: 2_000 },
      // A connection that begins costs one; an office may share an address.
      grant: { perMinute: 600, burst: 200 },
      grant_owner: { perMinute: 300, burst: 100 },
      read: { perMinute: 300, burst: 100 },
      // Each may cost a hash of 40 ms.
      login: { perMinute: 12, burst: 12 },
      // Passwords for one account, from wherever they come.
      account: { perMinute: 6, burst: 12 },
      // Codes of one account, of which three in a million are right at a time: one guess in some 200 days.
      code: { perMinute: 1, burst: 6 },
      admin: { perMinute: 600, burst: 200 },
      // Balancers ask every second or so, some of them from one address.
      health: { perMinute: 1_200, burst: 200 },
    },
  });

/** An edge that agents may connect to. */
export interface EdgeDescription {
  readonly edgeId: string;
  /** `wss://…`, or `ws://…` for development on loopback. */
  readonly edgeUrl: string;
  readonly transport: Transport;
  readonly region: string;
  /** Lower is tried first. */
  readonly priority: number;
  /** The edge's Noise static public key, base64url of 32 bytes. */
  readonly publicKey: string;
  readonly note?: string;
}

/** Whether a tunnel is served now; said by whoever holds the channels. */
export interface Presence {
  readonly status: "online" | "offline";
  /** Agents that serve it. */
  readonly agents: number;
  /** How well their identities are kept, each once, the strongest first. */
  readonly tiers: readonly Tier[];
  /** Last byte that came back end to end: wall clock, Unix milliseconds. */
  readonly lastEchoAtMs?: number;
}

/** A channel of an agent as it stands now. Times are wall clock, Unix milliseconds. */
export interface LiveChannel {
  readonly sessionId: string;
  readonly edgeId: string;
  readonly tunnelId: string;
  readonly agentId: string;
  readonly tier: Tier;
  readonly state: string;
  readonly isOnline: boolean;
  readonly rttMs: number;
  readonly sinceMs: number;
  readonly lastEchoAtMs?: number;
  /** By when the agent has to have proved itself again; absent: it is not asked. */
  readonly reauthDeadlineMs?: number;
  readonly attestation?: "passed" | "asked" | "deferred";
  /** When its evidence was judged last and held. */
  readonly attestedAtMs?: number;
  readonly streams: number;
  readonly requests: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly remote: string;
}

/** Why a tunnel was deleted. */
export type DeletionReason = "deleted" | "abandoned";

/** What others must hear of. Must not throw. */
export interface ControlEvents {
  /** The edge cuts the tunnel's live channels. */
  onTunnelDeleted(tunnelId: string, reason: DeletionReason): void;
  /** Edges hold these rules for the tunnel from now on. */
  onRulesChanged(tunnelId: string, rules: Revised<string>): void;
  /** The tunnel demands agents with a TPM from now on: the edge cuts its channels of agents without. */
  onTierRequired?(tunnelId: string): void;
  /** The owner's tokens were revoked, all of them or a family: the edge cuts the live channels of these tunnels. */
  onRevoked?(owner: string | undefined, tunnelIds: readonly string[]): void;
  /** The agent's machine was revoked: the edge cuts every live channel of it. */
  onMachineRevoked?(agentId: string): void;
  /** A machine failed to renew its attestation: edges cut its channels for the tunnel. */
  onAttestationFailed?(tunnelId: string, agentId: string): void;
  /** Somebody made an account by a link. */
  onAdministrator?(): void;
  /** For metrics. */
  onTokenIssued?(kind: TokenKind): void;
  /** For metrics: `begun`, `enrolled`, `renewed` or an error code. */
  onEnrollment?(outcome: string): void;
  /** Trust bundle or revocation list of nodes is another one: everybody checks open connections again. */
  onNodeTrustChanged?(): void;
  /** For metrics: when what counts as an authority of nodes ends; told every minute. */
  onAuthoritiesEnd?(endings: readonly Ending[]): void;
  /** For metrics: `identity.enroll` or `identity.renew`, and `ok` or an error code. */
  onIdentity?(step: string, outcome: string): void;
  /** For metrics: a token was judged for an edge elsewhere: `ok` or why not. */
  onTokenJudged?(outcome: string): void;
  /** For metrics: `channel.init` or `channel.reissue`, and `ok` or an error code. */
  onGrant?(step: string, outcome: string): void;
  /** For metrics: `ok` or an error code; how the agent wanted to prove itself, `other` when that is not judged here. */
  onEvidenceJudged?(outcome: string, kind: Tier | "other"): void;
}

export interface ControlDeps {
  readonly store: Store;
  readonly keyset: Keyset;
  readonly clock: Pick<Clock, "now" | "wall">;
  readonly random: Random;
  readonly config: ControlConfig;
  /** Edges that are in service now. */
  readonly edges: () => readonly EdgeDescription[];
  readonly presence: (tunnelId: string) => Presence | Promise<Presence>;
  /** What edges have now, and what they are told to do: this one, and all others that share the store. */
  readonly askEdges: AskEdges;
  /** Reaches the agents of private services. */
  readonly delivery: GrantDelivery;
  /** Who administrators may sign in by, besides a password. */
  readonly oidc?: OidcProvider;
  /** Edges that may have tokens judged; absent: none, and there is no such endpoint. */
  readonly verifierCredentials?: () => VerifierCredentials | undefined;
  /** Of this program. */
  readonly version: string;
  /** Where people reach control, for links: scheme, host, and port unless it is the usual one. */
  readonly publicUrl: () => string;
  readonly events: ControlEvents;
  readonly log: Log;
  /** Kinds of evidence that are admitted. */
  readonly verifiers: readonly EvidenceVerifier[];
  /** Issues certificates of nodes. */
  readonly identities: NodeAuthorities;
  /** Judges TPMs that want to enroll. */
  readonly machineTrust: MachineTrust;
  /** What an agent's evidence is judged under now. The id is what the agent says: its evidence has to prove it. */
  readonly policyOf: (agentId: string | undefined) => Promise<PolicyInForce>;
}

/** The policy that counts for an agent. */
export interface PolicyInForce {
  /** `policy@version`. */
  readonly policyVersion: string;
  /** All versions that are accepted now: the one above, and the one before it in the window of an update. */
  readonly accepted: readonly string[];
  /** What its quotes have to cover; absent for agents without a TPM. */
  readonly pcrs?: PcrSelection;
  /** Where the clock of its TPM stands, as far as is known. */
  readonly clockBefore?: TpmInstant;
}

/** The policy of agents without a TPM: nothing is measured there. */
export const unmeasured: PolicyInForce = Object.freeze({
  policyVersion: "default@1",
  accepted: ["default@1"],
});

/** `aud` of the tokens that control itself takes. */
export const controlAudience = "postern-control";
