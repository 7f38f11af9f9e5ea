/** Noise protocol names (section 8), with a KEM behind the DH name for hfs (HFS draft, section 5). */
import { PosternError } from "../../errors/mod.ts";
import { type HandshakePattern, parsePattern } from "./patterns.ts";

/** Section 8. */
const MAX_NAME_CHARS = 255;

/** The default of tunnel channels: a hybrid of X25519 and ML-KEM-768. */
export const NOISE_XKHFS_25519_MLKEM768_CHACHAPOLY_SHA256 = "Noise_XKhfs_25519+MLKEM768_ChaChaPoly_SHA256";
/** The classical form, exactly as in the Noise specification. */
export const NOISE_XK_25519_CHACHAPOLY_SHA256 = "Noise_XK_25519_ChaChaPoly_SHA256";
/** Private channels from a grant: the grant's secret is the pre-shared key. Hybrid. */
export const NOISE_XXHFS_PSK3_25519_MLKEM768_CHACHAPOLY_SHA256 =
  "Noise_XXhfs+psk3_25519+MLKEM768_ChaChaPoly_SHA256";
/** Private channels from a grant, classical. */
export const NOISE_XXPSK3_25519_CHACHAPOLY_SHA256 = "Noise_XXpsk3_25519_ChaChaPoly_SHA256";

/** A protocol name taken apart. Function names are as written: the suite decides whether it has them. */
export interface ProtocolName {
  readonly name: string;
  readonly pattern: HandshakePattern;
  readonly dh: string;
  readonly kem: string | null;
  readonly cipher: string;
  readonly hash: string;
}

/**
 * Takes a protocol name apart.
 * Throws `noise_name_malformed`; `noise_protocol_unsupported` for unknown patterns and modifiers, and for a KEM without
 * the hfs modifier or the other way round.
 */
export function parseProtocolName(name: string): ProtocolName {
  const parts = name.length > MAX_NAME_CHARS
    ? null
    : /^Noise_([A-Za-z0-9+]+)_([A-Za-z0-9/]+)(?:\+([A-Za-z0-9/]+))?_([A-Za-z0-9/]+)_([A-Za-z0-9/]+)$/.exec(
      name,
    );
  if (parts === null) {
    throw new PosternError(
      "noise_name_malformed",
      `Cannot parse the protocol name ${
        JSON.stringify(name.slice(0, MAX_NAME_CHARS))
      }: it is not a Noise name`,
    );
  }
  const [, patternName, dh, kem, cipher, hash] = parts;
  const pattern = parsePattern(patternName);
  if (pattern.hfs !== (kem !== undefined)) {
    throw new PosternError(
      "noise_protocol_unsupported",
      `Cannot use the protocol ${name}: ${pattern.hfs ? "hfs needs a KEM" : "a KEM needs the hfs modifier"}`,
    );
  }
  return { name, pattern, dh, kem: kem ?? null, cipher, hash };
}
