/** Certificate requests (PKCS #10, RFC 2986): a key, and the proof that whoever asks holds it. */
import {
  type CertifiedKey,
  checkStrength,
  readExtensionList,
  readExtensions,
  readPublicKey,
  readSignatureAlgorithm,
  signatureHolds,
} from "../attestation/ek/mod.ts";
import { der } from "../bytes/mod.ts";
import { PosternError } from "../errors/mod.ts";
import { ecdsaSignature, ecdsaWithSha256, spkiOfKey, subjectAltName } from "../x509/mod.ts";
import { formatSpiffeId, type SpiffeId } from "./spiffe_id.ts";

/** One of a P-256 key has some 300 bytes. */
export const maxCsrBytes = 2_048;
/** PKCS #9 extensionRequest (RFC 2985 5.4.2). */
const extensionRequest = "1.2.840.113549.1.9.14";

/** A request whose proof holds. */
export interface ProvenCsr {
  /** SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array<ArrayBuffer>;
  /** URIs that it asks for as names. Only a hint: what a node is called, its token says. */
  readonly uris: readonly string[];
}

/**
 * Reads a request, DER, and checks that its own key signed it. The bytes are a peer's.
 * @throws PosternError `csr_oversized`, `csr_malformed`, `csr_key_unsupported`, `csr_proof_invalid`
 */
export function readCsr(bytes: Uint8Array): ProvenCsr {
  if (bytes.length > maxCsrBytes) {
    throw new PosternError("csr_oversized", "Cannot read the certificate request: it has too many bytes", {
      detail: { bytes: bytes.length, limit: maxCsrBytes },
    });
  }
  try {
    return readFields(bytes);
  } catch (cause) {
    if (cause instanceof PosternError && cause.code.startsWith("csr_")) throw cause;
    const code = cause instanceof PosternError && /^ek_(algorithm|key)/.test(cause.code)
      ? "csr_key_unsupported"
      : "csr_malformed";
    throw new PosternError(
      code,
      code === "csr_malformed"
        ? "Cannot read the certificate request: it is no PKCS #10 request in DER"
        : "Cannot use the certificate request: its key is not P-256",
      { cause },
    );
  }
}

function readFields(bytes: Uint8Array): ProvenCsr {
  const file = new der.DerReader(bytes);
  const outer = file.enter();
  file.end();
  const { whole: signed, content } = outer.read(der.TAG.sequence);
  const algorithm = readSignatureAlgorithm(outer.read(der.TAG.sequence).whole);
  const signature = outer.octetsOfBits();
  outer.end();

  const fields = new der.DerReader(content);
  if (fields.smallInteger() !== 0) throw new der.DerError("the version is not 1");
  fields.read(der.TAG.sequence); // the subject: names are not for the asking
  const key: CertifiedKey = readPublicKey(fields);
  const attributes = fields.enter(0xa0);
  fields.end();
  if (key.type !== "ecc" || key.curve !== "p256") {
    throw new PosternError("csr_key_unsupported", "Cannot use the certificate request: its key is not P-256");
  }
  checkStrength(key);
  if (algorithm.kind !== "ecc" || !signatureHolds(algorithm, key, signed, signature)) {
    throw new PosternError(
      "csr_proof_invalid",
      "Cannot use the certificate request: its key did not sign it",
    );
  }
  return { publicKey: key.spki, uris: urisOf(attributes) };
}

function urisOf(attributes: der.DerReader): readonly string[] {
  let uris: readonly string[] | undefined;
  while (!attributes.isEmpty) {
    const attribute = attributes.enter();
    const oid = attribute.objectIdentifier();
    const values = attribute.enter(der.TAG.set);
    attribute.end();
    if (oid !== extensionRequest) continue;
    if (uris !== undefined) throw new der.DerError("extensions are requested twice");
    uris = readExtensions(readExtensionList(values.enter())).uris;
    values.end();
  }
  return uris ?? [];
}

/** Makes a request for a P-256 key; DER. @param id asked for, where the node knows what it is called */
export async function makeCsr(keys: CryptoKeyPair, id?: SpiffeId): Promise<Uint8Array<ArrayBuffer>> {
  const asked = id === undefined ? [] : [
    der.sequence(
      der.objectIdentifier(extensionRequest),
      der.set(
        der.sequence(
          subjectAltName(false, der.contextString(6, new TextEncoder().encode(formatSpiffeId(id)))),
        ),
      ),
    ),
  ];
  const body = der.sequence(
    der.integer(0),
    der.sequence(),
    await spkiOfKey(keys.publicKey),
    der.context(0, ...asked),
  );
  return der.sequence(body, ecdsaWithSha256, der.bitString(await ecdsaSignature(keys.privateKey, body)));
}
