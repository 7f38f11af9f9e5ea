/** Whether a peer's certificate is that of the node that it should be: every check, in one place, for every mutual-TLS endpoint. */
import { type Certificate, endOf, KEY_USAGE } from "../attestation/ek/mod.ts";
import { instant } from "../bytes/mod.ts";
import { type ErrorCode, PosternError } from "../errors/mod.ts";
import { nameConstraintsOid } from "./authority.ts";
import { maxPresented, readNodeCertificate } from "./certificate.ts";
import { type RevocationList, revocationOf, revocationsGraceMs } from "./revocation_list.ts";
import { isSignedBy } from "./signed_by.ts";
import { formatSpiffeId, type NodeRole, parseSpiffeId, type SpiffeId } from "./spiffe_id.ts";
import { type AcceptedAuthority, isAccepted, rootOf, type TrustBundle } from "./trust_bundle.ts";

/** Clocks of nodes may differ by this much (milliseconds). */
export const peerClockSkewMs = 30_000;

const usages = Object.freeze({ server: "1.3.6.1.5.5.7.3.1", client: "1.3.6.1.5.5.7.3.2" });

export interface PeerExpectation {
  readonly nowMs: number;
  /** What the peer is in this connection: the one that called is the client. */
  readonly usage: "client" | "server";
  /** Any of these; absent: any role. */
  readonly expectedRole?: NodeRole | readonly NodeRole[];
  /** Id within the role; absent: any node of the role. */
  readonly expectedId?: string;
  /** As in {@link peerClockSkewMs} unless said. */
  readonly clockSkewMs?: number;
  /** As in {@link revocationsGraceMs} unless said. */
  readonly revocationsGraceMs?: number;
  /** Last word: why this node is not to be let in, or undefined. What it throws refuses as well. */
  readonly policy?: (peer: VerifiedPeer) => string | undefined;
}

/** A node whose certificate passed every check. Made here only. */
export interface VerifiedPeer extends SpiffeId {
  readonly spiffeId: string;
  readonly serial: string;
  /** SHA-256 of the key's SubjectPublicKeyInfo, hex. */
  readonly keySha256: string;
  readonly issuerSha256: string;
  /** First moment at which the certificate or something above it counts no more, skew not included. Unix milliseconds. */
  readonly endsAtMs: number;
  readonly bundleVersion: number;
  readonly revocationsVersion: number;
}

/**
 * @param chain DER as the peer presented it, its own certificate first
 * @throws PosternError `peer_certificate_missing`, `peer_certificate_malformed`, `peer_key_unsupported`, `peer_chain_too_long`,
 * `peer_names_wrong`, `spiffe_id_malformed`, `peer_wrong_cluster`, `peer_extension_unknown`, `peer_certificate_is_ca`,
 * `peer_key_usage_wrong`, `peer_extended_usage_wrong`, `peer_certificate_not_yet_valid`, `peer_certificate_expired`,
 * `peer_chain_untrusted`, `peer_signature_invalid`, `peer_issuer_retired`, `peer_issuer_invalid`, `revocations_stale`,
 * `peer_certificate_revoked`, `peer_wrong_role`, `peer_wrong_node`, `peer_policy_denied`
 */
export function checkPeerCertificate(
  chain: readonly Uint8Array[],
  bundle: TrustBundle,
  revocations: RevocationList,
  expectation: PeerExpectation,
): VerifiedPeer {
  return checkNodeCertificate(readPresented(chain), bundle, revocations, expectation);
}

/** The same for a certificate that was read before. Throws as {@link checkPeerCertificate}. */
export function checkNodeCertificate(
  leaf: Certificate,
  bundle: TrustBundle,
  revocations: RevocationList,
  expectation: PeerExpectation,
): VerifiedPeer {
  const id = idOf(leaf);
  if (id.trustDomain !== bundle.trustDomain) {
    throw refusal("peer_wrong_cluster", "it is of another cluster", { trust_domain: id.trustDomain });
  }
  checkLeaf(leaf, expectation);
  const { issuer, root } = issuersOf(leaf, bundle, expectation);
  checkRevocations(leaf, id, [issuer.certificate, root.certificate], bundle, revocations, expectation);
  checkExpected(id, expectation);
  const ends = [leaf, issuer.certificate, root.certificate].map(endOf);
  const accepted = [issuer, root].flatMap(({ acceptedUntilMs }) => acceptedUntilMs ?? []);
  const peer: VerifiedPeer = {
    ...id,
    spiffeId: formatSpiffeId(id),
    serial: leaf.serial,
    keySha256: leaf.keySha256,
    issuerSha256: issuer.certificate.sha256,
    endsAtMs: Math.min(...ends, ...accepted),
    bundleVersion: bundle.version,
    revocationsVersion: revocations.version,
  };
  checkPolicy(peer, expectation);
  return peer;
}

/**
 * A peer's own certificate, first in what it presented. The number and the sizes are checked before anything is read; what follows
 * the first one is not believed. Throws `peer_certificate_missing`, `peer_chain_too_long`, and as {@link readNodeCertificate}.
 */
export function readPresented(chain: readonly Uint8Array[]): Certificate {
  if (chain.length === 0) throw refusal("peer_certificate_missing", "it showed none");
  if (chain.length > maxPresented) {
    throw refusal("peer_chain_too_long", "it showed too many", {
      certificates: chain.length,
      limit: maxPresented,
    });
  }
  return readNodeCertificate(chain[0]);
}

/** SPIFFE X509-SVID 2: exactly one URI, and here no other name either: nothing else could be taken for who it is. */
function idOf({ extensions }: Certificate): SpiffeId {
  const { uris, alternativeNames } = extensions;
  if (uris.length !== 1 || alternativeNames !== 1) {
    throw refusal("peer_names_wrong", "it has not exactly one name that is a URI", {
      uris: uris.length,
      names: alternativeNames,
    });
  }
  return parseSpiffeId(uris[0]);
}

/** SPIFFE X509-SVID 4, and RFC 5280 4.2. */
function checkLeaf(leaf: Certificate, expectation: PeerExpectation): void {
  const { basicConstraints, keyUsage, extendedKeyUsage, unknownCritical } = leaf.extensions;
  const [unknown] = unknownCritical;
  if (unknown !== undefined) {
    throw refusal("peer_extension_unknown", "a critical extension is not understood", { extension: unknown });
  }
  const signs = [KEY_USAGE.certificateSign, KEY_USAGE.crlSign].some((use) => keyUsage?.has(use) === true);
  if (basicConstraints?.isAuthority === true || signs) {
    throw refusal("peer_certificate_is_ca", "it is an authority's");
  }
  if (keyUsage?.has(KEY_USAGE.digitalSignature) !== true) {
    throw refusal("peer_key_usage_wrong", "its key is not for signatures");
  }
  if (extendedKeyUsage?.includes(usages[expectation.usage]) !== true) {
    throw refusal("peer_extended_usage_wrong", `it is not for the ${expectation.usage} of a TLS connection`);
  }
  checkTime(leaf, expectation, "peer_certificate_not_yet_valid", "peer_certificate_expired");
}

function checkTime(
  { notBeforeMs, notAfterMs }: Certificate,
  { nowMs, clockSkewMs = peerClockSkewMs }: PeerExpectation,
  early: ErrorCode,
  late: ErrorCode,
): void {
  if (nowMs < notBeforeMs - clockSkewMs) {
    throw refusal(early, "it is not valid yet", { not_before: instant(notBeforeMs) });
  }
  // The last second is part of the validity (RFC 5280 4.1.2.5).
  if (nowMs >= notAfterMs + 1_000 + clockSkewMs) {
    throw refusal(late, "it has expired", { not_after: instant(notAfterMs) });
  }
}

/** Leaf, issuing CA of the bundle, root of the bundle: there is no other shape. Key by signature, never by name alone. */
function issuersOf(
  leaf: Certificate,
  bundle: TrustBundle,
  expectation: PeerExpectation,
): { readonly issuer: AcceptedAuthority; readonly root: AcceptedAuthority } {
  const named = bundle.issuers.filter(({ certificate }) => certificate.subject === leaf.issuer);
  if (named.length === 0) {
    throw refusal("peer_chain_untrusted", "no issuing CA of the trust bundle issued it", {
      bundle_version: bundle.version,
    });
  }
  const issuer = named.find(({ certificate }) => isSignedBy(leaf, certificate));
  if (issuer === undefined) throw refusal("peer_signature_invalid", "its issuer's key did not sign it");
  const root = rootOf(issuer.certificate, bundle.roots);
  if (root === undefined) {
    throw refusal("peer_chain_untrusted", "its issuer is of no root of the trust bundle");
  }
  for (const one of [issuer, root]) {
    if (!isAccepted(one, expectation.nowMs)) {
      throw refusal("peer_issuer_retired", "an authority of its chain does not count now");
    }
    checkTime(one.certificate, expectation, "peer_issuer_invalid", "peer_issuer_invalid");
    if (one.certificate.extensions.unknownCritical.some((oid) => oid !== nameConstraintsOid)) {
      throw refusal(
        "peer_issuer_invalid",
        "an authority of its chain has a critical extension that is not understood",
      );
    }
  }
  return { issuer, root };
}

function checkRevocations(
  leaf: Certificate,
  id: SpiffeId,
  authorities: readonly Certificate[],
  bundle: TrustBundle,
  list: RevocationList,
  { nowMs, revocationsGraceMs: graceMs = revocationsGraceMs }: PeerExpectation,
): void {
  if (nowMs >= list.nextUpdateMs + graceMs || list.trustDomain !== bundle.trustDomain) {
    throw refusal("revocations_stale", "the revocation list is too old to tell whether it was revoked", {
      next_update: instant(list.nextUpdateMs),
    });
  }
  const entry = revocationOf(list, leaf, id, authorities);
  if (entry !== undefined) {
    throw refusal("peer_certificate_revoked", "it was revoked", {
      kind: entry.kind,
      severity: entry.severity,
    });
  }
}

function checkExpected({ role, id }: SpiffeId, { expectedRole, expectedId }: PeerExpectation): void {
  const roles = typeof expectedRole === "string" ? [expectedRole] : expectedRole;
  if (roles !== undefined && !roles.includes(role)) {
    throw refusal("peer_wrong_role", "its node has another role", { role });
  }
  if (expectedId !== undefined && expectedId !== id) {
    throw refusal("peer_wrong_node", "it is another node's", { id });
  }
}

function checkPolicy(peer: VerifiedPeer, { policy }: PeerExpectation): void {
  let denied: string | undefined;
  try {
    denied = policy?.(peer);
  } catch (cause) {
    throw new PosternError("peer_policy_denied", "Cannot accept the peer: its policy cannot be judged", {
      cause,
    });
  }
  if (denied !== undefined) {
    throw new PosternError("peer_policy_denied", "Cannot accept the peer: policy does not let it in", {
      detail: { reason: denied },
    });
  }
}

function refusal(
  code: ErrorCode,
  state: string,
  detail: Record<string, string | number> = {},
): PosternError {
  return new PosternError(code, `Cannot accept the peer's certificate: ${state}`, { detail });
}
