/**
 * The sealing core: an AEAD (ChaCha20-Poly1305, RFC 8439) that works in place on memory of its own.
 * `wasm/` implements it; `tests/reference/` holds a slow twin over node:crypto that passes the same contract suite.
 */

/** A key slot and its generation: a handle that was wiped is refused for ever, never reused by accident. */
export type KeyHandle = number;

/** Key handles are made here; nonces belong to the core: the caller never supplies one. */
export interface SealingCore {
  /** All of the core's memory. Fixed size: views on it never detach. */
  readonly memory: Uint8Array;
  /** The part of `memory` that callers share out as buffers (byte offsets, 64-byte aligned). */
  readonly arena: { readonly offset: number; readonly bytes: number };
  /** Copies a 32-byte key into a slot with nonce 0. Throws `key_slots_exhausted`. */
  importKey(key: Uint8Array): KeyHandle;
  /** Zeroes the slot and ends the handle. Idempotent for a handle that was valid once. */
  wipeKey(handle: KeyHandle): void;
  /** Noise REKEY (section 4.2): the key becomes ENCRYPT(k, 2^64-1, "", zeros)[0..32]; the nonce starts at 0 again. */
  rekey(handle: KeyHandle): void;
  /**
   * Seals `memory[offset, offset+bytes)` in place under the handle's next nonce (4 zero bytes, then a 64-bit
   * little-endian counter, as Noise's ChaChaPoly) and writes the 16-byte tag behind it.
   * The nonce is spent before the work. Throws `nonce_exhausted`, `key_handle_stale`, `core_bounds`.
   */
  seal(handle: KeyHandle, adOffset: number, adBytes: number, offset: number, bytes: number): void;
  /**
   * Opens in place: ciphertext at `[offset, offset+bytes)`, tag right behind. False, with the range wiped, when the
   * tag does not hold; the nonce is spent either way.
   */
  open(handle: KeyHandle, adOffset: number, adBytes: number, offset: number, bytes: number): boolean;
  /**
   * Seals `count` records under the next nonces in one call, small ones side by side. A table in the arena has a row of
   * four 32-bit little-endian words for each: offset and bytes of its associated data, offset and bytes of its payload.
   * The records stand in ascending order, each with its associated data (if any) in front of the payload and behind the
   * tag of the record before; the table lies apart from them. Nothing is done, and no nonce spent, when that does not
   * hold (`core_bounds`) or fewer than `count` nonces are left (`nonce_exhausted`). Throws `key_handle_stale`.
   */
  sealMany(handle: KeyHandle, table: number, count: number): void;
  /**
   * Opens `count` records laid out as for `sealMany` and gives how many hold before the first that does not. That one
   * and all behind it are wiped; the nonces of all are spent.
   */
  openMany(handle: KeyHandle, table: number, count: number): number;
  /** XORs `memory[offset, offset+bytes)` with the 4 bytes of `mask` (RFC 6455 5.3; first byte = lowest bits). */
  mask(offset: number, bytes: number, mask: number): void;
}
