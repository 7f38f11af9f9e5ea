/** From a stage 0 token to a stage 1 token: a challenge, evidence that answers it, a verdict. */
import { z } from "zod";
import {
  type Evidence,
  type EvidenceVerdict,
  judgeEvidence,
  type PcrSelection,
  pcrSelectionSchema,
} from "../attestation/mod.ts";
import { fromBase64Url, toBase64Url } from "../bytes/mod.ts";
import { codeOf, PosternError } from "../errors/mod.ts";
import {
  assertTierHeld,
  type IssuedToken,
  issueStage1,
  satisfiesTier,
  type Tier,
  tierSchema,
  verifyStage0,
} from "../identity/mod.ts";
import type { AuditEntry, TunnelRecord } from "../ports/mod.ts";
import { audit } from "./audit.ts";
import type { ControlDeps } from "./config.ts";
import { anonymousPrefix, expectationOf } from "./credentials.ts";
import {
  attestationOf,
  beginAttestation,
  channelRoutesSchema,
  failAttestation,
  issueReauthToken,
  type LiveAttestation,
  liveAttestation,
  renewAttestation,
} from "./live_attestation.ts";
import { gone } from "./tunnel_terms.ts";

/** By what the agent may ask: a stage 0 token for a new channel, a reauth token for one that stands. */
export type ChallengeAuthority = { readonly stage0Token: string } | { readonly reauthToken: string };

export interface ChallengeRequest {
  readonly authority: ChallengeAuthority;
  /** base64url of 32 bytes each. */
  readonly sessionNonce: string;
  readonly handshakeHash: string;
  readonly agentStatic: string;
  /** Who the agent says it is; its evidence has to agree. */
  readonly agentId?: string;
  /** Re-authentication that the agent can answer. */
  readonly reauthVersion?: number;
}

export interface OpenChallenge {
  readonly challengeId: string;
  readonly authorityNonce: string;
  readonly policyVersion: string;
  /** What a quote has to cover. */
  readonly pcrs?: PcrSelection;
  readonly expiresAtMs: number;
}

/** What evidence has earned. */
export interface Attested {
  readonly stage1: IssuedToken;
  /** The agent's right to prove itself again; absent where it is never asked. */
  readonly reauth?: IssuedToken;
}

/** Challenges of one token, or attestation, that may be open: one is needed, a lost answer may cost another. */
const maxChallengesPerToken = 4;

/** What is remembered of a challenge. Written and read here only, but read back from a file: checked. */
const challengeSchema = z.object({
  purpose: z.enum(["channel-open", "channel-reauth"]),
  /** jti of the stage 0 token, or id of the attestation. */
  subject: z.string(),
  attestation_id: z.string().optional(),
  tunnel_id: z.string(),
  routes: channelRoutesSchema,
  session_nonce: z.string(),
  authority_nonce: z.string(),
  handshake_hash: z.string(),
  agent_static: z.string(),
  policy_version: z.string(),
  pcrs: pcrSelectionSchema.optional(),
  clock_before: z.object({ resetCount: z.number(), clockMs: z.number() }).optional(),
  agent_id: z.string().optional(),
  reauth_version: z.int().optional(),
});
type Challenge = z.infer<typeof challengeSchema>;

/** What the agent may prove itself for. */
type Subject = Pick<
  Challenge,
  "purpose" | "subject" | "attestation_id" | "tunnel_id" | "routes" | "agent_id"
>;

/**
 * Opens a challenge for a valid stage 0 token, or for an attestation that stands. The stage 0 token is not spent here: its
 * single use is the edge's to enforce. Throws the codes of tokens, `tunnel_gone`, `attestation_unknown`, `attestation_over`,
 * `attestation_failed`, `challenge_limit_reached`, `challenges_full`.
 */
export async function openChallenge(deps: ControlDeps, request: ChallengeRequest): Promise<OpenChallenge> {
  const { config, clock, random, store } = deps;
  const subject = await subjectOf(deps, request);
  const tunnel = await store.tunnel(subject.tunnel_id);
  if (tunnel === undefined) throw gone();
  const policy = await deps.policyOf(subject.agent_id);
  const challengeId = toBase64Url(random(16));
  const authorityNonce = toBase64Url(random(32));
  const expiresAtMs = clock.wall() + config.challengeMs;
  const challenge: Challenge = {
    ...subject,
    session_nonce: request.sessionNonce,
    authority_nonce: authorityNonce,
    handshake_hash: request.handshakeHash,
    agent_static: request.agentStatic,
    policy_version: policy.policyVersion,
    pcrs: policy.pcrs,
    clock_before: policy.clockBefore,
    reauth_version: request.reauthVersion,
  };
  const body = JSON.stringify(challenge);
  await store.putChallenge(
    { challengeId, expiresAtMs, body, subject: subject.subject, owner: ownerOf(tunnel) },
    maxChallengesPerToken,
  );
  const { policyVersion, pcrs } = policy;
  return { challengeId, authorityNonce, policyVersion, pcrs, expiresAtMs };
}

/** Everybody may have anonymous tunnels, as many as there are names: all of them count as one owner's. */
function ownerOf({ owner, anonymous }: TunnelRecord): string {
  return anonymous ? anonymousPrefix : owner;
}

async function subjectOf(
  deps: ControlDeps,
  { authority, agentId, agentStatic }: ChallengeRequest,
): Promise<Subject> {
  if ("reauthToken" in authority) {
    const live = await attestationOf(deps, authority.reauthToken);
    if (agentStatic !== live.agentStatic || (agentId ?? live.agentId) !== live.agentId) {
      throw new PosternError("attestation_unknown", "Cannot renew attestation: it is another channel's");
    }
    const { attestationId, tunnelId, routes } = live;
    return {
      purpose: "channel-reauth",
      subject: attestationId,
      attestation_id: attestationId,
      tunnel_id: tunnelId,
      routes,
      agent_id: live.agentId, // whoever else proves itself proves nothing for this channel
    };
  }
  const stage0 = await verifyStage0(authority.stage0Token, deps.keyset, {
    ...expectationOf(deps),
    audience: deps.config.edgeAudience,
  });
  const aud = typeof stage0.aud === "string" ? [stage0.aud] : stage0.aud;
  const routes = channelRoutesSchema.parse({ ...stage0, aud });
  return {
    purpose: "channel-open",
    subject: stage0.jti,
    tunnel_id: stage0.sub,
    routes,
    agent_id: agentId,
  };
}

/**
 * Judges the answer to a challenge; whatever comes of it, the challenge is spent. Throws `challenge_unknown`,
 * `challenge_expired`, `policy_changed`, `evidence_wrong_agent`, `tunnel_gone`, `agent_limit_reached`, what the verifier of the
 * evidence throws, and for an attestation what {@link openChallenge} throws about it.
 */
export async function answerChallenge(
  deps: ControlDeps,
  challengeId: string,
  evidence: Evidence,
): Promise<Attested> {
  const challenge = await takeChallenge(deps, challengeId);
  try {
    const standing = challenge.attestation_id === undefined
      ? undefined
      : await liveAttestation(deps, challenge.attestation_id);
    const verdict = await judgeOf(deps, challenge, standing, evidence);
    await bindAgent(deps, challenge.tunnel_id, verdict);
    if (standing !== undefined) await renewAttestation(deps, standing);
    const attestation = standing ?? await beginAttestation(deps, {
      tunnelId: challenge.tunnel_id,
      agentId: verdict.agentId,
      agentStatic: challenge.agent_static,
      tier: verdict.tier,
      resetCount: verdict.resetCount,
      routes: challenge.routes,
    });
    const stage1 = await issueStage1Token(deps, challenge, verdict, attestation?.attestationId);
    const reauth = attestation === undefined ? undefined : await issueReauthToken(deps, attestation);
    // A proof that says the same again is told by the attestation: as lines they would push all others out of the log.
    if (standing === undefined) {
      await auditEvidence(deps, challenge, verdict.agentId, "ok", { tier: verdict.tier });
    }
    deps.events.onTokenIssued?.("stage1");
    deps.events.onEvidenceJudged?.("ok", verdict.tier);
    return { stage1, reauth };
  } catch (error) {
    await auditEvidence(deps, challenge, "unproven", codeOf(error), refusalFacts(challenge, evidence, error));
    deps.events.onEvidenceJudged?.(codeOf(error), kindOf(evidence));
    throw error;
  }
}

/** The verdict; one against an attestation that stands is remembered before anybody hears of it. */
async function judgeOf(
  deps: ControlDeps,
  challenge: Challenge,
  standing: LiveAttestation | undefined,
  evidence: Evidence,
): Promise<EvidenceVerdict> {
  try {
    const verdict = await judge(deps, challenge, evidence);
    if (standing !== undefined) {
      assertTierHeld(standing.tier, verdict.tier);
      // Another channel may have been opened since the reset: this one was not.
      if (standing.resetCount !== verdict.resetCount) {
        throw new PosternError(
          "attestation_reset",
          "Cannot renew attestation: its TPM was reset since the channel opened",
        );
      }
    }
    return verdict;
  } catch (error) {
    if (standing !== undefined) await failAttestation(deps, standing, error);
    throw error;
  }
}

async function takeChallenge(deps: ControlDeps, challengeId: string): Promise<Challenge> {
  const record = await deps.store.takeChallenge(challengeId);
  if (record === undefined) {
    throw new PosternError("challenge_unknown", "Cannot accept evidence: its challenge is not open");
  }
  if (deps.clock.wall() >= record.expiresAtMs) {
    throw new PosternError("challenge_expired", "Cannot accept evidence: its challenge has expired");
  }
  return challengeSchema.parse(JSON.parse(record.body));
}

async function judge(deps: ControlDeps, challenge: Challenge, evidence: Evidence): Promise<EvidenceVerdict> {
  const { accepted } = await deps.policyOf(challenge.agent_id);
  if (!accepted.includes(challenge.policy_version)) {
    throw new PosternError(
      "policy_changed",
      "Cannot accept evidence: the policy changed after the challenge",
    );
  }
  const verdict = await judgeEvidence(evidence, {
    purpose: challenge.purpose,
    sessionNonce: fromBase64Url(challenge.session_nonce),
    authorityNonce: fromBase64Url(challenge.authority_nonce),
    handshakeHash: fromBase64Url(challenge.handshake_hash),
    agentStatic: fromBase64Url(challenge.agent_static),
    policyVersion: challenge.policy_version,
    pcrs: challenge.pcrs,
    clockBefore: challenge.clock_before,
  }, deps.verifiers);
  if (challenge.agent_id !== undefined && challenge.agent_id !== verdict.agentId) {
    throw new PosternError("evidence_wrong_agent", "Cannot accept evidence: another agent was challenged");
  }
  assertTierAdmitted(deps.config, verdict);
  return verdict;
}

/** A bounded set: the kind is a peer's text. */
function kindOf({ kind }: Evidence): Tier | "other" {
  return tierSchema.safeParse(kind).data ?? "other";
}

function assertTierAdmitted({ attestation }: ControlDeps["config"], { tier }: EvidenceVerdict): void {
  if (attestation.tiers.includes(tier)) return;
  throw tier === "bound-key"
    ? new PosternError("tier_too_weak", "Cannot admit agent: this control plane takes agents with a TPM only")
    : new PosternError(
      "evidence_kind_unsupported",
      "Cannot admit agent: its kind of evidence is not admitted",
    );
}

async function bindAgent(
  deps: ControlDeps,
  tunnelId: string,
  { agentId, tier }: EvidenceVerdict,
): Promise<void> {
  const { store, clock, config } = deps;
  const tunnel = await store.tunnel(tunnelId);
  if (tunnel === undefined) throw gone();
  if (!satisfiesTier(tier, tunnel.requireTier)) {
    throw new PosternError("tier_too_weak", `Cannot admit agent: the tunnel demands ${tunnel.requireTier}`);
  }
  const { maxAgentsPerTunnel } = config.limits;
  if (await store.bindAgent(tunnelId, agentId, clock.wall(), maxAgentsPerTunnel) !== "too_many") return;
  throw new PosternError("agent_limit_reached", "Cannot admit agent: the tunnel has as many as it may have");
}

function issueStage1Token(
  deps: ControlDeps,
  challenge: Challenge,
  verdict: EvidenceVerdict,
  attestationId: string | undefined,
): Promise<IssuedToken> {
  const { config, clock, random, keyset } = deps;
  const { intervalMs, graceMs, maintenanceCapMs, authorizerStatusUri } = config.reauth;
  const nowMs = clock.wall();
  return issueStage1(
    {
      iss: config.issuer,
      ...challenge.routes,
      sub: challenge.tunnel_id,
      agent_id: verdict.agentId,
      session_nonce: challenge.session_nonce,
      handshake_hash: challenge.handshake_hash,
      agent_static: challenge.agent_static,
      ...(attestationId === undefined ? {} : { attestation_id: attestationId }),
      ...(challenge.reauth_version === undefined ? {} : { reauth_version: challenge.reauth_version }),
      ...(intervalMs === 0 ? {} : { reauth_interval_seconds: Math.ceil(intervalMs / 1_000) }),
      reauth_grace_seconds: Math.ceil(graceMs / 1_000),
      maintenance_grace_cap_seconds: Math.ceil(maintenanceCapMs / 1_000),
      ...(authorizerStatusUri === undefined ? {} : { authorizer_status_uri: authorizerStatusUri }),
      policy_version: verdict.policyVersion ?? challenge.policy_version,
      issued_at_quote: Math.floor(nowMs / 1_000),
      tier: verdict.tier,
    },
    keyset,
    { nowMs, random, ttlSeconds: Math.floor(config.tokens.stage1Ms / 1_000) },
  );
}

/** What an operator wants to know of a refusal. Who was asked is not who answered, as long as nothing is proved. */
function refusalFacts(challenge: Challenge, evidence: Evidence, error: unknown): AuditEntry["detail"] {
  const { policy, pcrs } = error instanceof PosternError ? error.detail : {};
  return {
    tier: kindOf(evidence),
    ...(challenge.agent_id === undefined ? {} : { asked: challenge.agent_id }),
    ...(policy === undefined ? {} : { policy }),
    ...(pcrs === undefined ? {} : { pcrs }),
  };
}

async function auditEvidence(
  deps: ControlDeps,
  challenge: Challenge,
  agentId: string,
  outcome: string,
  facts: AuditEntry["detail"],
): Promise<void> {
  await audit(deps, {
    actor: agentId,
    action: "agent.attest",
    subject: challenge.tunnel_id,
    outcome,
    detail: {
      purpose: challenge.purpose,
      ...(challenge.attestation_id === undefined
        ? { stage0_jti: challenge.subject }
        : { attestation_id: challenge.attestation_id }),
      policy_version: challenge.policy_version,
      ...facts,
    },
  });
}
