/** From a stage 0 token to a stage 1 token: a challenge, evidence that answers it, a verdict. */
import { z } from "zod";
import {
  type Evidence,
  type EvidencePurpose,
  type EvidenceVerdict,
  judgeEvidence,
  type PcrSelection,
  pcrSelectionSchema,
} from "../attestation/mod.ts";
import { fromBase64Url, toBase64Url } from "../bytes/mod.ts";
import { codeOf, PosternError } from "../errors/mod.ts";
import { type IssuedToken, issueStage1, type Stage0Claims, verifyStage0 } from "../identity/mod.ts";
import type { ControlDeps, PolicyInForce } from "./config.ts";
import { expectationOf } from "./credentials.ts";
import { gone } from "./tunnels.ts";

export interface ChallengeRequest {
  readonly stage0Token: string;
  readonly purpose: EvidencePurpose;
  /** base64url of 32 bytes each. */
  readonly sessionNonce: string;
  readonly handshakeHash: string;
  readonly agentStatic: string;
  /** Who the agent says it is; its evidence has to agree. */
  readonly agentId?: string;
}

export interface OpenChallenge {
  readonly challengeId: string;
  readonly authorityNonce: string;
  readonly policyVersion: string;
  /** What a quote has to cover. */
  readonly pcrs?: PcrSelection;
  readonly expiresAtMs: number;
}

/** Challenges of one stage 0 token that may be open: one is needed, a lost answer may cost another. */
const maxChallengesPerToken = 4;

/** What is remembered of a challenge. Written and read here only, but read back from a file: checked. */
const challengeSchema = z.object({
  purpose: z.enum(["channel-open", "channel-reauth"]),
  stage0_jti: z.string(),
  tunnel_id: z.string(),
  aud: z.array(z.string()),
  hostnames: z.array(z.string()),
  tls_hostnames: z.array(z.string()).default([]),
  tcp_ports: z.array(z.number()),
  udp_ports: z.array(z.number()).default([]),
  weight: z.number(),
  session_nonce: z.string(),
  authority_nonce: z.string(),
  handshake_hash: z.string(),
  agent_static: z.string(),
  policy_version: z.string(),
  pcrs: pcrSelectionSchema.optional(),
  clock_before: z.object({ resetCount: z.number(), clockMs: z.number() }).optional(),
  agent_id: z.string().optional(),
});
type Challenge = z.infer<typeof challengeSchema>;

/**
 * Opens a challenge for a valid stage 0 token. The token is not spent here: its single use is the edge's to enforce.
 * Throws the codes of tokens, `tunnel_gone`, `challenge_limit_reached`, `challenges_full`.
 */
export async function openChallenge(deps: ControlDeps, request: ChallengeRequest): Promise<OpenChallenge> {
  const { config, clock, random, store } = deps;
  const stage0 = await verifyStage0(request.stage0Token, deps.keyset, {
    ...expectationOf(deps),
    audience: config.edgeAudience,
  });
  if (await store.tunnel(stage0.sub) === undefined) throw gone();
  const policy = await deps.policyOf(request.agentId);
  const challengeId = toBase64Url(random(16));
  const authorityNonce = toBase64Url(random(32));
  const expiresAtMs = clock.wall() + config.challengeMs;
  const body = JSON.stringify(challengeOf(policy, stage0, request, authorityNonce));
  await store.putChallenge({ challengeId, expiresAtMs, body, subject: stage0.jti }, maxChallengesPerToken);
  const { policyVersion, pcrs } = policy;
  return { challengeId, authorityNonce, policyVersion, pcrs, expiresAtMs };
}

/**
 * Judges the answer to a challenge; whatever comes of it, the challenge is spent. Throws `challenge_unknown`,
 * `challenge_expired`, `policy_changed`, `evidence_wrong_agent`, `tunnel_gone`, `agent_limit_reached`, and what the
 * verifier of the evidence throws.
 */
export async function answerChallenge(
  deps: ControlDeps,
  challengeId: string,
  evidence: Evidence,
): Promise<IssuedToken> {
  const challenge = await takeChallenge(deps, challengeId);
  try {
    const verdict = await judge(deps, challenge, evidence);
    await bindAgent(deps, challenge.tunnel_id, verdict.agentId);
    const issued = await issueStage1Token(deps, challenge, verdict);
    await audit(deps, challenge, verdict.agentId, "ok");
    deps.events.onTokenIssued?.("stage1");
    deps.events.onEvidenceJudged?.("ok");
    return issued;
  } catch (error) {
    await audit(deps, challenge, "unproven", codeOf(error));
    deps.events.onEvidenceJudged?.(codeOf(error));
    throw error;
  }
}

function challengeOf(
  policy: PolicyInForce,
  stage0: Stage0Claims,
  request: ChallengeRequest,
  authorityNonce: string,
): Challenge {
  return {
    purpose: request.purpose,
    stage0_jti: stage0.jti,
    tunnel_id: stage0.sub,
    aud: typeof stage0.aud === "string" ? [stage0.aud] : stage0.aud,
    hostnames: stage0.hostnames,
    tls_hostnames: stage0.tls_hostnames,
    tcp_ports: stage0.tcp_ports,
    udp_ports: stage0.udp_ports,
    weight: stage0.weight,
    session_nonce: request.sessionNonce,
    authority_nonce: authorityNonce,
    handshake_hash: request.handshakeHash,
    agent_static: request.agentStatic,
    policy_version: policy.policyVersion,
    pcrs: policy.pcrs,
    clock_before: policy.clockBefore,
    agent_id: request.agentId,
  };
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

function assertTierAdmitted({ attestation }: ControlDeps["config"], { tier }: EvidenceVerdict): void {
  if (attestation.tiers.includes(tier)) return;
  throw tier === "bound-key"
    ? new PosternError("tier_too_weak", "Cannot admit agent: this control plane takes agents with a TPM only")
    : new PosternError(
      "evidence_kind_unsupported",
      "Cannot admit agent: its kind of evidence is not admitted",
    );
}

async function bindAgent(deps: ControlDeps, tunnelId: string, agentId: string): Promise<void> {
  const { store, clock, config } = deps;
  if (await store.tunnel(tunnelId) === undefined) throw gone();
  const { maxAgentsPerTunnel } = config.limits;
  if (await store.bindAgent(tunnelId, agentId, clock.wall(), maxAgentsPerTunnel) !== "too_many") return;
  throw new PosternError("agent_limit_reached", "Cannot admit agent: the tunnel has as many as it may have");
}

function issueStage1Token(
  deps: ControlDeps,
  challenge: Challenge,
  verdict: EvidenceVerdict,
): Promise<IssuedToken> {
  const { config, clock, random, keyset } = deps;
  const { intervalMs, graceMs, maintenanceCapMs, authorizerStatusUri } = config.reauth;
  const nowMs = clock.wall();
  return issueStage1(
    {
      iss: config.issuer,
      aud: challenge.aud,
      sub: challenge.tunnel_id,
      agent_id: verdict.agentId,
      session_nonce: challenge.session_nonce,
      handshake_hash: challenge.handshake_hash,
      agent_static: challenge.agent_static,
      hostnames: challenge.hostnames,
      tls_hostnames: challenge.tls_hostnames,
      tcp_ports: challenge.tcp_ports,
      udp_ports: challenge.udp_ports,
      weight: challenge.weight,
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

async function audit(
  deps: ControlDeps,
  challenge: Challenge,
  agentId: string,
  outcome: string,
): Promise<void> {
  await deps.store.appendAudit({
    atMs: deps.clock.wall(),
    actor: agentId,
    action: "agent.attest",
    subject: challenge.tunnel_id,
    outcome,
    detail: {
      purpose: challenge.purpose,
      stage0_jti: challenge.stage0_jti,
      policy_version: challenge.policy_version,
    },
  });
}
