/** What control answers about an identity: believed only by what is held, or by the pin of a token. */
import { fromBase64Url, toHex } from "../../src/bytes/mod.ts";
import type { NodeTrust } from "../../src/driver/tls/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import {
  checkPeerCertificate,
  formatSpiffeId,
  readHeldBundle,
  readHeldRevocations,
  readNodeCertificate,
  type SignedDocument,
  type SpiffeId,
  verifyPinnedBundle,
  verifyRevocations,
} from "../../src/pki/mod.ts";
import { spkiOfKey } from "../../src/x509/mod.ts";
import type { IdentityAnswer } from "../identity_messages.ts";
import type { NodeKeys } from "./identity_file.ts";

/** Trust with the documents that prove it: they are kept, and passed on. */
export type ProvenTrust = NodeTrust & Required<Pick<NodeTrust, "documents">>;

/** The pin in a node's enrollment token: SHA-256 of the bootstrap CA, hex. Throws `enrollment_token_malformed`. */
export function pinOf(token: string): string {
  const match = /^enroll\.[A-Za-z0-9_-]{12}\.[A-Za-z0-9_-]{43}\.([A-Za-z0-9_-]{43})$/.exec(token);
  if (match === null) {
    throw new PosternError(
      "enrollment_token_malformed",
      "Cannot enroll node: this is no enrollment token of a node",
    );
  }
  try {
    return toHex(fromBase64Url(match[1]));
  } catch (cause) {
    throw new PosternError(
      "enrollment_token_malformed",
      "Cannot enroll node: the pin of the token is malformed",
      { cause },
    );
  }
}

/** Whom a node believes by what its enrollment answered. Throws `trust_bundle_*` and `revocations_*`. */
export function firstTrust(answer: IdentityAnswer, pin: string, nowMs: number): ProvenTrust {
  const bundleDocument = answer.trust_bundles[answer.trust_bundles.length - 1];
  const bundle = verifyPinnedBundle(bundleDocument, pin);
  const revocations = verifyRevocations(answer.revocations, bundle, nowMs);
  return { bundle, revocations, documents: { bundle: bundleDocument, revocations: answer.revocations } };
}

/** From this node's own file, which nobody else writes. Throws the codes of documents that cannot be read. */
export function keptTrust(documents: {
  readonly bundle: SignedDocument;
  readonly revocations: SignedDocument;
}): ProvenTrust {
  return {
    bundle: readHeldBundle(documents.bundle),
    revocations: readHeldRevocations(documents.revocations),
    documents: { bundle: documents.bundle, revocations: documents.revocations },
  };
}

/**
 * This node judges its own certificate as its peers will. @param expected who it is already
 * @throws PosternError `identity_answer_refused`, and what `checkPeerCertificate` throws
 */
export async function checkAnswered(
  chain: readonly Uint8Array[],
  { bundle, revocations }: NodeTrust,
  keys: NodeKeys,
  nowMs: number,
  expected?: SpiffeId,
): Promise<void> {
  const peer = checkPeerCertificate(chain, bundle, revocations, { nowMs, usage: "client" });
  if (toHex(readNodeCertificate(chain[0]).key.spki) !== toHex(await spkiOfKey(keys.publicKey))) {
    throw refused("it is for another key");
  }
  if (expected !== undefined && peer.spiffeId !== formatSpiffeId(expected)) {
    throw refused("it is for another node");
  }
}

function refused(state: string): PosternError {
  return new PosternError(
    "identity_answer_refused",
    `Cannot use the certificate that control issued: ${state}`,
  );
}
