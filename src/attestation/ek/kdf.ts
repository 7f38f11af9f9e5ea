/** The TPM's two key derivations: TCG "TPM 2.0 Library, Part 1", 11.4.10.2 (KDFa) and 11.4.10.3 (KDFe). */
import { createHash, createHmac } from "node:crypto";
import { concat, utf8 } from "../../bytes/mod.ts";
import { DIGEST_BYTES, type TpmHash } from "../tpm/mod.ts";

/** Both take whole octets only: `bits` is a multiple of 8. */
interface Derivation {
  readonly hash: TpmHash;
  /** Without its terminating zero, which both add. */
  readonly label: string;
  readonly bits: number;
}

/**
 * KDFa: SP 800-108 in counter mode with HMAC.
 * Block i is HMAC(key, u32 i | label | 00 | contextU | contextV | u32 bits).
 */
export function kdfa(
  { hash, label, bits }: Derivation,
  key: Uint8Array,
  contextU: Uint8Array,
  contextV: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const fixed = concat(utf8(label), Uint8Array.of(0), contextU, contextV, u32(bits));
  return blocks(hash, bits, (counter) => createHmac(hash, key).update(counter).update(fixed).digest());
}

/**
 * KDFe: the one-step derivation of SP 800-56A with a plain hash.
 * Block i is H(u32 i | Z | label | 00 | partyU | partyV); all three are x coordinates as wide as the field.
 */
export function kdfe(
  { hash, label, bits }: Derivation,
  z: Uint8Array,
  partyU: Uint8Array,
  partyV: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const fixed = concat(z, utf8(label), Uint8Array.of(0), partyU, partyV);
  return blocks(hash, bits, (counter) => createHash(hash).update(counter).update(fixed).digest());
}

function blocks(
  hash: TpmHash,
  bits: number,
  block: (counter: Uint8Array) => Uint8Array,
): Uint8Array<ArrayBuffer> {
  if (bits % 8 !== 0) throw new RangeError(`Cannot derive ${bits} bits: whole octets only`);
  const out: Uint8Array[] = [];
  for (let i = 1; (i - 1) * DIGEST_BYTES[hash] < bits / 8; i++) out.push(block(u32(i)));
  return concat(...out).slice(0, bits / 8);
}

function u32(value: number): Uint8Array<ArrayBuffer> {
  const octets = new Uint8Array(4);
  new DataView(octets.buffer).setUint32(0, value);
  return octets;
}
