/** Failures of tokens and of the keys that sign them. */
import type { ErrorFacts } from "../error.ts";

export const IDENTITY_ERRORS = {
  token_malformed: {
    title: "Token is not a compact JWT",
    blame: "peer",
    retryable: false,
    status: 401,
    exit: 3,
    cause: "The text given as a token is not three base64url parts with a JSON header and a JSON payload.",
    remedy: "Pass the token exactly as it was issued, without quotes, line breaks or shortening.",
  },
  token_too_large: {
    title: "Token is too large",
    blame: "peer",
    retryable: false,
    status: 401,
    exit: 3,
    cause: "The token is longer than 8192 characters. Postern never issues tokens of that size.",
    remedy: "Check that the value is a Postern token and not a file or another system's token.",
  },
  token_wrong_algorithm: {
    title: "Token algorithm is not accepted",
    blame: "peer",
    retryable: false,
    status: 401,
    exit: 3,
    cause:
      "The token's header names another algorithm than the one of its issuer's key: EdDSA for Postern's own " +
      "control, and what an edge was configured with for other issuers.",
    remedy:
      "Use a token that was issued by Postern's control plane, or sign by the algorithm of the configured key.",
  },
  token_wrong_type: {
    title: "Token has the wrong type",
    blame: "peer",
    retryable: false,
    status: 401,
    exit: 3,
    cause: "The token is of another kind than this place expects, for example a stage 0 token where a " +
      "management token is needed.",
    remedy: "Send the kind of token that the documentation of the call names.",
  },
  token_unknown_key: {
    title: "Token was signed by an unknown key",
    blame: "peer",
    retryable: true,
    status: 401,
    exit: 3,
    cause: "The key id in the token's header is in none of the published keys: the token is from another " +
      "deployment, older than the key retention, or the verifier has not fetched the latest key set.",
    remedy: "Ask for a new token. If new tokens fail as well, check that the verifier can read the key set " +
      "at /.well-known/jwks.json.",
  },
  token_bad_signature: {
    title: "Token signature does not hold",
    blame: "peer",
    retryable: false,
    status: 401,
    exit: 3,
    cause: "The signature does not fit the token's content: it was altered or cut on its way.",
    remedy: "Ask for a new token. If this repeats, something between the two ends changes requests.",
  },
  token_claims_invalid: {
    title: "Token claims are not valid",
    blame: "control",
    retryable: false,
    status: 401,
    exit: 3,
    cause: "The signature holds, but a claim is missing, has the wrong form, or the token lives longer " +
      "than its kind may.",
    remedy: "Check that control plane and verifier run compatible versions, then ask for a new token.",
  },
  token_wrong_issuer: {
    title: "Token is from another issuer",
    blame: "peer",
    retryable: false,
    status: 401,
    exit: 3,
    cause: "The token's issuer is not the one that this deployment trusts.",
    remedy: "Use a token of this deployment, or make the configured issuer equal on both sides.",
  },
  token_wrong_audience: {
    title: "Token is for another audience",
    blame: "peer",
    retryable: false,
    status: 401,
    exit: 3,
    cause: "The token was issued for another kind of recipient, or for other edges than this one.",
    remedy: "Send the token to the recipient that it was issued for, or ask for a new one.",
  },
  token_expired: {
    title: "Token has expired",
    blame: "peer",
    retryable: true,
    status: 401,
    exit: 3,
    cause: "The token's lifetime is over, with 30 seconds of clock difference already allowed.",
    remedy: "Ask for a new token. If fresh tokens are refused, set the clocks of both machines.",
  },
  token_not_yet_valid: {
    title: "Token is not valid yet",
    blame: "peer",
    retryable: true,
    status: 401,
    exit: 3,
    cause: "The token begins in the future, beyond the 30 seconds of clock difference that are allowed.",
    remedy: "Set the clocks of both machines, for example with NTP.",
  },
  token_replayed: {
    title: "Token was used before",
    blame: "peer",
    retryable: false,
    status: 401,
    exit: 3,
    cause: "The token may be used once and has been used.",
    remedy: "Ask for a new token. If nobody of yours used the first one, treat it as stolen.",
  },
  token_revoked: {
    title: "Token was revoked",
    blame: "peer",
    retryable: false,
    status: 401,
    exit: 3,
    cause: "The token was given back or revoked before its expiry.",
    remedy: "Use the token that replaced it, or ask the operator for a new one.",
  },
  token_family_ended: {
    title: "Token cannot be refreshed any more",
    blame: "operator",
    retryable: false,
    status: 403,
    exit: 3,
    cause:
      "Tokens that are refreshed out of one another end together, at a time that was set when the first of them was " +
      "issued, and that time has come.",
    remedy:
      "Ask the operator for a new token: `postern token --owner NAME`. `tokens.management_family` is how long " +
      "tokens can be refreshed.",
  },
  stage1_wrong_routes: {
    title: "Stage 1 token names other routes",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause:
      "The token after the challenge names another tunnel, other hostnames, ports or weight than the one before.",
    remedy: "Open a new channel with one pair of tokens. Tokens of different tunnels cannot be mixed.",
  },
  stage1_wrong_nonce: {
    title: "Stage 1 token answers another challenge",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause: "The session nonce in the token is not the one that the edge issued on this channel.",
    remedy: "Open a new channel; evidence must be fresh for each challenge.",
  },
  stage1_wrong_channel: {
    title: "Stage 1 token belongs to another channel",
    blame: "peer",
    retryable: false,
    status: 403,
    exit: 4,
    cause: "The token confirms another handshake hash or another agent key than this channel has: evidence " +
      "of one channel was carried to another.",
    remedy: "Let the agent attest on its own channel. If this repeats, somebody relays evidence.",
  },
  keyset_malformed: {
    title: "Stored key set cannot be read",
    blame: "operator",
    retryable: false,
    status: 500,
    exit: 1,
    cause: "The signing keys in the store are damaged or were written by an incompatible version.",
    remedy:
      "Restore the state directory from a backup. Removing the key set makes new keys and ends all tokens.",
  },
} as const satisfies Record<string, ErrorFacts>;
