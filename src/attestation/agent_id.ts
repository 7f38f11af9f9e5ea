/** The name of an agent: derived from its identity key, so that nobody can choose it. */
import { createHash } from "node:crypto";

const alphabet = "abcdefghijklmnopqrstuvwxyz234567";
const idBytes = 16;

/** `agent-` and 26 characters: base32 (RFC 4648 6, lower case, no padding) of the key's SHA-256, first 16 bytes. */
export function agentIdOf(identityKey: Uint8Array): string {
  return agentIdOfDigest(createHash("sha256").update(identityKey).digest());
}

/** The same, of a key of which only the SHA-256 is known. */
export function agentIdOfDigest(sha256: Uint8Array): string {
  return `agent-${base32(sha256.subarray(0, idBytes))}`;
}

function base32(bytes: Uint8Array): string {
  let text = "";
  let held = 0;
  let bits = 0;
  for (const byte of bytes) {
    held = (held << 8 | byte) & 0xfff;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += alphabet[held >> bits & 31];
    }
  }
  return bits === 0 ? text : text + alphabet[held << (5 - bits) & 31];
}
