/**
 * Which authorities count in a trust domain, and from when until when. While one authority follows another, both are in it: the
 * dual-validation window. A bundle is believed by a bundle that is held already, or by the bootstrap CA that an enrollment token
 * pins; never by itself.
 */
import { z } from "zod";
import { type Certificate, endOf, isSelfSigned, KEY_USAGE } from "../attestation/ek/mod.ts";
import { fromBase64Url, toBase64Url } from "../bytes/mod.ts";
import { PosternError } from "../errors/mod.ts";
import type { Authority } from "./authority.ts";
import { readNodeCertificate } from "./certificate.ts";
import { isSignedBy } from "./signed_by.ts";
import { openDocument, signDocument, type SignedDocument } from "./signed_document.ts";
import { isTrustDomain } from "./spiffe_id.ts";

/** Unix milliseconds; without an end it counts until a later bundle says otherwise. */
export interface AcceptedAuthority {
  readonly certificate: Certificate;
  readonly acceptedFromMs: number;
  readonly acceptedUntilMs?: number;
}

export interface TrustBundle {
  readonly trustDomain: string;
  /** Counts up by one. */
  readonly version: number;
  readonly issuedAtMs: number;
  readonly roots: readonly AcceptedAuthority[];
  /** Issuing CAs: one that is not here does not count, whoever signed it. */
  readonly issuers: readonly AcceptedAuthority[];
}

const maxRoots = 8;
const maxIssuers = 64;
const ms = z.int().min(0);
const authority = z.strictObject({
  certificate: z.string().max(12_000),
  accepted_from_ms: ms,
  accepted_until_ms: ms.optional(),
});
const payloadSchema = z.strictObject({
  format: z.literal(1),
  trust_domain: z.string().refine(isTrustDomain),
  version: z.int().min(1),
  issued_at_ms: ms,
  roots: z.array(authority).min(1).max(maxRoots),
  issuers: z.array(authority).max(maxIssuers),
});

/** Whether it counts at this moment. */
export function isAccepted({ acceptedFromMs, acceptedUntilMs }: AcceptedAuthority, nowMs: number): boolean {
  return acceptedFromMs <= nowMs && (acceptedUntilMs === undefined || nowMs < acceptedUntilMs);
}

/** Signed by all of `authorities`: the bootstrap CA's for those who enroll, a root's where a root is new. */
export function signTrustBundle(
  bundle: TrustBundle,
  authorities: readonly Authority[],
): Promise<SignedDocument> {
  const written = ({ certificate, acceptedFromMs, acceptedUntilMs }: AcceptedAuthority) => ({
    certificate: toBase64Url(certificate.bytes),
    accepted_from_ms: acceptedFromMs,
    ...(acceptedUntilMs === undefined ? {} : { accepted_until_ms: acceptedUntilMs }),
  });
  return signDocument("trust bundle", {
    format: 1,
    trust_domain: bundle.trustDomain,
    version: bundle.version,
    issued_at_ms: bundle.issuedAtMs,
    roots: bundle.roots.map(written),
    issuers: bundle.issuers.map(written),
  }, authorities);
}

/**
 * A first bundle, by the pin of an enrollment token: SHA-256 of the bootstrap CA's certificate, hex.
 * @throws PosternError `trust_bundle_malformed`, `trust_bundle_unproven`
 */
export function verifyPinnedBundle(document: unknown, pin: string): TrustBundle {
  const { bundle, signers } = openBundle(document);
  if (!signers.some((signer) => signer.sha256 === pin && isSelfSigned(signer))) {
    throw unproven("the bootstrap CA that was pinned did not sign it");
  }
  return bundle;
}

/**
 * The bundle that follows the one that is held, which alone is asked: an issuing CA of it has to have signed, and a root of it
 * where the new one has roots that it has not.
 * @throws PosternError `trust_bundle_malformed`, `trust_bundle_unproven`, `trust_bundle_foreign`, `trust_bundle_rollback`
 */
export function verifyTrustBundle(document: unknown, held: TrustBundle, nowMs: number): TrustBundle {
  const { bundle, signers } = openBundle(document);
  if (bundle.trustDomain !== held.trustDomain) {
    throw new PosternError("trust_bundle_foreign", "Cannot use the trust bundle: it is of another cluster");
  }
  const counts = (authorities: readonly AcceptedAuthority[]) =>
    signers.some((signer) =>
      authorities.some((one) =>
        one.certificate.sha256 === signer.sha256 && isAccepted(one, nowMs) &&
        isValidAt(signer, bundle.issuedAtMs)
      )
    );
  const byRoot = counts(held.roots);
  if (!byRoot && !counts(held.issuers)) throw unproven("nobody signed it whom the held bundle knows");
  const known = new Set(held.roots.map(({ certificate }) => certificate.sha256));
  if (!byRoot && bundle.roots.some(({ certificate }) => !known.has(certificate.sha256))) {
    throw unproven("it has a new root, and no root of the held bundle signed it");
  }
  if (bundle.version < held.version || bundle.issuedAtMs < held.issuedAtMs) {
    throw new PosternError(
      "trust_bundle_rollback",
      "Cannot use the trust bundle: it is older than the held one",
      {
        detail: { version: bundle.version, held: held.version },
      },
    );
  }
  return bundle;
}

/** A bundle as this node keeps it itself: what was verified once. Throws `trust_bundle_malformed`. */
export function readHeldBundle(document: unknown): TrustBundle {
  return openBundle(document).bundle;
}

function openBundle(document: unknown): { bundle: TrustBundle; signers: readonly Certificate[] } {
  const opened = openDocument("trust bundle", document);
  const parsed = payloadSchema.safeParse(opened?.payload);
  if (opened === undefined || !parsed.success) throw malformed("it is no signed trust bundle");
  const { data } = parsed;
  const read = (one: z.infer<typeof authority>): AcceptedAuthority => ({
    certificate: readAuthority(one.certificate),
    acceptedFromMs: one.accepted_from_ms,
    ...(one.accepted_until_ms === undefined ? {} : { acceptedUntilMs: one.accepted_until_ms }),
  });
  const roots = data.roots.map(read);
  const issuers = data.issuers.map(read);
  if (!roots.every(({ certificate }) => isSelfSigned(certificate))) throw malformed("a root is none");
  if (!issuers.every(({ certificate }) => rootOf(certificate, roots) !== undefined)) {
    throw malformed("no root of it signed an issuing CA of it");
  }
  return {
    bundle: {
      trustDomain: data.trust_domain,
      version: data.version,
      issuedAtMs: data.issued_at_ms,
      roots,
      issuers,
    },
    signers: opened.signers,
  };
}

/** The root that signed an issuing CA, accepted or not. */
export function rootOf(
  issuing: Certificate,
  roots: readonly AcceptedAuthority[],
): AcceptedAuthority | undefined {
  return roots.find(({ certificate }) =>
    certificate.subject === issuing.issuer && isSignedBy(issuing, certificate)
  );
}

function readAuthority(text: string): Certificate {
  let certificate: Certificate;
  try {
    certificate = readNodeCertificate(fromBase64Url(text));
  } catch (cause) {
    throw malformed("an authority of it cannot be read", cause);
  }
  const { basicConstraints, keyUsage } = certificate.extensions;
  if (basicConstraints?.isAuthority !== true || keyUsage?.has(KEY_USAGE.certificateSign) !== true) {
    throw malformed("an authority of it is none");
  }
  return certificate;
}

function isValidAt(certificate: Certificate, atMs: number): boolean {
  return certificate.notBeforeMs <= atMs && atMs < endOf(certificate);
}

function malformed(state: string, cause?: unknown): PosternError {
  return new PosternError("trust_bundle_malformed", `Cannot use the trust bundle: ${state}`, { cause });
}

function unproven(state: string): PosternError {
  return new PosternError("trust_bundle_unproven", `Cannot use the trust bundle: ${state}`);
}
