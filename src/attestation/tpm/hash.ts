/** Hash algorithms of the TPM: the ones that are trusted, and the ones that a PCR bank may have besides. */
import { createHash } from "node:crypto";
import { PosternError } from "../../errors/mod.ts";
import { TpmAlg } from "./constants.ts";
import type { TpmReader } from "./octets.ts";

/** Hashes of names, schemes and signatures. SHA-1 has collisions that can be bought. */
export type TpmHash = "sha256" | "sha384" | "sha512";

/** Hashes that a PCR bank may be made with, by the names tpm2-tools uses. */
export type TpmBank = TpmHash | "sha1" | "sm3_256" | "sha3_256" | "sha3_384" | "sha3_512";

const HASHES: readonly TpmHash[] = ["sha256", "sha384", "sha512"];

/** Bytes of a digest. */
export const DIGEST_BYTES: Readonly<Record<TpmBank, number>> = {
  sha1: 20,
  sha256: 32,
  sha384: 48,
  sha512: 64,
  sm3_256: 32,
  sha3_256: 32,
  sha3_384: 48,
  sha3_512: 64,
};

/** Largest TPM2B_DIGEST: SHA-512. */
export const maxDigestBytes = 64;
/** Largest TPM2B_NAME: nameAlg and a SHA-512 digest. */
export const maxNameBytes = 2 + maxDigestBytes;

/** Digest of bytes. */
export function tpmHash(hash: TpmHash, ...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const state = createHash(hash);
  for (const part of parts) state.update(part);
  return new Uint8Array(state.digest());
}

/** Reads the TPM_ALG_ID of a hash. Throws `tpm_hash_weak` for SHA-1, `tpm_algorithm_unsupported`. */
export function readHash(reader: TpmReader): TpmHash {
  const id = reader.u16();
  if (id === TpmAlg.sha1) {
    throw new PosternError("tpm_hash_weak", "Cannot trust a TPM structure: it is made with SHA-1");
  }
  const hash = HASHES.find((one) => TpmAlg[one] === id);
  if (hash === undefined) throw reader.unsupported("hash", id);
  return hash;
}

/** Reads the TPM_ALG_ID of a PCR bank, weak ones too: a TPM lists what it has. Throws `tpm_algorithm_unsupported`. */
export function readBank(reader: TpmReader): TpmBank {
  const id = reader.u16();
  for (const bank of Object.keys(DIGEST_BYTES) as TpmBank[]) if (TpmAlg[bank] === id) return bank;
  throw reader.unsupported("PCR bank", id);
}
