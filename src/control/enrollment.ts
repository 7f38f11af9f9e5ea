/**
 * Letting a machine in by its TPM, in two steps. Begin: an operator's token, the chain of the EK, the AK; the answer is a secret
 * that only the TPM with both keys can give out. Finish: a proof that it did. The token is spent with the machine's row, in
 * one transaction: what breaks in between changes nothing.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { agentIdOf, enrollmentProof } from "../attestation/mod.ts";
import { equalConstantTime, fromBase64Url, fromHex, toBase64Url, toHex } from "../bytes/mod.ts";
import { codeOf, PosternError } from "../errors/mod.ts";
import type { EnrollmentToken, MachineEnrolled, MachineRecord, OpenEnrollment } from "../ports/mod.ts";
import { audit } from "./audit.ts";
import type { AuditBudget } from "./audit_budget.ts";
import type { ControlDeps } from "./config.ts";
import { shownToken } from "./enrollment_token.ts";
import type { JudgedKeys, ShownKeys } from "./machine_trust.ts";

/** Enrollments of one token that may be open: one is needed, each lost answer costs another. */
const maxOpenPerToken = 8;
/** Time from begin to finish: an RSA key in a slow TPM takes some seconds. */
export const enrollmentMs = 60_000;

export interface BegunEnrollment {
  readonly enrollmentId: string;
  readonly agentId: string;
  readonly credentialBlob: Uint8Array;
  readonly encryptedSecret: Uint8Array;
  readonly nonce: Uint8Array;
  readonly expiresAtMs: number;
}

export interface EnrollmentDeps extends ControlDeps {
  /** For refusals of those who have shown no token. */
  readonly budget: AuditBudget;
}

/** What is remembered between the steps: no secret, and of the proof only a hash. */
const openSchema = z.object({
  agent_id: z.string(),
  ek_sha256: z.string(),
  ek_certificates: z.array(z.string()).min(1),
  ak_public: z.string(),
  ak_name: z.string(),
  proof_sha256: z.string(),
  /** Begun with a token of a node, which is bound to this EK: it lets no machine in. */
  for_node: z.boolean().optional(),
});
type Open = z.infer<typeof openSchema>;

/** What the audit names. */
interface AuditFacts {
  agentId?: string;
  ekSha256?: string;
  tokenId?: string;
  /** Whether a token was held. */
  isKnown?: boolean;
  /** More than whoever asked is told. */
  reason?: string;
}

/**
 * Throws `enrollment_token_malformed`, `enrollment_token_refused`, `enrollment_token_expired`,
 * `enrollment_token_foreign`, `machine_revoked`, `enrollment_limit_reached`, `enrollments_full`, and what judging the keys
 * throws.
 */
export function beginEnrollment(
  deps: EnrollmentDeps,
  token: string,
  shown: ShownKeys,
): Promise<BegunEnrollment> {
  return audited(deps, "machine.enroll.begin", async (facts) => {
    const nowMs = deps.clock.wall();
    // The token first: nobody without one has keys judged.
    const record = await heldToken(deps, token, facts);
    if (nowMs >= record.expiresAtMs) {
      throw new PosternError(
        "enrollment_token_expired",
        "Cannot enroll machine: the time of its token is over",
      );
    }
    const keys = await deps.machineTrust.judgeKeys(shown, nowMs);
    const agentId = facts.agentId = agentIdOf(keys.ekSpki);
    const ekSha256 = facts.ekSha256 = sha256(keys.ekSpki);
    checkToken(record, agentId, ekSha256, facts);
    if (await deps.store.isEkRevoked(ekSha256)) throw revoked();
    return await open(deps, record, shown, keys, { agentId, ekSha256 });
  });
}

/**
 * The machine, as it is enrolled now; whatever comes of it, the enrollment is over. Throws `enrollment_unknown`,
 * `enrollment_expired`, `enrollment_proof_invalid`, `enrollment_token_refused`, `machine_revoked`, `machine_key_changed`,
 * `machine_limit_reached`.
 */
export function finishEnrollment(
  deps: EnrollmentDeps,
  enrollmentId: string,
  proof: Uint8Array,
): Promise<MachineRecord> {
  return audited(deps, "machine.enroll", async (facts) => {
    const { record, begun } = await proven(deps, enrollmentId, proof, facts);
    if (begun.for_node === true) {
      facts.reason = "for a node";
      throw tokenRefused();
    }
    return machineOf(await enroll(deps, record, begun), facts);
  });
}

/**
 * Whether the TPM of this EK takes part in a node's enrollment: what {@link beginEnrollment} began with the same token.
 * Throws `enrollment_unknown`, `enrollment_expired`, `enrollment_proof_invalid`, `enrollment_token_foreign`.
 */
export async function checkEkProof(
  deps: Pick<ControlDeps, "store" | "clock">,
  token: { readonly tokenId: string; readonly ekSha256: string },
  { enrollmentId, proof }: EkProof,
): Promise<void> {
  const { record, begun } = await proven(deps, enrollmentId, proof, {});
  if (record.tokenId !== token.tokenId || begun.for_node !== true) {
    throw new PosternError("enrollment_unknown", "Cannot enroll node: the proof is of another enrollment");
  }
  // The token may have been issued anew for another TPM since; what was judged is what counts.
  if (begun.ek_sha256 !== token.ekSha256) throw foreign();
}

export interface EkProof {
  readonly enrollmentId: string;
  /** As `enrollmentProof` makes it. */
  readonly proof: Uint8Array;
}

/** An enrollment that was begun, and ends here whatever comes of it. */
async function proven(
  deps: Pick<ControlDeps, "store" | "clock">,
  enrollmentId: string,
  proof: Uint8Array,
  facts: AuditFacts,
): Promise<{ readonly record: OpenEnrollment; readonly begun: Open }> {
  const record = await deps.store.takeOpenEnrollment(enrollmentId);
  if (record === undefined) {
    throw new PosternError("enrollment_unknown", "Cannot finish enrollment: it is not open");
  }
  const begun = openSchema.parse(JSON.parse(record.body));
  Object.assign(facts, {
    tokenId: record.tokenId,
    agentId: begun.agent_id,
    ekSha256: begun.ek_sha256,
    isKnown: true,
  });
  if (deps.clock.wall() >= record.expiresAtMs) {
    throw new PosternError("enrollment_expired", "Cannot finish enrollment: its time is over");
  }
  if (!equalConstantTime(fromHex(sha256(proof)), fromHex(begun.proof_sha256))) {
    throw new PosternError(
      "enrollment_proof_invalid",
      "Cannot finish enrollment: the TPM has not given out the secret",
    );
  }
  return { record, begun };
}

async function open(
  deps: ControlDeps,
  { tokenId, node }: EnrollmentToken,
  shown: ShownKeys,
  keys: JudgedKeys,
  { agentId, ekSha256 }: { agentId: string; ekSha256: string },
): Promise<BegunEnrollment> {
  const { random, store, clock } = deps;
  const enrollmentId = toBase64Url(random(16));
  const [secret, nonce] = [random(32), random(32)];
  const credential = await keys.makeCredential(secret, random);
  const proof = enrollmentProof(secret, { nonce, enrollmentId, agentId, akName: keys.akName });
  secret.fill(0);
  const begun: Open = {
    agent_id: agentId,
    ek_sha256: ekSha256,
    ek_certificates: shown.ekCertificates.map(toBase64Url),
    ak_public: toBase64Url(shown.akPublic),
    ak_name: toBase64Url(keys.akName),
    proof_sha256: sha256(proof),
    ...(node === undefined ? {} : { for_node: true }),
  };
  const expiresAtMs = clock.wall() + enrollmentMs;
  await store.putOpenEnrollment(
    { enrollmentId: enrollmentId, tokenId, expiresAtMs, body: JSON.stringify(begun) },
    maxOpenPerToken,
  );
  return { enrollmentId, agentId, ...credential, nonce, expiresAtMs };
}

function enroll(deps: ControlDeps, { tokenId }: OpenEnrollment, begun: Open): Promise<MachineEnrolled> {
  const [ekCertificate, ...ekIntermediates] = begun.ek_certificates.map(fromBase64Url);
  return deps.store.enrollMachine({
    agentId: begun.agent_id,
    ekSha256: begun.ek_sha256,
    ekCertificate,
    ekIntermediates,
    akPublic: fromBase64Url(begun.ak_public),
    akName: fromBase64Url(begun.ak_name),
    enrolledAtMs: deps.clock.wall(),
    tokenId,
    maxMachines: deps.config.limits.maxMachines,
  });
}

function machineOf(enrolled: MachineEnrolled, facts: AuditFacts): MachineRecord {
  switch (enrolled.outcome) {
    case "enrolled":
    case "renewed":
      facts.reason = enrolled.outcome;
      return enrolled.machine;
    case "token_refused":
      facts.reason = "spent meanwhile";
      throw tokenRefused();
    case "revoked":
      throw revoked();
    case "other_key":
      throw new PosternError(
        "machine_key_changed",
        "Cannot enroll machine: its TPM is enrolled with another attestation key",
      );
    case "too_many":
      throw new PosternError(
        "machine_limit_reached",
        "Cannot enroll machine: as many as may be are enrolled",
      );
    default:
      return enrolled satisfies never;
  }
}

/** A token whose secret was shown. Unknown ids and wrong secrets are told apart in the audit only. */
async function heldToken(deps: ControlDeps, token: string, facts: AuditFacts): Promise<EnrollmentToken> {
  const shown = await shownToken(deps, token);
  if (shown.state !== "held") {
    facts.tokenId = shown.tokenId;
    facts.reason = shown.state;
    throw tokenRefused();
  }
  facts.tokenId = shown.record.tokenId;
  facts.isKnown = true;
  return shown.record;
}

/** Whether the token may still be used, and by this machine. One that another machine has used looks like one that never was. */
function checkToken(
  record: EnrollmentToken,
  agentId: string,
  ekSha256: string,
  facts: AuditFacts,
): void {
  if (record.node !== undefined && record.ekSha256 === undefined) {
    facts.reason = "for a node without a TPM";
    throw tokenRefused();
  }
  // Which key of a node has used it is judged where that key is shown.
  if (record.node === undefined && (record.usedBy ?? agentId) !== agentId) {
    facts.reason = `used by ${record.usedBy}`;
    throw tokenRefused();
  }
  if ((record.ekSha256 ?? ekSha256) !== ekSha256) throw foreign();
}

function tokenRefused(): PosternError {
  return new PosternError("enrollment_token_refused", "Cannot enroll machine: its token is not valid");
}

function foreign(): PosternError {
  return new PosternError("enrollment_token_foreign", "Cannot enroll: the token is for another TPM");
}

function revoked(): PosternError {
  return new PosternError("machine_revoked", "Cannot enroll machine: it was revoked");
}

/** Writes down how it went, with whatever was known by then. */
async function audited<T>(
  deps: EnrollmentDeps,
  action: string,
  decide: (facts: AuditFacts) => Promise<T>,
): Promise<T> {
  const facts: AuditFacts = {};
  try {
    const result = await decide(facts);
    await auditStep(deps, action, facts, "ok");
    return result;
  } catch (error) {
    await auditStep(deps, action, facts, codeOf(error));
    throw error;
  }
}

async function auditStep(
  deps: EnrollmentDeps,
  action: string,
  facts: AuditFacts,
  outcome: string,
): Promise<void> {
  const { agentId, ekSha256, tokenId, reason } = facts;
  deps.events.onEnrollment?.(outcome === "ok" ? reason ?? "begun" : outcome);
  deps.log(outcome === "ok" ? "info" : "warn", "machine enrollment", {
    step: action,
    agent_id: agentId,
    token_id: tokenId,
    code: outcome === "ok" ? undefined : outcome,
    reason,
  });
  if (facts.isKnown !== true && !deps.budget.take()) return;
  await audit(deps, {
    actor: agentId ?? "unproven",
    action,
    subject: agentId ?? "unknown",
    outcome,
    detail: {
      ...(ekSha256 === undefined ? {} : { ek_sha256: ekSha256 }),
      ...(tokenId === undefined ? {} : { token_id: tokenId }),
      ...(reason === undefined ? {} : { reason }),
    },
  });
}

function sha256(bytes: Uint8Array): string {
  return toHex(new Uint8Array(createHash("sha256").update(bytes).digest()));
}
