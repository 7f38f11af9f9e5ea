/** Certification paths (RFC 5280 6.1), from a certificate up to a root that the operator trusts. */
import { instant } from "../../bytes/mod.ts";
import { codeOf, PosternError } from "../../errors/mod.ts";
import { type Certificate, isSelfIssued } from "./certificate.ts";
import { KEY_USAGE } from "./extensions.ts";
import { checkStrength } from "./public_key.ts";
import { isRevoked } from "./revocations.ts";
import { checkAlgorithm, signatureHolds } from "./signature.ts";
import type { EkTrust } from "./trust.ts";

/** Certificates of one path, root included. The longest known chains have seven. */
export const maxChainCertificates = 8;
/** Signatures that one verification checks, whatever certificates it is offered: about 0.1 ms each. */
const maxSignatures = 32;

/** How much a refusal says, for the choice among those of several paths. */
const vague: Readonly<Record<string, number>> = {
  ek_chain_incomplete: 2,
  ek_chain_untrusted: 2,
  ek_signature_invalid: 1,
};

interface Refusal {
  readonly error: PosternError;
  readonly depth: number;
}

/** What holds for each certificate of a path, wherever it stands. */
export function checkCertificate(certificate: Certificate, nowMs: number): void {
  const { extensions, notBeforeMs, notAfterMs, key } = certificate;
  const [unknown] = extensions.unknownCritical;
  if (unknown !== undefined) {
    throw refusal("ek_extension_unknown", "a critical extension is not understood", { extension: unknown });
  }
  if (nowMs < notBeforeMs) {
    throw refusal("ek_certificate_not_yet_valid", "it is not valid yet", {
      not_before: instant(notBeforeMs),
    });
  }
  if (nowMs >= endOf(certificate)) {
    throw refusal("ek_certificate_expired", "it has expired", { not_after: instant(notAfterMs) });
  }
  checkStrength(key);
}

/** The first moment at which a certificate is not valid: its last second is part of the validity (RFC 5280 4.1.2.5). */
export function endOf({ notAfterMs }: Certificate): number {
  return notAfterMs + 1_000;
}

/**
 * The certificates from `leaf`, whose own contents the caller has checked, to a trusted root, both included.
 * `offered` are those of the peer: they are believed nothing but what a root vouches for.
 *
 * When there is no such path, the refusal that says most about why.
 * @throws PosternError `ek_roots_missing`, `ek_chain_incomplete`, `ek_chain_untrusted`, `ek_chain_too_long`,
 * `ek_signature_invalid`, `ek_issuer_not_ca`, `ek_path_length_exceeded`, `ek_certificate_revoked`, `ek_issuer_revoked`,
 * `ek_algorithm_weak`, `ek_algorithm_unsupported`, and what {@link checkCertificate} throws
 */
export function findPath(
  leaf: Certificate,
  offered: readonly Certificate[],
  trust: EkTrust,
  nowMs: number,
): readonly Certificate[] {
  if (trust.roots.length === 0) {
    throw new PosternError(
      "ek_roots_missing",
      "Cannot accept any EK certificate: no manufacturer is trusted",
    );
  }
  return new PathSearch(offered, trust, nowMs).run(leaf);
}

class PathSearch {
  readonly #roots: ReadonlySet<Certificate>;
  readonly #candidates: readonly Certificate[];
  readonly #trust: EkTrust;
  readonly #nowMs: number;
  #signatures = 0;
  #refusal: Refusal | undefined;

  constructor(offered: readonly Certificate[], trust: EkTrust, nowMs: number) {
    this.#trust = trust;
    this.#nowMs = nowMs;
    this.#roots = new Set(trust.roots);
    this.#candidates = [...trust.roots, ...offered, ...trust.intermediates];
  }

  run(leaf: Certificate): readonly Certificate[] {
    const path = this.#climb([leaf]);
    if (path !== undefined) return path;
    throw this.#refusal!.error;
  }

  #climb(path: readonly Certificate[]): readonly Certificate[] | undefined {
    const top = path[path.length - 1];
    const issuers = this.#candidates.filter((one) =>
      one.subject === top.issuer && !path.some((below) => below.keySha256 === one.keySha256)
    );
    if (issuers.length === 0) {
      this.#note(noIssuer(top), path.length);
      return undefined;
    }
    // The key identifiers are hints (RFC 5280 4.2.1.1): those that fit are tried first.
    const fits = ({ extensions }: Certificate) =>
      extensions.subjectKeyId !== undefined && extensions.subjectKeyId === top.extensions.authorityKeyId;
    for (const issuer of [...issuers.filter(fits), ...issuers.filter((one) => !fits(one))]) {
      try {
        this.#checkIssued(path, issuer);
        if (this.#roots.has(issuer)) return [...path, issuer];
      } catch (error) {
        if (!(error instanceof PosternError)) throw error;
        this.#note(error, path.length);
        continue;
      }
      const whole = this.#climb([...path, issuer]);
      if (whole !== undefined) return whole;
    }
    return undefined;
  }

  /** That `issuer` may, and did, issue the last certificate of `path`. */
  #checkIssued(path: readonly Certificate[], issuer: Certificate): void {
    const { revocations } = this.#trust;
    const top = path[path.length - 1];
    if (path.length >= maxChainCertificates || this.#signatures >= maxSignatures) {
      throw refusal("ek_chain_too_long", "its chain is too long", { limit: maxChainCertificates });
    }
    checkAlgorithm(top.algorithm);
    this.#signatures++;
    if (!signatureHolds(top.algorithm, issuer.key, top.signed, top.signature)) {
      // A maker may have several authorities of one name: whose key the certificate says is another's has merely not signed it.
      throw isOfAnotherKey(top, issuer)
        ? noIssuer(top)
        : refusal("ek_signature_invalid", "its issuer's key did not sign it");
    }
    checkAuthority(issuer, path);
    checkCertificate(issuer, this.#nowMs);
    if (isRevoked(revocations, top, issuer)) {
      throw path.length === 1
        ? refusal("ek_certificate_revoked", "it is revoked")
        : refusal("ek_issuer_revoked", "an authority of its chain is revoked");
    }
    if (this.#roots.has(issuer) && isRevoked(revocations, issuer, issuer)) {
      throw refusal("ek_issuer_revoked", "the root of its chain is revoked");
    }
  }

  /**
   * Keeps the refusal that says most; of equals, the one nearest to a root; of those, the first by its code: in which order
   * certificates lie in the operator's directories or came from the peer makes no difference.
   */
  #note(error: PosternError, depth: number): void {
    const held = this.#refusal;
    if (held === undefined) this.#refusal = { error, depth };
    else {
      const more = rankOf(error) - rankOf(held.error) || depth - held.depth;
      if (more > 0 || (more === 0 && error.code < held.error.code)) this.#refusal = { error, depth };
    }
  }
}

/** The key identifiers, where both certificates have them, name another key (RFC 5280 4.2.1.1). A peer's may lie. */
function isOfAnotherKey(top: Certificate, issuer: Certificate): boolean {
  const { authorityKeyId } = top.extensions;
  const { subjectKeyId } = issuer.extensions;
  return authorityKeyId !== undefined && subjectKeyId !== undefined && authorityKeyId !== subjectKeyId;
}

/** Nobody who could have issued it is known. */
function noIssuer(top: Certificate): PosternError {
  return isSelfIssued(top)
    ? refusal("ek_chain_untrusted", "its chain ends at an authority that is not trusted here")
    : refusal(
      "ek_chain_incomplete",
      "the certificate of its issuer, or of an authority above, is not known",
    );
}

function rankOf(error: PosternError): number {
  return 3 - (vague[codeOf(error)] ?? 0);
}

/** RFC 5280 6.1.4 (k) to (n). */
function checkAuthority(issuer: Certificate, path: readonly Certificate[]): void {
  const { basicConstraints, keyUsage, extendedKeyUsage } = issuer.extensions;
  if (basicConstraints?.isAuthority !== true) throw refusal("ek_issuer_not_ca", "its issuer is no authority");
  if (keyUsage !== undefined && !keyUsage.has(KEY_USAGE.certificateSign)) {
    throw refusal("ek_issuer_not_ca", "its issuer's key is not for certificates");
  }
  // Not of RFC 5280, but what every path validation does: an authority for something else is none here.
  if (extendedKeyUsage !== undefined && !extendedKeyUsage.some((usage) => endorsementUsages.has(usage))) {
    throw refusal("ek_issuer_not_ca", "its issuer is an authority for another use");
  }
  const between = path.slice(1).filter((one) => !isSelfIssued(one)).length;
  if (basicConstraints.maxBelow !== undefined && between > basicConstraints.maxBelow) {
    throw refusal("ek_path_length_exceeded", "an authority of its chain may not have so many below it", {
      path_length: basicConstraints.maxBelow,
    });
  }
}

/** TCG tcg-kp-EKCertificate: what an EK certificate says that it is. */
export const endorsementKeyUsage = "2.23.133.8.1";
/** And anyExtendedKeyUsage (RFC 5280 4.2.1.12). */
const endorsementUsages: ReadonlySet<string> = new Set([endorsementKeyUsage, "2.5.29.37.0"]);

type EkCode = PosternError["code"] & `ek_${string}`;

/** An EK certificate is not accepted because of something in its chain. */
export function refusal(
  code: EkCode,
  state: string,
  detail: Readonly<Record<string, string | number>> = {},
): PosternError {
  return new PosternError(code, `Cannot accept the EK certificate: ${state}`, { detail });
}
