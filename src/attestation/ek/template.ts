/**
 * Endorsement keys by template: TCG EK Credential Profile for TPM Family 2.0, "Default EK Templates". A TPM makes the same key
 * from the same template whenever it is asked, so who knows the template knows everything of the key but the number in
 * its certificate.
 */
import { fromHex } from "../../bytes/mod.ts";
import { PosternError } from "../../errors/mod.ts";
import { encodeTpm, FIELD_BYTES, TpmObject, type TpmPublic, TPMT_PUBLIC } from "../tpm/mod.ts";
import type { CertifiedKey } from "./public_key.ts";

/** L-1, L-2 and H-3 of the profile. */
export type EkTemplateName = "rsa2048" | "p256" | "p384";

export interface EkTemplate {
  /** NV index of the certificate of this key. */
  readonly certificateIndex: number;
  /** Whether use of the key needs PolicySecret of the endorsement hierarchy: the low range. Else its auth is empty. */
  readonly needsPolicy: boolean;
  /** What TPM2_CreatePrimary takes under the endorsement hierarchy. */
  readonly area: TpmPublic;
}

/** Policy A with SHA-256: PolicySecret(RH_ENDORSEMENT). */
const policyA = fromHex("837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa");
/** Policy B with SHA-384: the same, or an authorized policy of NV index 0x01c07f02. */
const policyB = fromHex(
  "b26e7d28d11a50bc53d882bcf5fd3a1a074148bb35d3b4e4cb1c0ad9bde419cacb47ba09699646150f9fc000f3f80e12",
);

const lowAttributes = TpmObject.fixedTPM | TpmObject.fixedParent | TpmObject.sensitiveDataOrigin |
  TpmObject.adminWithPolicy | TpmObject.restricted | TpmObject.decrypt;

const rsaExponent = 65_537;

/** Low-range templates ask for zeros as unique, the high range for nothing. */
export const EK_TEMPLATES: Readonly<Record<EkTemplateName, EkTemplate>> = Object.freeze({
  rsa2048: {
    certificateIndex: 0x01c00002,
    needsPolicy: true,
    area: {
      type: "rsa",
      nameAlg: "sha256",
      attributes: lowAttributes,
      authPolicy: policyA,
      symmetric: { keyBits: 128 },
      scheme: null,
      keyBits: 2048,
      exponent: 0,
      modulus: new Uint8Array(256),
    },
  },
  p256: {
    certificateIndex: 0x01c0000a,
    needsPolicy: true,
    area: {
      type: "ecc",
      nameAlg: "sha256",
      attributes: lowAttributes,
      authPolicy: policyA,
      symmetric: { keyBits: 128 },
      scheme: null,
      curve: "p256",
      x: new Uint8Array(32),
      y: new Uint8Array(32),
    },
  },
  p384: {
    certificateIndex: 0x01c00016,
    needsPolicy: false,
    area: {
      type: "ecc",
      nameAlg: "sha384",
      attributes: lowAttributes | TpmObject.userWithAuth,
      authPolicy: policyB,
      symmetric: { keyBits: 256 },
      scheme: null,
      curve: "p384",
      x: new Uint8Array(0),
      y: new Uint8Array(0),
    },
  },
});

/** Whether peer text names a template. */
export function isEkTemplateName(text: string): text is EkTemplateName {
  return Object.hasOwn(EK_TEMPLATES, text);
}

/**
 * The public area of the endorsement key that a certificate is for: the template's, with the certificate's key in it.
 * @throws PosternError `ek_template_mismatch` when a key of this kind does not come from this template
 */
export function ekPublicOf(name: EkTemplateName, key: CertifiedKey): TpmPublic {
  const { area } = EK_TEMPLATES[name];
  if (area.type === "rsa" && key.type === "rsa") {
    if (key.modulus.length === area.keyBits / 8 && key.exponent === rsaExponent) {
      return { ...area, modulus: new Uint8Array(key.modulus) };
    }
  }
  if (area.type === "ecc" && key.type === "ecc" && area.curve === key.curve) {
    return { ...area, x: new Uint8Array(key.x), y: new Uint8Array(key.y) };
  }
  throw new PosternError(
    "ek_template_mismatch",
    `Cannot accept the EK certificate: its key is none of template ${name}`,
    { detail: { template: name } },
  );
}

/**
 * Compares the public area that a peer says its endorsement key has. It is not needed, and never used.
 * @throws PosternError `ek_key_mismatch` for another key than the certificate's, `ek_template_altered` for the same
 * key with other attributes
 */
export function checkSaidPublic(expected: TpmPublic, said: TpmPublic): void {
  const padded = widened(said);
  if (keyText(padded) !== keyText(expected)) {
    throw new PosternError("ek_key_mismatch", "Cannot accept the EK certificate: it is for another key");
  }
  if (encodeTpm(TPMT_PUBLIC, padded).toHex() !== encodeTpm(TPMT_PUBLIC, expected).toHex()) {
    throw new PosternError(
      "ek_template_altered",
      "Cannot accept the endorsement key: its public area is not that of the template",
    );
  }
}

/** With coordinates as wide as the field: some TPMs leave out leading zeros. */
function widened(area: TpmPublic): TpmPublic {
  if (area.type === "rsa") return area;
  const wide = (octets: Uint8Array) => {
    const out = new Uint8Array(FIELD_BYTES[area.curve]);
    out.set(octets, out.length - octets.length);
    return out;
  };
  return { ...area, x: wide(area.x), y: wide(area.y) };
}

function keyText(area: TpmPublic): string {
  return area.type === "rsa" ? area.modulus.toHex() : `${area.curve} ${area.x.toHex()} ${area.y.toHex()}`;
}
