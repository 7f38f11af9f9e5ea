/**
 * The authorities of a trust domain.
 *
 * ```
 *   bootstrap CA   signs first trust bundles; enrollment tokens pin it; no node certificate ever counts by it
 *   root CA        its key may lie offline
 *     issuing CA   of one control: signs node certificates, trust bundles, revocation lists
 *       node       five minutes to a day
 * ```
 */
import { type Certificate } from "../attestation/ek/mod.ts";
import { concat, der } from "../bytes/mod.ts";
import type { Random } from "../ports/mod.ts";
import {
  authorityKeyId,
  basicConstraints,
  commonName,
  extendedKeyUsage,
  extension,
  KEY_USAGE_BITS,
  keyIdOf,
  keyUsage,
  serialOf,
  signCertificate,
  subjectAltName,
  subjectKeyId,
} from "../x509/mod.ts";
import { readNodeCertificate } from "./certificate.ts";
import { formatSpiffeId, type SpiffeId } from "./spiffe_id.ts";

/** An authority that can sign. */
export interface Authority {
  readonly certificate: Certificate;
  /** P-256, of `certificate`. */
  readonly privateKey: CryptoKey;
}

/** From the first to the last moment, Unix milliseconds. */
export interface Validity {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

const usages = Object.freeze({ serverAuth: "1.3.6.1.5.5.7.3.1", clientAuth: "1.3.6.1.5.5.7.3.2" });
/** Signatures over bundles and lists are digital signatures, of bundles' own context. */
const authorityUsage = KEY_USAGE_BITS.certificateSign | KEY_USAGE_BITS.crlSign |
  KEY_USAGE_BITS.digitalSignature;

export type AuthorityKind = "root" | "bootstrap";

/** An authority that signs itself; its name is unique by its key. @param publicKey SubjectPublicKeyInfo, P-256 */
export async function selfSigned(
  kind: AuthorityKind,
  trustDomain: string,
  keys: { readonly privateKey: CryptoKey; readonly publicKey: Uint8Array },
  validity: Validity,
  random: Random,
): Promise<Certificate> {
  const keyId = await keyIdOf(keys.publicKey);
  const name = authorityName(kind, trustDomain, keyId);
  return readNodeCertificate(
    await signCertificate(keys.privateKey, {
      ...validity,
      serial: serialOf(random(16)),
      issuer: name,
      subject: name,
      publicKey: keys.publicKey,
      extensions: [
        // The bootstrap CA has nothing below it at all: it signs bundles only.
        basicConstraints(kind === "root" ? 1 : 0),
        keyUsage(kind === "root" ? authorityUsage : KEY_USAGE_BITS.digitalSignature),
        noNamesOfHosts,
        subjectKeyId(keyId),
      ],
    }),
  );
}

/** Signs an issuing CA. @param publicKey SubjectPublicKeyInfo, P-256 */
export async function issueAuthority(
  root: Authority,
  trustDomain: string,
  publicKey: Uint8Array,
  validity: Validity,
  random: Random,
): Promise<Certificate> {
  const keyId = await keyIdOf(publicKey);
  return readNodeCertificate(
    await signCertificate(root.privateKey, {
      ...within(validity, root),
      serial: serialOf(random(16)),
      issuer: fromHexName(root.certificate.subject),
      subject: authorityName("issuing", trustDomain, keyId),
      publicKey,
      extensions: [
        basicConstraints(0),
        keyUsage(authorityUsage),
        noNamesOfHosts,
        subjectKeyId(keyId),
        authorityKeyId(await keyIdOf(root.certificate.key.spki)),
      ],
    }),
  );
}

/** Signs a node's certificate (SPIFFE X509-SVID 4): one name, which is a URI. @param publicKey SubjectPublicKeyInfo, P-256 */
export async function issueNode(
  issuing: Authority,
  id: SpiffeId,
  publicKey: Uint8Array,
  validity: Validity,
  random: Random,
): Promise<Certificate> {
  const uri = new TextEncoder().encode(formatSpiffeId(id));
  return readNodeCertificate(
    await signCertificate(issuing.privateKey, {
      ...within(validity, issuing),
      serial: serialOf(random(16)),
      issuer: fromHexName(issuing.certificate.subject),
      subject: der.sequence(),
      publicKey,
      extensions: [
        basicConstraints(undefined),
        keyUsage(KEY_USAGE_BITS.digitalSignature),
        extendedKeyUsage(usages.serverAuth, usages.clientAuth),
        subjectAltName(true, der.contextString(6, uri)),
        subjectKeyId(await keyIdOf(publicKey)),
        authorityKeyId(await keyIdOf(issuing.certificate.key.spki)),
      ],
    }),
  );
}

/** Nothing outlives what signed it. */
function within({ notBeforeMs, notAfterMs }: Validity, { certificate }: Authority): Validity {
  return {
    notBeforeMs: Math.max(notBeforeMs, certificate.notBeforeMs),
    notAfterMs: Math.min(notAfterMs, certificate.notAfterMs),
  };
}

/**
 * Excluded subtrees (RFC 5280 4.2.1.10): all DNS names and all addresses. Whoever puts a root of nodes into a trust store by
 * mistake does not trust it for web sites. Trust domains are no name constraint: TLS libraries refuse those of URIs.
 */
const noNamesOfHosts = extension(
  "2.5.29.30",
  true,
  der.sequence(
    der.context(
      1,
      ...[
        der.contextString(2, new Uint8Array(0)),
        der.contextString(7, new Uint8Array(8)),
        der.contextString(7, new Uint8Array(32)),
      ].map((base) => der.sequence(base)),
    ),
  ),
);
/** What {@link noNamesOfHosts} is called; a node has no name that it could be about. */
export const nameConstraintsOid = "2.5.29.30";

function authorityName(kind: AuthorityKind | "issuing", trustDomain: string, keyId: Uint8Array): Uint8Array {
  // RFC 5280 A.1: a common name has at most 64 characters.
  const place = trustDomain.length > 32 ? `${trustDomain.slice(0, 31)}~` : trustDomain;
  return commonName(`${place} ${kind} CA ${concat(keyId).subarray(0, 6).toHex()}`);
}

function fromHexName(hex: string): Uint8Array {
  return Uint8Array.fromHex(hex);
}
