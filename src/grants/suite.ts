/** Handshake suites of private channels, by their Noise protocol names. */
import {
  NOISE_XXHFS_PSK3_25519_MLKEM768_CHACHAPOLY_SHA256,
  NOISE_XXPSK3_25519_CHACHAPOLY_SHA256,
} from "../crypto/mod.ts";
import { PosternError } from "../errors/mod.ts";

/** The strongest first. */
export const grantSuites = [
  NOISE_XXHFS_PSK3_25519_MLKEM768_CHACHAPOLY_SHA256,
  NOISE_XXPSK3_25519_CHACHAPOLY_SHA256,
] as const;
export type GrantSuite = typeof grantSuites[number];

/** X25519 with ML-KEM-768: both must break. */
export const defaultGrantSuite: GrantSuite = grantSuites[0];

/**
 * The suite to begin with: the grant's default where this program knows it, else the strongest of those that both know.
 * Throws `grant_suite_unknown`.
 */
export function chooseGrantSuite(
  { allowed_suites, default_suite }: {
    readonly allowed_suites: readonly string[];
    readonly default_suite: string;
  },
): GrantSuite {
  const known = grantSuites.filter((suite) => allowed_suites.includes(suite));
  const chosen = known.find((suite) => suite === default_suite) ?? known[0];
  if (chosen !== undefined) return chosen;
  throw new PosternError("grant_suite_unknown", "Cannot use grant: none of its suites is known here");
}
