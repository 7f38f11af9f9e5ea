/** The memory map as callers see it (assembly/memory.ts is the other half; a test compares them). */

export const KEY_BYTES = 32;
export const NONCE_BYTES = 12;
export const TAG_BYTES = 16;

/** Where a key and a nonce are put for the core to take. */
export const STAGED_KEY = 0x400;
export const STAGED_NONCE = 0x420;
/** Everything a call may leave a trace in, without the slots. */
export const SCRATCH_END = 0xf00;

export const KEY_SLOTS = 0x10000;
export const KEY_SLOT_COUNT = 16384;
export const KEY_SLOT_BYTES = 256;

/** Where a digest is left. */
export const DIGEST = 0x2000;
export const DIGEST_BYTES = 32;
export const HASHERS = 0x410000;
export const HASHER_COUNT = 64;

export const ARENA_OFFSET = 0x450000;
export const MEMORY_BYTES = 0x4000000;
export const ARENA_BYTES = MEMORY_BYTES - ARENA_OFFSET;
