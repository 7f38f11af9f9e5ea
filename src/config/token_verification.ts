/** Settings of who verifies the tokens of agents at an edge. */
import { isLoopbackHost } from "./address.ts";
import { optional, setting, unshown, type Values } from "./setting.ts";
import { count, duration, notation, path, textList, url, word } from "./values.ts";

/** Issuers that one kind of keys may be for. */
const maxIssuers = 16;

const issuers = (help: string) =>
  setting(textList(maxIssuers, 256, "issuers, as the `iss` of their tokens says"), "", help, "ISSUER,...");

/** An address that tokens are sent to, or that keys come from. */
export function guardedUrl() {
  const any = url("https", "http");
  return notation(
    "a URL that starts with https://, or with http:// on loopback, without credentials",
    (raw) => {
      const value = any.safeParse(raw);
      if (!value.success) return undefined;
      const { protocol, hostname } = new URL(value.data);
      return protocol === "https:" || isLoopbackHost(hostname.replace(/^\[|\]$/g, ""))
        ? value.data
        : undefined;
    },
  );
}

export const tokenVerificationSettings = {
  verification: setting(
    word("local", "remote", "remote-then-local", "local-then-remote"),
    "local",
    "Who verifies tokens of agents: keys of this edge, a remote verifier, or one and then the other for what the first has no key for; an outage never passes on to the other.",
    "local|remote|remote-then-local|local-then-remote",
  ),
  jwksFile: optional(path(), "Public keys of other issuers, a JWK set; read again on SIGHUP.", "FILE"),
  jwksUrl: optional(
    guardedUrl(),
    "Where other issuers publish their keys; fetched in the background.",
    "URL",
  ),
  jwksIssuers: issuers("Issuers whose tokens these keys verify."),
  hmacSecretFile: optional(
    path(),
    "Secrets of at least 32 bytes, one a line, that other issuers sign tokens by (HS256); read again on SIGHUP.",
    "FILE",
  ),
  hmacIssuers: issuers("Issuers whose tokens these secrets verify."),
  verifierUrl: unshown(optional(guardedUrl(), "Remote verifier: tokens are posted there.", "URL")),
  verifierIssuers: issuers("Issuers whose tokens the remote verifier is shown; no others are."),
  verifierTokenFile: optional(
    path(),
    "Credential for the remote verifier, sent as Bearer; read again on SIGHUP.",
    "FILE",
  ),
  verifyCredentialsFile: optional(
    path(),
    "Edges elsewhere that may have this control judge tokens, NAME CREDENTIAL on each line; read again on SIGHUP.",
    "FILE",
  ),
  verifierTimeoutMs: setting(duration(10, 60_000), "5s", "One request to the remote verifier.", "DURATION"),
  /** All requests for one token end before its step of the handshake does. */
  verifierRetries: setting(
    count(0, 5),
    "2",
    "Further requests for a token when the remote verifier gives no answer.",
    "COUNT",
  ),
  /** A token that its issuer takes back meanwhile is believed for so long. */
  verifierCacheMs: setting(
    duration(0, 600_000),
    "10s",
    "Time for which a token that the remote verifier called valid is not asked about again, never beyond its expiry; 0 = always ask.",
    "DURATION",
  ),
  caFile: optional(
    path(),
    "CA certificates in PEM for these URLs, besides the machine's own.",
    "FILE",
  ),
} as const;

type TokenVerification = Values<typeof tokenVerificationSettings>;

/** Refuses with a code and a state when the condition holds. */
export type RefuseIf = (
  condition: boolean,
  what: string,
  code?: "config_verifier_missing" | "config_issuer_missing" | "config_issuer_ambiguous",
) => void;

/** What holds between these settings. */
export function checkTokenVerification(
  tokens: TokenVerification,
  edge: { readonly ownIssuer: string; readonly handshakeStepMs: number },
  refuseIf: RefuseIf,
): void {
  const { verification, jwksFile, jwksUrl, jwksIssuers, hmacSecretFile, hmacIssuers } = tokens;
  const { verifierUrl, verifierIssuers, verifierTokenFile, verifierTimeoutMs, caFile } = tokens;
  const hasJwks = jwksFile !== null || jwksUrl !== null;
  const hasHmac = hmacSecretFile !== null;
  refuseIf(
    verification !== "local" && verifierUrl === null,
    `tokens.verification is ${verification} and needs tokens.verifier_url`,
    "config_verifier_missing",
  );
  refuseIf(
    jwksIssuers.length > 0 && !hasJwks,
    "tokens.jwks_issuers needs tokens.jwks_file or tokens.jwks_url",
    "config_verifier_missing",
  );
  refuseIf(
    hmacIssuers.length > 0 && !hasHmac,
    "tokens.hmac_issuers needs tokens.hmac_secret_file",
    "config_verifier_missing",
  );
  refuseIf(
    verifierIssuers.length > 0 && verifierUrl === null,
    "tokens.verifier_issuers needs tokens.verifier_url",
    "config_verifier_missing",
  );
  refuseIf(
    verifierUrl !== null && verifierIssuers.length === 0,
    "tokens.verifier_url needs tokens.verifier_issuers",
    "config_issuer_missing",
  );
  refuseIf(
    hasJwks && jwksIssuers.length === 0,
    "tokens.jwks_file and tokens.jwks_url need tokens.jwks_issuers",
    "config_issuer_missing",
  );
  refuseIf(
    hasHmac && hmacIssuers.length === 0,
    "tokens.hmac_secret_file needs tokens.hmac_issuers",
    "config_issuer_missing",
  );
  refuseIf(
    jwksIssuers.some((issuer) => hmacIssuers.includes(issuer)),
    "an issuer is named in tokens.jwks_issuers and tokens.hmac_issuers",
    "config_issuer_ambiguous",
  );
  refuseIf(
    [...jwksIssuers, ...hmacIssuers].includes(edge.ownIssuer),
    "this edge's own issuer is named in tokens.jwks_issuers or tokens.hmac_issuers",
    "config_issuer_ambiguous",
  );
  refuseIf(
    jwksFile !== null && jwksUrl !== null,
    "tokens.jwks_file and tokens.jwks_url are both set: one of them is enough",
  );
  refuseIf(
    verification === "local" && verifierUrl !== null,
    "tokens.verifier_url is set and never asked while tokens.verification is local",
  );
  refuseIf(
    verification === "remote" && (hasJwks || hasHmac),
    "keys or secrets are set and never used while tokens.verification is remote",
  );
  refuseIf(
    verifierTokenFile !== null && verifierUrl === null,
    "tokens.verifier_token_file needs tokens.verifier_url",
  );
  refuseIf(
    caFile !== null && verifierUrl === null && jwksUrl === null,
    "tokens.ca_file needs tokens.verifier_url or tokens.jwks_url",
  );
  refuseIf(
    verifierUrl !== null && verifierTimeoutMs >= edge.handshakeStepMs,
    "tokens.verifier_timeout must be shorter than channel.handshake_step",
  );
}
