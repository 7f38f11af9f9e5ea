import { hashBegin, hashDigest, hashOnce, hashUpdate, hashWipe } from "./blake3";
import { HASH_ONCE, HASHER_BYTES, HASHER_COUNT, HASHERS, STAGED_KEY, wipeBlocks } from "./memory";

// The modes of BLAKE3 (section 2.3 of its paper) by their flags, and states for hashes of many calls.

const PLAIN: u32 = 0;
/** The hash of a context string is the key with which keys are derived. */
const CONTEXT: u32 = 32;
/** Whether the state is taken; behind what blake3.ts keeps in its first 52 bytes. */
const LIVE: usize = 52;

const IV = memory.data<u32>(
  [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19],
  16,
);

/** Hashes one range. All modes but the plain one and that of contexts take the staged key. */
export function digestOnce(mode: u32, at: usize, bytes: usize): void {
  begin(HASH_ONCE, mode);
  hashOnce(HASH_ONCE, at, bytes);
  // Only more than a subtree of 64 KiB leaves values on the stack.
  if (bytes > 65536) hashWipe(HASH_ONCE);
  else wipeBlocks(HASH_ONCE, 64);
}

/** A state of its own; its index, or -1 when all are taken. */
export function openHasher(mode: u32): i32 {
  for (let index: u32 = 0; index < HASHER_COUNT; index++) {
    const state = HASHERS + <usize>index * HASHER_BYTES;
    if (load<u32>(state, LIVE) != 0) continue;
    begin(state, mode);
    store<u32>(state, 1, LIVE);
    return index;
  }
  wipeBlocks(STAGED_KEY, 32);
  return -1;
}

/** Address of the state; 0 for none. */
export function liveHasher(index: u32): usize {
  if (index >= HASHER_COUNT) return 0;
  const state = HASHERS + <usize>index * HASHER_BYTES;
  return load<u32>(state, LIVE) != 0 ? state : 0;
}

export { hashDigest, hashUpdate, hashWipe };

function begin(state: usize, mode: u32): void {
  hashBegin(state, mode == PLAIN || mode == CONTEXT ? IV : STAGED_KEY, mode);
  wipeBlocks(STAGED_KEY, 32);
}
