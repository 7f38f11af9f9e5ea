/** Letting nodes in by a one-time token, and renewing what they were given. Their keys never come here. */
import { createHash } from "node:crypto";
import type { Certificate } from "../attestation/ek/mod.ts";
import { instant, toHex } from "../bytes/mod.ts";
import { codeOf, PosternError } from "../errors/mod.ts";
import {
  checkPeerCertificate,
  formatSpiffeId,
  isNodeRole,
  type NodeRole,
  readCsr,
  readNodeCertificate,
  renewalHolds,
  type SignedDocument,
  type VerifiedPeer,
} from "../pki/mod.ts";
import type { IdentityRecord } from "../ports/mod.ts";
import { audit } from "./audit.ts";
import type { AuditBudget } from "./audit_budget.ts";
import type { ControlDeps } from "./config.ts";
import { checkEkProof, type EkProof } from "./enrollment.ts";
import { shownToken } from "./enrollment_token.ts";
import type { RenewalNonces } from "./renewal_nonce.ts";

/** Of one node, at most one renewal in this time is a line of the audit: connectors renew every few minutes. */
const auditEveryMs = 3_600_000;

export interface NodeIdentityDeps extends ControlDeps {
  /** For refusals of those who have proved nothing. */
  readonly budget: AuditBudget;
  readonly nonces: RenewalNonces;
}

/** On a channel of mutual TLS the handshake is the proof. */
export type ChannelRenewalDeps = Omit<NodeIdentityDeps, "nonces">;

/** What a node is given. */
export interface IssuedIdentity {
  readonly spiffeId: string;
  /** DER: the node's, then the issuing CA's. */
  readonly chain: readonly Uint8Array[];
  readonly bundles: readonly SignedDocument[];
  readonly revocations: SignedDocument;
  readonly notAfterMs: number;
}

interface Facts {
  role?: string;
  id?: string;
  tokenId?: string;
  serial?: string;
  ekSha256?: string;
  /** Whether a token or a key was proved. */
  isKnown?: boolean;
  /** Whether the audit has to have it, refusals aside. */
  isNotable?: boolean;
  /** More than whoever asked is told. */
  reason?: string;
}

/**
 * Spends a token for the key of a request. The key that used a token may come again with it until the token is over: its first
 * answer may have been lost.
 * @throws PosternError `enrollment_token_malformed`, `enrollment_token_refused`, `enrollment_token_expired`, `csr_*`,
 * `peer_certificate_revoked`, `identity_limit_reached`, `ca_unavailable`, `enrollment_ek_proof_missing`, and what `checkEkProof` throws
 * @param ekProof for a token that is bound to an endorsement key
 */
export function enrollNode(
  deps: NodeIdentityDeps,
  token: string,
  csr: Uint8Array,
  ekProof?: EkProof,
): Promise<IssuedIdentity> {
  return audited(deps, "identity.enroll", async (facts) => {
    const nowMs = deps.clock.wall();
    // The token first: nobody without one has requests judged.
    const { tokenId, role, id, labels, ekSha256 } = await heldToken(deps, token, nowMs, facts);
    if (ekSha256 !== undefined) {
      facts.ekSha256 = ekSha256;
      if (ekProof === undefined) {
        throw new PosternError(
          "enrollment_ek_proof_missing",
          "Cannot enroll node: its token is for one TPM, which has to take part",
        );
      }
      await checkEkProof(deps, { tokenId, ekSha256 }, ekProof);
    }
    const { publicKey, uris } = readCsr(csr);
    checkAskedName(deps, { role, id }, uris);
    await checkNotRevoked(deps, { role, id }, publicKey);
    const { certificate, issuer } = await deps.identities.issue({ role, id }, publicKey, lifeOf(deps, role));
    facts.serial = certificate.serial;
    const outcome = await deps.store.enrollNode(
      tokenId,
      recordOf(certificate, issuer, role, id, nowMs),
      deps.config.limits.maxNodes,
    );
    if (outcome === "token_refused") {
      facts.reason = "used by another key, or over";
      throw tokenRefused();
    }
    if (outcome === "too_many") {
      throw new PosternError("identity_limit_reached", "Cannot enroll node: as many as may be are enrolled");
    }
    facts.isNotable = true;
    // Rules may name the node by them.
    if (labels !== undefined) deps.events.onNodeTrustChanged?.();
    return await answer(deps, certificate, issuer, 0);
  });
}

export interface RenewalRequest {
  /** DER of the certificate that was issued last. */
  readonly certificate: Uint8Array;
  readonly nonce: string;
  /** For the same key or another one. */
  readonly csr: Uint8Array;
  /** As `signRenewal` makes it. */
  readonly proof: Uint8Array;
  /** Of the bundle that the node holds. */
  readonly bundleVersion: number;
}

/**
 * @throws PosternError `renewal_nonce_invalid`, `renewal_proof_invalid`, `identity_expired`, `identity_superseded`,
 * `identity_unknown`, `csr_*`, `ca_unavailable`, and what `checkPeerCertificate` throws
 */
export function renewNode(deps: NodeIdentityDeps, request: RenewalRequest): Promise<IssuedIdentity> {
  return audited(deps, "identity.renew", async (facts) => {
    const nowMs = deps.clock.wall();
    const held = readNodeCertificate(request.certificate);
    // Before anything is looked up: whoever does not hold the key learns nothing, and costs one verification.
    if (!renewalHolds(held, request.nonce, request.csr, request.proof)) {
      throw new PosternError("renewal_proof_invalid", "Cannot renew identity: the proof is not of its key");
    }
    await deps.identities.refresh();
    const peer = await checkHeld(deps, held, nowMs);
    const { role, id } = peer;
    Object.assign(facts, { role, id, serial: held.serial, isKnown: true });
    await deps.nonces.spend(request.nonce);
    const { certificate, issuer } = await renewed(
      deps,
      { role, id, keySha256: held.keySha256 },
      request.csr,
      facts,
    );
    return await answer(deps, certificate, issuer, request.bundleVersion);
  });
}

/**
 * Certifies the next key of a node on a mutual-TLS channel, which has proved its present one; DER, its own certificate first.
 * @throws PosternError `identity_superseded`, `identity_unknown`, `csr_*`, `ca_unavailable`, `peer_certificate_revoked`
 */
export function renewOnChannel(
  deps: ChannelRenewalDeps,
  { role, id, keySha256 }: VerifiedPeer,
  csr: Uint8Array,
): Promise<readonly Uint8Array[]> {
  return audited(deps, "identity.renew", async (facts) => {
    Object.assign(facts, { role, id, isKnown: true });
    const { certificate, issuer } = await renewed(deps, { role, id, keySha256 }, csr, facts);
    return [certificate.bytes, issuer.bytes];
  });
}

async function renewed(
  deps: ControlDeps,
  { role, id, keySha256 }: Pick<VerifiedPeer, "role" | "id" | "keySha256">,
  csr: Uint8Array,
  facts: Facts,
) {
  const nowMs = deps.clock.wall();
  const { publicKey, uris } = readCsr(csr);
  checkAskedName(deps, { role, id }, uris);
  await checkNotRevoked(deps, { role, id }, publicKey);
  const before = await deps.store.nodeIdentity(role, id);
  if (before === undefined) {
    throw new PosternError("identity_unknown", "Cannot renew identity: no such node");
  }
  const { certificate, issuer } = await deps.identities.issue({ role, id }, publicKey, lifeOf(deps, role));
  if (!await deps.store.renewNode(recordOf(certificate, issuer, role, id, nowMs), keySha256)) {
    throw new PosternError("identity_superseded", "Cannot renew identity: the node has another key since");
  }
  facts.serial = certificate.serial;
  const isByPrevious = keySha256 !== before.keySha256;
  // After a lost answer, or by a copy of a state directory of before: operators have to be able to see it.
  if (isByPrevious) facts.reason = "by the key before, as the newest was not used yet";
  facts.isNotable = isByPrevious || isNewHour(before, nowMs);
  return { certificate, issuer };
}

/**
 * Every check of a peer, at the certificate's last moment where it is over: for a bounded time its key still renews it. That it
 * was not replaced, the store knows.
 */
async function checkHeld(deps: NodeIdentityDeps, held: Certificate, nowMs: number) {
  const { list } = await deps.identities.revocations();
  if (nowMs >= held.notAfterMs + deps.config.identity.graceMs) {
    // A stranger's certificate is called a stranger's, however old it is.
    checkPeerCertificate([held.bytes], deps.identities.bundle, list, {
      nowMs: held.notAfterMs,
      usage: "client",
    });
    throw new PosternError("identity_expired", "Cannot renew identity: it ended too long ago", {
      detail: { not_after: instant(held.notAfterMs) },
    });
  }
  return checkPeerCertificate([held.bytes], deps.identities.bundle, list, {
    nowMs: Math.min(nowMs, held.notAfterMs),
    usage: "client",
  });
}

async function answer(
  deps: NodeIdentityDeps,
  certificate: Certificate,
  issuer: Certificate,
  bundleVersion: number,
): Promise<IssuedIdentity> {
  const { document } = await deps.identities.revocations();
  return {
    spiffeId: certificate.extensions.uris[0],
    chain: [certificate.bytes, issuer.bytes],
    bundles: bundleVersion === 0
      ? deps.identities.bundlesAfter(deps.identities.bundle.version)
      : deps.identities.bundlesAfter(bundleVersion),
    revocations: document,
    notAfterMs: certificate.notAfterMs,
  };
}

async function heldToken(deps: NodeIdentityDeps, token: string, nowMs: number, facts: Facts) {
  const shown = await shownToken(deps, token);
  facts.tokenId = shown.state === "held" ? shown.record.tokenId : shown.tokenId;
  if (shown.state !== "held") {
    facts.reason = shown.state;
    throw tokenRefused();
  }
  facts.isKnown = true;
  const { node, labels, expiresAtMs, tokenId, ekSha256 } = shown.record;
  if (node === undefined || !isNodeRole(node.role)) {
    facts.reason = "for a machine with a TPM";
    throw tokenRefused();
  }
  Object.assign(facts, node);
  if (nowMs >= expiresAtMs) {
    throw new PosternError("enrollment_token_expired", "Cannot enroll node: the time of its token is over");
  }
  return { tokenId, role: node.role, id: node.id, labels, ekSha256 };
}

function checkAskedName(
  { identities }: ControlDeps,
  node: { readonly role: NodeRole; readonly id: string },
  uris: readonly string[],
): void {
  const own = formatSpiffeId({ trustDomain: identities.trustDomain, ...node });
  if (uris.every((uri) => uri === own)) return;
  throw new PosternError("csr_name_mismatch", "Cannot certify node: its request asks for another name", {
    detail: { expected: own },
  });
}

/** A node that is revoked gets nothing by a new token, and a key that is revoked under no name. */
async function checkNotRevoked(
  { identities }: ControlDeps,
  node: { readonly role: NodeRole; readonly id: string },
  publicKey: Uint8Array,
): Promise<void> {
  const { list } = await identities.revocations();
  const own = formatSpiffeId({ trustDomain: identities.trustDomain, ...node });
  const key = toHex(new Uint8Array(createHash("sha256").update(publicKey).digest()));
  const entry = list.entries.find(({ kind, value }) =>
    (kind === "id" && value === own) || (kind === "key" && value === key)
  );
  if (entry === undefined) return;
  throw new PosternError("peer_certificate_revoked", "Cannot certify node: it was revoked", {
    detail: { kind: entry.kind },
  });
}

function lifeOf({ config: { identity } }: ControlDeps, role: NodeRole): number {
  switch (role) {
    case "connector":
      return identity.connectorMs;
    case "tunneler":
      return identity.tunnelerMs;
    case "edge":
    case "control":
      return identity.nodeMs;
    default:
      return role satisfies never;
  }
}

function recordOf(
  certificate: Certificate,
  issuer: Certificate,
  role: NodeRole,
  nodeId: string,
  nowMs: number,
) {
  return {
    serial: certificate.serial,
    role,
    nodeId,
    issuerSha256: issuer.sha256,
    keySha256: certificate.keySha256,
    issuedAtMs: nowMs,
    notAfterMs: certificate.notAfterMs,
  };
}

function isNewHour({ renewedAtMs }: IdentityRecord, nowMs: number): boolean {
  return Math.floor(renewedAtMs / auditEveryMs) !== Math.floor(nowMs / auditEveryMs);
}

function tokenRefused(): PosternError {
  return new PosternError("enrollment_token_refused", "Cannot enroll node: its token is not valid");
}

/** Writes down how it went, with whatever was known by then. */
async function audited<T>(
  deps: ChannelRenewalDeps,
  action: "identity.enroll" | "identity.renew",
  decide: (facts: Facts) => Promise<T>,
): Promise<T> {
  const facts: Facts = {};
  try {
    const result = await decide(facts);
    deps.events.onIdentity?.(action, "ok");
    if (facts.isNotable === true) await auditStep(deps, action, facts, "ok");
    return result;
  } catch (error) {
    deps.events.onIdentity?.(action, codeOf(error));
    if (facts.isKnown === true || deps.budget.take()) await auditStep(deps, action, facts, codeOf(error));
    throw error;
  }
}

async function auditStep(deps: ControlDeps, action: string, facts: Facts, outcome: string): Promise<void> {
  const { role, id, tokenId, serial, ekSha256, reason } = facts;
  const subject = role === undefined ? "unknown" : `${role}/${id}`;
  deps.log(outcome === "ok" ? "info" : "warn", "node identity", {
    step: action,
    node: subject,
    code: outcome === "ok" ? undefined : outcome,
    reason,
  });
  await audit(deps, {
    actor: facts.isKnown === true ? subject : "unproven",
    action,
    subject,
    outcome,
    detail: {
      ...(tokenId === undefined ? {} : { token_id: tokenId }),
      ...(serial === undefined ? {} : { serial }),
      ...(ekSha256 === undefined ? {} : { ek_sha256: ekSha256 }),
      ...(reason === undefined ? {} : { reason }),
    },
  });
}
