/**
 * TPMT_SIGNATURE (Part 2, 11.3.4).
 *
 * ```
 * RSASSA, RSAPSS   sigAlg u16 | hash u16 | sig TPM2B <= 512
 * ECDSA            sigAlg u16 | hash u16 | r TPM2B <= 48 | s TPM2B <= 48
 * ```
 */
import { TpmAlg } from "./constants.ts";
import { readHash, type TpmHash } from "./hash.ts";
import type { TpmStructure } from "./octets.ts";
import type { RsaSignatureAlgorithm } from "./public_area.ts";

export interface TpmRsaSignature {
  readonly algorithm: RsaSignatureAlgorithm;
  readonly hash: TpmHash;
  readonly signature: Uint8Array;
}

export interface TpmEcdsaSignature {
  readonly algorithm: "ecdsa";
  readonly hash: TpmHash;
  /** Big-endian; some TPMs leave out leading zeros. */
  readonly r: Uint8Array;
  readonly s: Uint8Array;
}

export type TpmSignature = TpmRsaSignature | TpmEcdsaSignature;

/** RSA-4096. */
const maxRsaBytes = 512;
/** P-384. */
const maxEccBytes = 48;

/** `read` throws `tpm_hash_weak` for SHA-1 and `tpm_algorithm_unsupported` for other hashes and schemes. */
export const TPMT_SIGNATURE: TpmStructure<TpmSignature> = {
  name: "TPMT_SIGNATURE",
  read(reader) {
    const id = reader.u16();
    switch (id) {
      case TpmAlg.rsassa:
        return { algorithm: "rsassa", hash: readHash(reader), signature: reader.sized(maxRsaBytes) };
      case TpmAlg.rsapss:
        return { algorithm: "rsapss", hash: readHash(reader), signature: reader.sized(maxRsaBytes) };
      case TpmAlg.ecdsa:
        return {
          algorithm: "ecdsa",
          hash: readHash(reader),
          r: reader.sized(maxEccBytes),
          s: reader.sized(maxEccBytes),
        };
      default:
        throw reader.unsupported("signature scheme", id);
    }
  },
  write(writer, signature) {
    writer.u16(TpmAlg[signature.algorithm]).u16(TpmAlg[signature.hash]);
    if (signature.algorithm === "ecdsa") {
      writer.sized(signature.r, maxEccBytes).sized(signature.s, maxEccBytes);
    } else {
      writer.sized(signature.signature, maxRsaBytes);
    }
  },
};
