/** When a token begins and ends, read without trust: it only times our own requests. */
import { fromBase64Url, utf8Decode } from "../src/bytes/mod.ts";

export interface TokenTimes {
  /** Unix milliseconds, as the claim `iat`; the expiry when the token does not say it. */
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
  /** What renewed tokens have in common with the first one. */
  readonly family: unknown;
}

/** Undefined when the text is no token that says when it ends. */
export function tokenTimes(token: string): TokenTimes | undefined {
  try {
    const { iat, exp, family } = JSON.parse(utf8Decode(fromBase64Url(token.split(".")[1])));
    if (!Number.isFinite(exp)) return undefined;
    return { issuedAtMs: (Number.isFinite(iat) ? iat : exp) * 1_000, expiresAtMs: exp * 1_000, family };
  } catch {
    return undefined;
  }
}
