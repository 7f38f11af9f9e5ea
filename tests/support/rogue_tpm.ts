/**
 * A "TPM" that signs whatever it is told to: what no real one does. With keys of its own, so that refusals behind the
 * signature can be reached.
 */
import { constants, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { concat, fromBase64Url } from "../../src/bytes/mod.ts";
import {
  encodeTpm,
  endorsementHierarchy,
  qualifiedName,
  type QuoteClaim,
  type SignatureAlgorithm,
  type TpmAttest,
  type TpmCertifyAttest,
  type TpmHash,
  tpmHash,
  TpmObject,
  type TpmPublic,
  type TpmQuoteAttest,
  TPMS_ATTEST,
  type TpmSignature,
  TPMT_PUBLIC,
  TPMT_SIGNATURE,
} from "../../src/attestation/tpm/mod.ts";

const akAttributes = TpmObject.fixedTPM | TpmObject.fixedParent | TpmObject.sensitiveDataOrigin |
  TpmObject.userWithAuth | TpmObject.noDA | TpmObject.restricted | TpmObject.sign;

export interface RogueKeyOptions {
  readonly algorithm?: SignatureAlgorithm;
  readonly hash?: TpmHash;
  readonly curve?: "p256" | "p384";
  readonly keyBits?: 1024 | 2048;
  readonly exponent?: number;
  /** Salt of RSAPSS: as long as the hash unless given. */
  readonly saltBytes?: number;
}

/** One attestation key and everything it is willing to sign. */
export class RogueTpm {
  readonly publicArea: TpmPublic;
  readonly #privateKey: KeyObject;
  readonly #saltBytes: number | undefined;

  constructor(options: RogueKeyOptions = {}) {
    const { algorithm = "ecdsa", hash = "sha256", curve = "p256", keyBits = 2048, exponent = 65_537 } =
      options;
    this.#saltBytes = options.saltBytes;
    const fields = {
      nameAlg: "sha256",
      attributes: akAttributes,
      authPolicy: new Uint8Array(),
      symmetric: null,
    } as const;
    if (algorithm === "ecdsa") {
      const namedCurve = curve === "p256" ? "P-256" : "P-384";
      const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve });
      const { x, y } = publicKey.export({ format: "jwk" });
      this.#privateKey = privateKey;
      this.publicArea = {
        type: "ecc",
        ...fields,
        scheme: { algorithm, hash },
        curve,
        x: fromBase64Url(x!),
        y: fromBase64Url(y!),
      };
    } else {
      const options = { modulusLength: keyBits, publicExponent: exponent };
      const { publicKey, privateKey } = generateKeyPairSync("rsa", options);
      this.#privateKey = privateKey;
      this.publicArea = {
        type: "rsa",
        ...fields,
        scheme: { algorithm, hash },
        keyBits,
        exponent: exponent === 65_537 ? 0 : exponent,
        modulus: fromBase64Url(publicKey.export({ format: "jwk" }).n!),
      };
    }
  }

  get akPublic(): Uint8Array<ArrayBuffer> {
    return encodeTpm(TPMT_PUBLIC, this.publicArea);
  }

  /** Signs any bytes, as TPMT_SIGNATURE. */
  sign(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
    return encodeTpm(TPMT_SIGNATURE, this.signature(bytes));
  }

  signature(bytes: Uint8Array): TpmSignature {
    const key = this.#privateKey;
    const { algorithm, hash } = this.publicArea.scheme!;
    if (algorithm === "ecdsa") {
      const raw = new Uint8Array(sign(hash, bytes, { key, dsaEncoding: "ieee-p1363" }));
      return { algorithm, hash, r: raw.slice(0, raw.length / 2), s: raw.slice(raw.length / 2) };
    }
    const padding = algorithm === "rsassa" ? { padding: constants.RSA_PKCS1_PADDING } : {
      padding: constants.RSA_PKCS1_PSS_PADDING,
      saltLength: this.#saltBytes ?? constants.RSA_PSS_SALTLEN_DIGEST,
    };
    return { algorithm, hash, signature: new Uint8Array(sign(hash, bytes, { key, ...padding })) };
  }

  /** A quote of PCRs 0, 1 and 7 with its claim, which {@link verifyQuote} accepts unless something is changed. */
  quote(changes: Partial<TpmQuoteAttest> = {}): QuoteClaim {
    const values = { "0": "a0".repeat(32), "1": "a1".repeat(32), "7": "a7".repeat(32) };
    const digests = Object.values(values).map((value) => Uint8Array.fromHex(value));
    const attest: TpmQuoteAttest = {
      type: "quote",
      ...this.#common(),
      pcrSelect: [{ bank: "sha256", pcrs: [0, 1, 7] }],
      pcrDigest: tpmHash(this.publicArea.scheme!.hash, concat(...digests)),
      ...changes,
    };
    return {
      ...this.signed(attest),
      selection: { bank: "sha256", pcrs: [0, 1, 7] },
      pcrs: { bank: "sha256", values },
    };
  }

  /** A certification of the key with this name. */
  certification(name: Uint8Array, changes: Partial<TpmCertifyAttest> = {}): TpmCertifyAttest {
    return { type: "certify", ...this.#common(), name, qualifiedName: name, ...changes };
  }

  /** Signs a structure. */
  signed(attest: TpmAttest): Pick<QuoteClaim, "quote" | "signature" | "akPublic" | "qualifyingData"> {
    return this.signedBytes(encodeTpm(TPMS_ATTEST, attest));
  }

  /** Signs bytes that need be no structure. */
  signedBytes(quote: Uint8Array): Pick<QuoteClaim, "quote" | "signature" | "akPublic" | "qualifyingData"> {
    return { quote, signature: this.sign(quote), akPublic: this.akPublic, qualifyingData: NONCE };
  }

  #common() {
    return {
      qualifiedSigner: qualifiedName(this.publicArea, endorsementHierarchy()),
      extraData: NONCE,
      clockInfo: { clockMs: 123_456, resetCount: 7, restartCount: 2, safe: true },
      firmwareVersion: 0x0019_1023_0016_3636n,
    };
  }
}

/** What is asked for in all of these quotes. */
export const NONCE: Uint8Array<ArrayBuffer> = new Uint8Array(32).fill(0x5e);
