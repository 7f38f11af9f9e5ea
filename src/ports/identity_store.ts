/** What is remembered of node identities: authorities (public halves only), nodes, their certificates, and what was taken back. */
import type { Revised } from "./revised.ts";

/** A certificate that was issued to a node. */
export interface NodeCertificate {
  /** Hex without leading zeros. */
  readonly serial: string;
  readonly role: string;
  readonly nodeId: string;
  /** SHA-256 of the issuing CA's certificate, hex. */
  readonly issuerSha256: string;
  /** SHA-256 of the node's SubjectPublicKeyInfo, hex. */
  readonly keySha256: string;
  readonly issuedAtMs: number;
  readonly notAfterMs: number;
}

/** A node that was enrolled. */
export interface IdentityRecord {
  readonly role: string;
  readonly nodeId: string;
  /** The key that it was last certified for. */
  readonly keySha256: string;
  /** As its enrollment token gave them: rules name nodes by them. */
  readonly labels: readonly string[];
  /** The one before: an answer that was lost is asked for again with it. Absent after an enrollment, and once the newest was proved. */
  readonly previousKeySha256?: string;
  readonly enrolledAtMs: number;
  readonly renewedAtMs: number;
  readonly notAfterMs: number;
}

export type NodeEnrolled = "enrolled" | "token_refused" | "too_many";

/** Who or what is not to be accepted any more. */
export interface RevokedIdentityRecord {
  readonly kind: "serial" | "key" | "id";
  readonly value: string;
  readonly severity: "drain" | "cut";
  readonly atMs: number;
  readonly by: string;
  readonly reason: string;
}

export interface IdentityQuery {
  readonly role?: string;
  readonly limit: number;
  /** Go on after this one, in the order of role and id. */
  readonly after?: { readonly role: string; readonly nodeId: string };
}

export interface IdentityStore {
  /** JSON of the authorities and of what is being rotated. No private key is in it. */
  loadAuthorities(): Promise<Revised<string> | undefined>;
  /** Writes when nobody wrote since `revision` (0: there was none); false otherwise: load again. */
  saveAuthorities(value: string, revision: number): Promise<boolean>;
  /**
   * Spends the token and writes node and certificate: all or nothing. One key gets in by a token, and may come again with it
   * until the token is over. A node that was enrolled before has the new key only, and the labels of the token if that has any.
   */
  enrollNode(tokenId: string, certificate: NodeCertificate, maxNodes: number): Promise<NodeEnrolled>;
  /** Writes the certificate when the node's key, or the one before it, is `provenKeySha256`. */
  renewNode(certificate: NodeCertificate, provenKeySha256: string): Promise<boolean>;
  /** The node has proved this key: where it is its newest one, the one before it counts no more. */
  confirmNodeKey(role: string, nodeId: string, keySha256: string): Promise<void>;
  nodeIdentity(role: string, nodeId: string): Promise<IdentityRecord | undefined>;
  nodeIdentities(query: IdentityQuery): Promise<IdentityRecord[]>;
  nodeCertificate(serial: string): Promise<NodeCertificate | undefined>;
  /** Certificates of an issuing CA that have not ended, of nodes that have no newer one of another issuing CA. */
  liveCertificates(issuerSha256: string, nowMs: number): Promise<number>;
  /** How many went. */
  forgetCertificates(endedBeforeMs: number): Promise<number>;
  /** False when it was revoked before, at least as severely. Throws `revocations_full`. */
  revokeIdentity(revoked: RevokedIdentityRecord): Promise<boolean>;
  /** All, and a revision that grows with each. */
  revokedIdentities(): Promise<Revised<RevokedIdentityRecord[]>>;
}
