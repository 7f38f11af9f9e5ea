// The memory map: drawn in wasm/README.md, which a test compares with these numbers.
// Inlined: an access at a constant address below the memory's size needs no bounds check and no address register.

/** Staging for a key (32 bytes) and a nonce (12 bytes) on their way in. */
@inline export const STAGED_KEY: usize = 0x400;
@inline export const STAGED_NONCE: usize = 0x420;

/** Scratch of one call, wiped at its end. */
@inline export const SCRATCH: usize = 0x440;
/** ChaCha20 state as RFC 8439 2.3 lays it out: 16 words; word 12 is the block counter. */
@inline export const STATE: usize = 0x440;
/** Poly1305: r (4 words), s (16 bytes), accumulator (4 words of 8 bytes). */
@inline export const MAC_R: usize = 0x480;
@inline export const MAC_S: usize = 0x490;
@inline export const MAC_H: usize = 0x4a0;
/** The last, zero-padded block of a MAC input; then the tag as computed. */
@inline export const MAC_BLOCK: usize = 0x4c0;
@inline export const TAG: usize = 0x4d0;
/** Eight blocks: the one-time key and the first payload bytes, or the key streams of a batch. */
@inline export const WINDOW: usize = 0x500;
/** Eight blocks: the last payload bytes. */
@inline export const LAST_WINDOW: usize = 0x700;
/** Key stream of many nonces: words 12, 14 and 15 of eight lanes. */
@inline export const LANES: usize = 0x900;
/** Batches: up to eight records' h, r, s (64 bytes each), and one that nobody reads. */
@inline export const RECORDS: usize = 0x980;
/** Ten turns of 32 bytes (wasm/generate.ts), and what they read, 48 bytes each. */
@inline export const TURNS: usize = 0xbc0;
@inline export const STAGE: usize = 0xd00;
@inline export const SCRATCH_END: usize = 0xf00;

/** BLAKE3: eight lanes of chunks; each word of their state 32 bytes. Wiped by the call that uses it. */
@inline export const HASH_SCRATCH: usize = 0x1000;
/** Where each lane's chunk is; chaining values; counters, low and high; block sizes; flags; message words. */
@inline export const HASH_POINTERS: usize = 0x1000;
@inline export const HASH_VALUES: usize = 0x1020;
@inline export const HASH_COUNTERS: usize = 0x1120;
@inline export const HASH_BLOCK_BYTES: usize = 0x1160;
@inline export const HASH_FLAGS: usize = 0x1180;
@inline export const HASH_MESSAGE: usize = 0x1200;
/** A last chunk, zero-padded. */
@inline export const HASH_CHUNK: usize = 0x1400;
/** Chaining values of up to 64 chunks, then of their parents. */
@inline export const HASH_NODES: usize = 0x1800;
@inline export const HASH_SCRATCH_END: usize = 0x2000;
/** The digest: the caller's to wipe. */
@inline export const DIGEST: usize = 0x2000;
/** The state of a hash that is one call. */
@inline export const HASH_ONCE: usize = 0x2400;

@inline export const SLOTS: usize = 0x10000;
@inline export const SLOT_COUNT: u32 = 16384;
@inline export const SLOT_BYTES: usize = 256;

/** States of hashes that are many calls. */
@inline export const HASHERS: usize = 0x410000;
@inline export const HASHER_COUNT: u32 = 64;
@inline export const HASHER_BYTES: usize = 4096;

@inline export const ARENA: u32 = 0x450000;
/** End of memory: 1024 pages of 64 KiB, initial size = maximum. */
@inline export const ARENA_END: u32 = 0x4000000;

@inline export const TAG_BYTES: u32 = 16;

/** Zeroes `bytes` bytes, a multiple of 16, at a 16-byte aligned place. */
export function wipeBlocks(at: usize, bytes: usize): void {
  const zero = i64x2.splat(0);
  const end = at + bytes;
  while (at < end) {
    v128.store(at, zero);
    at += 16;
  }
}

/** Copies any number of bytes between ranges that do not overlap. Few: a bulk copy would leave WebAssembly. */
export function copyBytes(to: usize, from: usize, bytes: usize): void {
  const blocksEnd = from + (bytes & ~15);
  const end = from + bytes;
  while (from < blocksEnd) {
    v128.store(to, v128.load(from));
    from += 16;
    to += 16;
  }
  while (from < end) {
    store<u8>(to, load<u8>(from));
    from++;
    to++;
  }
}

/** Whether `[offset, offset+bytes)` lies in the arena. */
@inline
export function inArena(offset: u32, bytes: u64): bool {
  return offset >= ARENA && <u64>offset + bytes <= <u64>ARENA_END;
}
