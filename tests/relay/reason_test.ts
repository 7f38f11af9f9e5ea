import assert from "node:assert/strict";
import { CATALOGUE, type ErrorCode, PosternError } from "../../src/errors/mod.ts";
import {
  ATTACH_PATH,
  closeCodeOf,
  reasonOf,
  RELAY_REASONS,
  type RelayReason,
  relayRefusal,
  toldReason,
} from "../../src/relay/mod.ts";

/** What an endpoint is left with for each word of a close frame. */
const CODES: Record<RelayReason, ErrorCode> = {
  too_many_connections: "relay_full",
  replace_rate_limited: "relay_replaced_too_often",
  expected_attach: "relay_attach_expected",
  invalid_attach: "relay_attach_invalid",
  invalid_token: "relay_token_refused",
  token_replay: "token_replayed",
  channel_mismatch: "relay_channel_mismatch",
  role_mismatch: "relay_role_mismatch",
  policy_denied: "relay_token_in_url",
  init_exp_mismatch: "relay_window_mismatch",
  idle_timeout_mismatch: "relay_idle_mismatch",
  tenant_mismatch: "relay_tenant_mismatch",
  elsewhere: "relay_elsewhere",
  timeout: "relay_attach_timeout",
  canceled: "connection_closed",
  attach_failed: "relay_attach_failed",
  init_expired: "relay_init_expired",
  idle_timeout: "relay_idle",
  record_too_large: "record_too_large",
  non_binary_frame: "websocket_text_refused",
  broken_frame: "relay_frame_broken",
  replaced: "relay_replaced",
  peer_closed: "relay_peer_closed",
  byte_limit: "relay_bytes_spent",
  revoked: "token_revoked",
  draining: "peer_draining",
};

Deno.test("toldReason() and reasonOf() are each other's inverse, for every reason", () => {
  for (const [reason, code] of Object.entries(CODES) as [RelayReason, ErrorCode][]) {
    const told = toldReason(reason);
    assert.equal(told?.code, code, reason);
    assert.equal(told.detail.reason, reason);
    assert.equal(reasonOf(told), reason);
    assert.equal(reasonOf(relayRefusal(reason, "Cannot attach: as the test says")), reason);
    assert.ok(closeCodeOf(reason) >= 1000 && closeCodeOf(reason) < 1015);
  }
  assert.deepEqual(Object.keys(RELAY_REASONS), Object.keys(CODES));
});

Deno.test("toldReason() knows no other words", () => {
  for (const words of ["", "toString", "constructor", "closed", "Too_Many_Connections"]) {
    assert.equal(toldReason(words), undefined);
  }
});

Deno.test("reasonOf() names one reason for every token that does not hold, and none of ours for what else fails", () => {
  for (
    const code of [
      "token_expired",
      "token_unknown_key",
      "token_malformed",
    ] as const
  ) {
    assert.ok(code in CATALOGUE);
    assert.equal(reasonOf(new PosternError(code)), "invalid_token");
  }
  for (
    const code of [
      "private_service_unknown",
      "machine_revoked",
      "tunnel_deleted",
      "attestation_failed",
      "tier_too_weak",
    ] as const
  ) {
    assert.equal(reasonOf(new PosternError(code)), "revoked");
  }
  assert.equal(reasonOf(new PosternError("replay_cache_full")), "attach_failed");
  assert.equal(reasonOf(new TypeError("bug")), "attach_failed");
  assert.equal(reasonOf(new PosternError("websocket_message_too_large")), "record_too_large");
  assert.equal(reasonOf(new PosternError("websocket_mask_missing")), "broken_frame");
  assert.equal(reasonOf(new PosternError("connection_reset")), "canceled");
});

Deno.test("docs/protocol.md names the path of attaches, and every word that a relay says", () => {
  const text = Deno.readTextFileSync("docs/protocol.md");
  assert.ok(text.includes(ATTACH_PATH));
  for (const reason of Object.keys(RELAY_REASONS)) {
    assert.ok(reason === "canceled" || text.includes(`\`${reason}\``), reason);
  }
});
