/** Failures of an edge that verifies tokens of other issuers: its verifiers, and what their tokens may name. */
import type { ErrorFacts } from "../error.ts";

export const TOKEN_VERIFICATION_ERRORS = {
  token_verifier_unavailable: {
    title: "The verifier of the token cannot be asked",
    blame: "operator",
    retryable: true,
    status: 503,
    exit: 5,
    cause:
      "The edge has another service judge tokens, or reads an issuer's keys from a URL, and got no answer in time. A token " +
      "that cannot be judged is refused: an outage never decides for it.",
    remedy: "Look at the verifier and the way to it. The edge's log names the reason; " +
      "`postern_token_verifier_state` and `postern_token_verifier_requests_total` tell how long this has gone on.",
  },
  token_verifier_answer_invalid: {
    title: "The verifier's answer cannot be used",
    blame: "operator",
    retryable: true,
    status: 503,
    exit: 5,
    cause:
      "The service at `tokens.verifier_url` answered with a status other than 200, with something that is not the JSON of a " +
      "verdict, with more than 64 KiB, or with claims that are not those of the token that it was asked about.",
    remedy:
      "Check that `tokens.verifier_url` is the verifier itself, that `tokens.verifier_token_file` holds the " +
      "credential that it wants, and that it answers as docs/operator-guide.md describes.",
  },
  token_verifier_refused: {
    title: "The verifier refuses the token",
    blame: "peer",
    retryable: true,
    status: 401,
    exit: 3,
    cause: "The service that judges tokens for this edge says that the token is not valid.",
    remedy:
      "Ask the token's issuer for a new one. If fresh tokens are refused, look at the verifier's own log.",
  },
  token_hostname_foreign: {
    title: "Token names a hostname that is not this edge's",
    blame: "control",
    retryable: false,
    status: 403,
    exit: 3,
    cause:
      "A token of another issuer names a hostname other than NAME.DOMAIN or *.NAME.DOMAIN, where DOMAIN is " +
      "the edge's public host, or a name that the edge keeps for itself.",
    remedy: "Let the issuer name hosts one label below the edge's `public_host`.",
  },
  token_port_foreign: {
    title: "Token names a port that is not this edge's",
    blame: "control",
    retryable: false,
    status: 403,
    exit: 3,
    cause: "A token of another issuer names a public port outside of `tcp_ports` or `udp_ports` of the edge.",
    remedy: "Let the issuer name ports of these ranges, or change the ranges.",
  },
  token_route_taken: {
    title: "Token names a route of somebody else",
    blame: "control",
    retryable: false,
    status: 409,
    exit: 3,
    cause:
      "A hostname or port of a token of another issuer belongs to a tunnel of this edge's own control, or was first used by " +
      "another subject. Routes stay with their subject for 30 days after its last channel was opened.",
    remedy: "Let the issuer give the subject other routes, or delete the tunnel that has them.",
  },
  token_routes_full: {
    title: "The edge remembers no more routes",
    blame: "operator",
    retryable: true,
    status: 503,
    exit: 1,
    cause: "As many hostnames and ports of other issuers' tokens as the edge remembers are in use.",
    remedy:
      "Look for an issuer that gives every token a hostname of its own. Routes are forgotten 30 days after use.",
  },
  jwks_invalid: {
    title: "Key set cannot be used",
    blame: "operator",
    retryable: false,
    status: 503,
    exit: 2,
    cause:
      "What `tokens.jwks_file` or `tokens.jwks_url` names is no JWK set, holds secret keys, two keys of one id, or no " +
      "Ed25519 or P-256 key with a key id.",
    remedy:
      'Publish public keys only, as `{"keys": [...]}` with a `kid` each: kty OKP with crv Ed25519, or kty EC ' +
      "with crv P-256.",
  },
  hmac_secret_weak: {
    title: "HMAC secret is too short",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause:
      "A line of `tokens.hmac_secret_file` has fewer than 32 bytes, or the file holds more than four lines.",
    remedy: "Make a secret with `openssl rand -base64 48`, and give it to the issuer as well.",
  },
  verifier_credential_refused: {
    title: "Control does not know the edge that asks",
    blame: "peer",
    retryable: false,
    status: 401,
    exit: 3,
    cause:
      "Somebody asked control to judge a token, without a credential of `tokens.verify_credentials_file` there.",
    remedy:
      "Let `tokens.verifier_token_file` of the edge hold the credential that stands beside the edge's name in the file of " +
      "control, and have both read again (SIGHUP).",
  },
  verifier_credentials_invalid: {
    title: "The credentials of edges cannot be used",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause:
      "A line of `tokens.verify_credentials_file` is not `NAME CREDENTIAL`, a credential has fewer than 32 characters, or " +
      "the file holds none, or more than 256.",
    remedy: "Make a credential for each edge with `openssl rand -base64 48`.",
  },
  config_verifier_missing: {
    title: "The token policy needs a verifier that is not configured",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause:
      "`tokens.verification` asks a remote verifier, and there is no `tokens.verifier_url`; or issuers " +
      "are named whose keys or secret are not.",
    remedy: "Configure what the message names, or set `tokens.verification: local`.",
  },
  config_issuer_missing: {
    title: "A verifier is configured for no issuer",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause:
      "Keys, a secret or a remote verifier speak for the issuers that are named for them only, and none is named.",
    remedy: "Name the `iss` of the tokens in `tokens.jwks_issuers`, `tokens.hmac_issuers` or " +
      "`tokens.verifier_issuers`.",
  },
  config_issuer_ambiguous: {
    title: "An issuer has two kinds of keys",
    blame: "operator",
    retryable: false,
    exit: 2,
    cause:
      "One issuer is named for public keys and for an HMAC secret, or is this edge's own control, whose keys are its own. " +
      "With two kinds of keys the weaker one would decide.",
    remedy: "Name each issuer for one kind of keys. This edge's own issuer is https://PUBLIC_HOST.",
  },
} as const satisfies Record<string, ErrorFacts>;
