/** Identities of nodes: SPIFFE ids, certificates, who is believed, and what was taken back. Pure. */
export { type Authority, issueAuthority, issueNode, selfSigned, type Validity } from "./authority.ts";
export { chainOfPem, pemOfChain, readNodeCertificate } from "./certificate.ts";
export { checkIssuingCertificate } from "./issuing_check.ts";
export { makeCsr, maxCsrBytes, type ProvenCsr, readCsr } from "./csr.ts";
export {
  checkNodeCertificate,
  checkPeerCertificate,
  peerClockSkewMs,
  type PeerExpectation,
  readPresented,
  type VerifiedPeer,
} from "./peer_check.ts";
export { renewalHolds, signRenewal } from "./renewal.ts";
export {
  readHeldRevocations,
  type RevocationList,
  revocationOf,
  revocationsGraceMs,
  type RevokedIdentity,
  type RevokedKind,
  revokedKinds,
  revokedValue,
  severities,
  type Severity,
  signRevocations,
  verifyRevocations,
} from "./revocation_list.ts";
export type { SignedDocument } from "./signed_document.ts";
export {
  formatSpiffeId,
  isNodeId,
  isNodeRole,
  isTrustDomain,
  type NodeRole,
  nodeRoles,
  parseSpiffeId,
  type SpiffeId,
} from "./spiffe_id.ts";
export {
  type AcceptedAuthority,
  isAccepted,
  readHeldBundle,
  signTrustBundle,
  type TrustBundle,
  verifyPinnedBundle,
  verifyTrustBundle,
} from "./trust_bundle.ts";
export {
  formatHostKey,
  isWrappedToken,
  maxWrappedTokenChars,
  parseHostKey,
  unwrapToken,
  wrapToken,
} from "./wrapped_token.ts";
