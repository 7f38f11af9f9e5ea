/**
 * Why an attach was refused or a channel ended. The word is what the relay says in its close frame, in metrics and in
 * logs; the code is what an endpoint makes of it. An end without any reason does not exist.
 */
import { type ErrorCode, PosternError } from "../errors/mod.ts";

/** Which half of a channel: who asked for it, or who answers. */
export type RelayRole = "client" | "server";

interface ReasonFacts {
  /** Close code of the WebSocket (RFC 6455 7.4.1). */
  readonly closeCode: 1000 | 1001 | 1002 | 1003 | 1008 | 1009 | 1011 | 1012 | 1013;
  readonly code: ErrorCode;
}

export const RELAY_REASONS = {
  /** Refused before a token was looked at, or before it was spent: try again later. */
  too_many_connections: { closeCode: 1013, code: "relay_full" },
  replace_rate_limited: { closeCode: 1013, code: "relay_replaced_too_often" },
  /** The first record was none, was text, or broke RFC 6455. */
  expected_attach: { closeCode: 1008, code: "relay_attach_expected" },
  invalid_attach: { closeCode: 1008, code: "relay_attach_invalid" },
  invalid_token: { closeCode: 1008, code: "relay_token_refused" },
  token_replay: { closeCode: 1008, code: "token_replayed" },
  channel_mismatch: { closeCode: 1008, code: "relay_channel_mismatch" },
  role_mismatch: { closeCode: 1008, code: "relay_role_mismatch" },
  policy_denied: { closeCode: 1008, code: "relay_token_in_url" },
  init_exp_mismatch: { closeCode: 1008, code: "relay_window_mismatch" },
  idle_timeout_mismatch: { closeCode: 1008, code: "relay_idle_mismatch" },
  tenant_mismatch: { closeCode: 1008, code: "relay_tenant_mismatch" },
  /** The grant leads to another edge, and so does that of the other half. */
  elsewhere: { closeCode: 1008, code: "relay_elsewhere" },
  /** No token that holds within the time for it. */
  timeout: { closeCode: 1008, code: "relay_attach_timeout" },
  /** The connection ended by itself before it was attached, or broke off. Nobody is left to be told. */
  canceled: { closeCode: 1000, code: "connection_closed" },
  /** What judges tokens, or remembers which were spent, is away. */
  attach_failed: { closeCode: 1011, code: "relay_attach_failed" },
  /** The other half did not come before the end of the init window. */
  init_expired: { closeCode: 1008, code: "relay_init_expired" },
  idle_timeout: { closeCode: 1008, code: "relay_idle" },
  record_too_large: { closeCode: 1009, code: "record_too_large" },
  non_binary_frame: { closeCode: 1003, code: "websocket_text_refused" },
  /** A frame that breaks RFC 6455. */
  broken_frame: { closeCode: 1002, code: "relay_frame_broken" },
  /** The same half attached again: both ends of before are over. */
  replaced: { closeCode: 1008, code: "relay_replaced" },
  /** The other half is gone. */
  peer_closed: { closeCode: 1000, code: "relay_peer_closed" },
  byte_limit: { closeCode: 1008, code: "relay_bytes_spent" },
  revoked: { closeCode: 1008, code: "token_revoked" },
  draining: { closeCode: 1012, code: "peer_draining" },
} as const satisfies Record<string, ReasonFacts>;

export type RelayReason = keyof typeof RELAY_REASONS;

/** Codes that say more than their reason, for whoever is refused with one of them. */
const REASON_OF_CODE = new Map<ErrorCode, RelayReason>(
  (Object.keys(RELAY_REASONS) as RelayReason[]).map((reason) => [RELAY_REASONS[reason].code, reason]),
);

/** What the token was issued for holds no more. */
const TAKEN_BACK: ReadonlySet<ErrorCode> = new Set([
  "machine_revoked",
  "tunnel_deleted",
  "attestation_failed",
  "private_service_unknown",
  "tier_too_weak",
]);

export function closeCodeOf(reason: RelayReason): number {
  return RELAY_REASONS[reason].closeCode;
}

/** A refusal for this reason. */
export function relayRefusal(
  reason: RelayReason,
  message?: string,
  detail: Record<string, string | number | boolean> = {},
): PosternError {
  return new PosternError(RELAY_REASONS[reason].code, message, { detail: { ...detail, reason } });
}

/** The reason for whatever an attach failed with, or a connection was cut for: a token that does not hold is one reason, whatever is wrong with it. */
export function reasonOf(error: unknown): RelayReason {
  if (!(error instanceof PosternError)) return "attach_failed";
  const own = REASON_OF_CODE.get(error.code);
  if (own !== undefined) return own;
  if (error.code === "replay_cache_full") return "attach_failed";
  if (TAKEN_BACK.has(error.code)) return "revoked";
  if (error.code === "websocket_message_too_large") return "record_too_large";
  if (error.code.startsWith("websocket_")) return "broken_frame";
  if (error.code.startsWith("connection_")) return "canceled";
  return error.code.startsWith("token_") ? "invalid_token" : "attach_failed";
}

/** What an endpoint makes of the words in a close frame; undefined for words that no relay says. Not authenticated. */
export function toldReason(words: string): PosternError | undefined {
  if (!Object.hasOwn(RELAY_REASONS, words)) return undefined;
  return relayRefusal(words as RelayReason);
}
