/**
 * New keys for a channel that stands. Both sides draw an ephemeral X25519 key, the edge an ML-KEM-768 key as well, to which
 * the agent encapsulates; what comes out is mixed into the channel's root secret (HKDF, RFC 5869):
 *
 * ```
 *   transcript       = SHA-256 of, for each field in this order,  u32 big-endian length | bytes
 *                        "postern/reauth/v1" · handshake hash of the opening · round u32 · session_nonce ·
 *                        edge's X25519 key · edge's ML-KEM key · agent's X25519 key · agent's ML-KEM ciphertext
 *   agent -> edge | edge -> agent | root   = HKDF(salt root, X25519 secret | ML-KEM secret, info transcript), 32 bytes each
 * ```
 * Whoever learned all keys of before does not know those of after, and the other way round. Both agreements always: there is
 * nothing to negotiate, so nothing to downgrade.
 */
import { createHash } from "node:crypto";
import { concat, utf8 } from "../bytes/mod.ts";
import { hkdfSha256 } from "../crypto/mod.ts";

/** What both sides have shown each other; lengths as X25519 and ML-KEM-768 have them. */
export interface RatchetPublics {
  readonly edgeKey: Uint8Array;
  readonly edgeKem: Uint8Array;
  readonly agentKey: Uint8Array;
  readonly agentKem: Uint8Array;
}

export interface RatchetKeys {
  readonly agentToEdge: Uint8Array;
  readonly edgeToAgent: Uint8Array;
  readonly root: Uint8Array;
}

const LABEL = utf8("postern/reauth/v1");
const KEY_BYTES = 32;

/**
 * 32 bytes: stands for this round of this channel and for the keys that come of it. Evidence for `channel-reauth` signs it in
 * the place of the handshake hash, so that a proof is of no use to anybody who does not hold these keys.
 * @param round from 1, counted by both sides
 */
export function ratchetTranscript(
  handshakeHash: Uint8Array,
  round: number,
  sessionNonce: Uint8Array,
  publics: RatchetPublics,
): Uint8Array {
  const { edgeKey, edgeKem, agentKey, agentKem } = publics;
  const hash = createHash("sha256");
  for (
    const field of [LABEL, handshakeHash, u32(round), sessionNonce, edgeKey, edgeKem, agentKey, agentKem]
  ) {
    hash.update(u32(field.length)).update(field);
  }
  return new Uint8Array(hash.digest());
}

/** Secrets are zeroed, those that went in as well. */
export function ratchetKeys(
  root: Uint8Array,
  dhSecret: Uint8Array,
  kemSecret: Uint8Array,
  transcript: Uint8Array,
): RatchetKeys {
  const material = concat(dhSecret, kemSecret);
  const out = hkdfSha256(root, material, 3 * KEY_BYTES, transcript);
  const keys = {
    agentToEdge: out.slice(0, KEY_BYTES),
    edgeToAgent: out.slice(KEY_BYTES, 2 * KEY_BYTES),
    root: out.slice(2 * KEY_BYTES),
  };
  for (const secret of [root, dhSecret, kemSecret, material, out]) secret.fill(0);
  return keys;
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}
