/** An identity that was looked at: what control answers is believed only by what is held, or by the pin of a token. */
import { type Certificate } from "../../src/attestation/ek/mod.ts";
import { fromBase64Url, toHex } from "../../src/bytes/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import {
  checkPeerCertificate,
  parseSpiffeId,
  readHeldBundle,
  readHeldRevocations,
  readNodeCertificate,
  type RevocationList,
  type SignedDocument,
  type SpiffeId,
  type TrustBundle,
  verifyPinnedBundle,
  verifyRevocations,
  verifyTrustBundle,
} from "../../src/pki/mod.ts";
import { spkiOfKey } from "../../src/x509/mod.ts";
import type { IdentityAnswer } from "../identity_messages.ts";
import type { KeptIdentity, NodeKeys } from "./identity_file.ts";

/** Who else is believed. */
export interface HeldTrust {
  readonly bundle: TrustBundle;
  readonly bundleDocument: SignedDocument;
  readonly revocations: RevocationList;
  readonly revocationsDocument: SignedDocument;
}

export interface HeldIdentity extends HeldTrust {
  readonly id: SpiffeId;
  readonly keys: NodeKeys;
  readonly certificate: Certificate;
  /** DER, as the node shows it. */
  readonly chain: readonly Uint8Array[];
}

/** The pin in a node's enrolment token: SHA-256 of the bootstrap CA, hex. Throws `enrollment_token_malformed`. */
export function pinOf(token: string): string {
  const match = /^enroll\.[A-Za-z0-9_-]{12}\.[A-Za-z0-9_-]{43}\.([A-Za-z0-9_-]{43})$/.exec(token);
  if (match === null) {
    throw new PosternError(
      "enrollment_token_malformed",
      "Cannot enrol node: this is no enrolment token of a node",
    );
  }
  try {
    return toHex(fromBase64Url(match[1]));
  } catch (cause) {
    throw new PosternError(
      "enrollment_token_malformed",
      "Cannot enrol node: the pin of the token is malformed",
      {
        cause,
      },
    );
  }
}

/** What an enrolment answered. Throws `trust_bundle_*`, `revocations_*`, and `identity_answer_refused`. */
export async function firstIdentity(
  answer: IdentityAnswer,
  keys: NodeKeys,
  pin: string,
  nowMs: number,
): Promise<HeldIdentity> {
  const bundleDocument = answer.trust_bundles[answer.trust_bundles.length - 1];
  const bundle = verifyPinnedBundle(bundleDocument, pin);
  const revocations = verifyRevocations(answer.revocations, bundle, nowMs);
  const trust = { bundle, bundleDocument, revocations, revocationsDocument: answer.revocations };
  return await identityOf(trust, answer.certificate_chain, keys, nowMs);
}

/** What a renewal answered. Throws as {@link firstIdentity}. */
export async function nextIdentity(
  answer: IdentityAnswer,
  keys: NodeKeys,
  held: HeldIdentity,
  nowMs: number,
): Promise<HeldIdentity> {
  const trust = nextTrust(held, answer.trust_bundles, answer.revocations, nowMs);
  const next = await identityOf(trust, answer.certificate_chain, keys, nowMs);
  if (next.certificate.extensions.uris[0] !== held.certificate.extensions.uris[0]) {
    throw refused("it is for another node");
  }
  return next;
}

/** Each bundle is believed by the one before it. */
export function nextTrust(
  held: HeldTrust,
  bundles: readonly SignedDocument[],
  revocationsDocument: SignedDocument,
  nowMs: number,
): HeldTrust {
  let { bundle, bundleDocument } = held;
  for (const document of bundles) {
    bundle = verifyTrustBundle(document, bundle, nowMs);
    bundleDocument = document;
  }
  const revocations = verifyRevocations(revocationsDocument, bundle, nowMs, held.revocations);
  return { bundle, bundleDocument, revocations, revocationsDocument };
}

/** From this node's own file, which nobody else writes. Its certificate may be over. Throws `identity_file_malformed`. */
export function keptIdentity(keys: NodeKeys, kept: NonNullable<KeptIdentity["identity"]>): HeldIdentity {
  try {
    const bundle = readHeldBundle(kept.bundle);
    const certificate = readNodeCertificate(kept.chain[0]);
    const revocations = readHeldRevocations(kept.revocations);
    return {
      bundle,
      bundleDocument: kept.bundle,
      revocations,
      revocationsDocument: kept.revocations,
      id: parseSpiffeId(certificate.extensions.uris[0] ?? ""),
      keys,
      certificate,
      chain: kept.chain,
    };
  } catch (cause) {
    throw new PosternError(
      "identity_file_malformed",
      "Cannot use the identity of this node: its file is damaged",
      {
        cause,
      },
    );
  }
}

async function identityOf(
  trust: HeldTrust,
  chain: readonly Uint8Array[],
  keys: NodeKeys,
  nowMs: number,
): Promise<HeldIdentity> {
  // This node judges its own certificate as its peers will.
  const { trustDomain, role, id } = checkPeerCertificate(chain, trust.bundle, trust.revocations, {
    nowMs,
    usage: "client",
  });
  const certificate = readNodeCertificate(chain[0]);
  if (toHex(certificate.key.spki) !== toHex(await spkiOfKey(keys.publicKey))) {
    throw refused("it is for another key");
  }
  return { ...trust, id: { trustDomain, role, id }, keys, certificate, chain };
}

function refused(state: string): PosternError {
  return new PosternError(
    "identity_answer_refused",
    `Cannot use the certificate that control issued: ${state}`,
  );
}
