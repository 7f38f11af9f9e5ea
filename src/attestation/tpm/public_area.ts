/**
 * TPMT_PUBLIC (Part 2, 12.2.4): the public area of an RSA or ECC key, and its name.
 *
 * ```
 * type u16 | nameAlg u16 | objectAttributes u32 | authPolicy TPM2B_DIGEST
 *   RSA  symmetric | scheme | keyBits u16 | exponent u32 (0 is 65537)   | unique TPM2B <= 512
 *   ECC  symmetric | scheme | curveID u16 | kdf u16 = TPM_ALG_NULL      | unique x TPM2B <= 48 | y TPM2B <= 48
 * symmetric   TPM_ALG_NULL, or AES u16 | keyBits u16 | CFB u16
 * scheme      TPM_ALG_NULL, or RSASSA, RSAPSS, ECDSA u16 | hash u16
 * ```
 */
import { TpmAlg, TpmEccCurve, TpmObject, TpmRh } from "./constants.ts";
import { maxDigestBytes, readHash, type TpmHash, tpmHash } from "./hash.ts";
import { decodeTpm, encodeTpm, type TpmReader, type TpmStructure, TpmWriter } from "./octets.ts";

/** Curves by the names of the EK templates. */
export type TpmCurve = keyof typeof TpmEccCurve;

export type RsaSignatureAlgorithm = "rsassa" | "rsapss";
export type SignatureAlgorithm = RsaSignatureAlgorithm | "ecdsa";

/** How a key signs. */
export interface TpmScheme<A extends SignatureAlgorithm = SignatureAlgorithm> {
  readonly algorithm: A;
  readonly hash: TpmHash;
}

/** What protects the children and credentials of a restricted decryption key: AES-CFB. */
export interface TpmSymmetric {
  readonly keyBits: 128 | 192 | 256;
}

interface PublicFields {
  readonly nameAlg: TpmHash;
  /** Bits of {@link TpmObject}. */
  readonly attributes: number;
  /** Empty, or a digest. */
  readonly authPolicy: Uint8Array;
  readonly symmetric: TpmSymmetric | null;
}

export interface TpmRsaPublic extends PublicFields {
  readonly type: "rsa";
  readonly scheme: TpmScheme<RsaSignatureAlgorithm> | null;
  readonly keyBits: 1024 | 2048 | 3072 | 4096;
  /** As it stands in the structure: 0 means 65537. */
  readonly exponent: number;
  /** The modulus, big-endian; any bytes in a template. */
  readonly modulus: Uint8Array;
}

export interface TpmEccPublic extends PublicFields {
  readonly type: "ecc";
  readonly scheme: TpmScheme<"ecdsa"> | null;
  readonly curve: TpmCurve;
  /** Coordinates, big-endian, no longer than the field; any bytes in a template. */
  readonly x: Uint8Array;
  readonly y: Uint8Array;
}

export type TpmPublic = TpmRsaPublic | TpmEccPublic;

/** Bytes of a coordinate. */
export const FIELD_BYTES: Readonly<Record<TpmCurve, number>> = { p256: 32, p384: 48 };

const MODULUS_BITS: readonly TpmRsaPublic["keyBits"][] = [1024, 2048, 3072, 4096];
const AES_KEY_BITS: readonly TpmSymmetric["keyBits"][] = [128, 192, 256];
const CURVES: readonly TpmCurve[] = ["p256", "p384"];
const KNOWN_ATTRIBUTES = Object.values(TpmObject).reduce<number>((bits, bit) => bits | bit, 0);
/** The largest key above has 604 bytes. */
const maxPublicBytes = 1024;

export const TPMT_PUBLIC: TpmStructure<TpmPublic> = {
  name: "TPMT_PUBLIC",
  read(reader) {
    const type = reader.u16();
    if (type !== TpmAlg.rsa && type !== TpmAlg.ecc) throw reader.unsupported("key type", type);
    const nameAlg = readHash(reader);
    const attributes = reader.u32();
    if ((attributes & ~KNOWN_ATTRIBUTES) !== 0) throw reader.malformed("an unknown attribute is set");
    const authPolicy = reader.sized(maxDigestBytes);
    const fields = { nameAlg, attributes, authPolicy, symmetric: readSymmetric(reader) };
    return type === TpmAlg.rsa ? readRsa(reader, fields) : readEcc(reader, fields);
  },
  write(writer, key) {
    writer.u16(TpmAlg[key.type]).u16(TpmAlg[key.nameAlg]);
    writer.u32(key.attributes).sized(key.authPolicy, maxDigestBytes);
    if (key.symmetric === null) writer.u16(TpmAlg.null);
    else writer.u16(TpmAlg.aes).u16(key.symmetric.keyBits).u16(TpmAlg.cfb);
    if (key.scheme === null) writer.u16(TpmAlg.null);
    else writer.u16(TpmAlg[key.scheme.algorithm]).u16(TpmAlg[key.scheme.hash]);
    if (key.type === "rsa") {
      writer.u16(key.keyBits).u32(key.exponent).sized(key.modulus, key.keyBits / 8);
    } else {
      const bytes = FIELD_BYTES[key.curve];
      writer.u16(TpmEccCurve[key.curve]).u16(TpmAlg.null).sized(key.x, bytes).sized(key.y, bytes);
    }
  },
};

/** TPM2B_PUBLIC (12.2.5): the public area behind its size. */
export const TPM2B_PUBLIC: TpmStructure<TpmPublic> = {
  name: "TPM2B_PUBLIC",
  read: (reader) => decodeTpm(TPMT_PUBLIC, reader.sized(maxPublicBytes)),
  write: (writer, key) => void writer.sized(encodeTpm(TPMT_PUBLIC, key), maxPublicBytes),
};

/** Name of a key (Part 1, 16): nameAlg and the hash of its public area. Throws like {@link encodeTpm}. */
export function tpmName(key: TpmPublic): Uint8Array<ArrayBuffer> {
  const digest = tpmHash(key.nameAlg, encodeTpm(TPMT_PUBLIC, key));
  return new TpmWriter().u16(TpmAlg[key.nameAlg]).put(digest).bytes();
}

/**
 * Qualified name (Part 1, 16.2): the key's name joined with those of everything above it.
 * @param parent qualified name of the parent; of a primary key the 4 bytes of its hierarchy's handle
 */
export function qualifiedName(key: TpmPublic, parent: Uint8Array): Uint8Array<ArrayBuffer> {
  const digest = tpmHash(key.nameAlg, parent, tpmName(key));
  return new TpmWriter().u16(TpmAlg[key.nameAlg]).put(digest).bytes();
}

/** What stands above a primary key of the endorsement hierarchy. */
export function endorsementHierarchy(): Uint8Array<ArrayBuffer> {
  return new TpmWriter().u32(TpmRh.endorsement).bytes();
}

function readSymmetric(reader: TpmReader): TpmSymmetric | null {
  const algorithm = reader.u16();
  if (algorithm === TpmAlg.null) return null;
  if (algorithm !== TpmAlg.aes) throw reader.unsupported("symmetric algorithm", algorithm);
  const bits = reader.u16();
  const keyBits = AES_KEY_BITS.find((one) => one === bits);
  if (keyBits === undefined) throw reader.malformed(`there is no AES key of ${bits} bits`);
  const mode = reader.u16();
  if (mode !== TpmAlg.cfb) throw reader.unsupported("cipher mode", mode);
  return { keyBits };
}

function readRsa(reader: TpmReader, fields: PublicFields): TpmRsaPublic {
  const id = reader.u16();
  let scheme: TpmRsaPublic["scheme"] = null;
  if (id === TpmAlg.rsassa) scheme = { algorithm: "rsassa", hash: readHash(reader) };
  else if (id === TpmAlg.rsapss) scheme = { algorithm: "rsapss", hash: readHash(reader) };
  else if (id !== TpmAlg.null) throw reader.unsupported("RSA scheme", id);
  const bits = reader.u16();
  const keyBits = MODULUS_BITS.find((one) => one === bits);
  if (keyBits === undefined) throw reader.malformed(`RSA keys of ${bits} bits are not taken`);
  return {
    type: "rsa",
    ...fields,
    scheme,
    keyBits,
    exponent: reader.u32(),
    modulus: reader.sized(keyBits / 8),
  };
}

function readEcc(reader: TpmReader, fields: PublicFields): TpmEccPublic {
  const id = reader.u16();
  let scheme: TpmEccPublic["scheme"] = null;
  if (id === TpmAlg.ecdsa) scheme = { algorithm: "ecdsa", hash: readHash(reader) };
  else if (id !== TpmAlg.null) throw reader.unsupported("ECC scheme", id);
  const curveId = reader.u16();
  const curve = CURVES.find((one) => TpmEccCurve[one] === curveId);
  if (curve === undefined) throw reader.unsupported("curve", curveId);
  const kdf = reader.u16();
  if (kdf !== TpmAlg.null) throw reader.unsupported("key derivation scheme", kdf);
  const bytes = FIELD_BYTES[curve];
  return { type: "ecc", ...fields, scheme, curve, x: reader.sized(bytes), y: reader.sized(bytes) };
}
