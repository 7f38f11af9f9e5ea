/** Salted password hashes: scrypt (RFC 7914), written in the PHC string format. */
import { scrypt } from "node:crypto";
import { utf8 } from "../bytes/mod.ts";

/** What a hash is made with. Memory is 1 KiB times 2^logN; time on one core 40 ms at 14, doubling with each step. */
export interface PasswordHash {
  readonly logN: number;
  readonly salt: Uint8Array;
  readonly hash: Uint8Array;
}

/** New hashes: 16 MiB. */
export const DEFAULT_LOG_N = 14;
/** Dearest hash that is verified: 64 MiB. */
const MAX_LOG_N = 16;
const BLOCK_SIZE = 8;
const HASH_BYTES = 32;
/** Salt of new hashes. */
export const SALT_BYTES = 16;
/** Longest password. Longer ones are no safer, and each attempt is hashed. */
export const MAX_PASSWORD_BYTES = 512;

const pattern = /^\$scrypt\$ln=(\d{1,2}),r=8,p=1\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{43})$/;

/** Reads `$scrypt$ln=14,r=8,p=1$SALT$HASH` (base64 without padding); undefined for anything else or dearer. */
export function parsePasswordHash(text: string): PasswordHash | undefined {
  const match = pattern.exec(text);
  if (match === null) return undefined;
  const logN = Number(match[1]);
  const salt = fromBase64(match[2]);
  const hash = fromBase64(match[3]);
  const fits = logN >= DEFAULT_LOG_N && logN <= MAX_LOG_N && salt !== undefined && salt.length >= 8;
  return fits && hash?.length === HASH_BYTES ? { logN, salt, hash } : undefined;
}

export function formatPasswordHash({ logN, salt, hash }: PasswordHash): string {
  return `$scrypt$ln=${logN},r=${BLOCK_SIZE},p=1$${toBase64(salt)}$${toBase64(hash)}`;
}

/** Hashes beside the event loop. */
export function derivePassword(
  password: Uint8Array | string,
  { logN, salt }: Pick<PasswordHash, "logN" | "salt">,
): Promise<Uint8Array> {
  const N = 2 ** logN;
  const bytes = typeof password === "string" ? utf8(password) : password;
  return new Promise((resolve, reject) =>
    scrypt(
      bytes,
      salt,
      HASH_BYTES,
      { N, r: BLOCK_SIZE, p: 1, maxmem: 256 * N * BLOCK_SIZE },
      (error, hash) => error === null ? resolve(new Uint8Array(hash)) : reject(error),
    )
  );
}

function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replaceAll("=", "");
}

function fromBase64(text: string): Uint8Array | undefined {
  try {
    const bytes = Uint8Array.from(atob(text), (unit) => unit.charCodeAt(0));
    return toBase64(bytes) === text ? bytes : undefined; // one text for one value
  } catch {
    return undefined;
  }
}
