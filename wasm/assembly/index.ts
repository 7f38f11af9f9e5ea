// The exports: the table in wasm/README.md. A call returns one of these; `wasm/mod.ts` turns them into errors.
import { decrypt, encrypt, tagHolds, wantsKeyAhead, wipeSingle } from "./aead";
import { rowsHold, runBatch } from "./batch";
import { startStream } from "./chacha20";
import { xor4 } from "./kernel";
import { digestOnce, hashDigest, hashUpdate, hashWipe, liveHasher } from "./hashers";
import { isSpent, liveSlot, restart, spendNonces, takeMacKey } from "./keys";
import { maskBytes } from "./mask";
import { inArena, STAGED_KEY, STAGED_NONCE, TAG, TAG_BYTES, WINDOW, wipeBlocks } from "./memory";

export { importKey, wipeKey } from "./keys";
export { openHasher } from "./hashers";

const DONE: i32 = 0;
const TAG_MISMATCH: i32 = 1;
const STALE: i32 = 2;
const SPENT: i32 = 3;
const BOUNDS: i32 = 4;

export function seal(handle: f64, ad: u32, adBytes: u32, at: u32, bytes: u32): i32 {
  const status = begin(handle, ad, adBytes, at, bytes);
  if (status == DONE) finishSeal(wantsKeyAhead(bytes), ad, adBytes, at, bytes);
  return status;
}

export function open(handle: f64, ad: u32, adBytes: u32, at: u32, bytes: u32): i32 {
  const status = begin(handle, ad, adBytes, at, bytes);
  return status == DONE ? finishOpen(wantsKeyAhead(bytes), ad, adBytes, at, bytes) : status;
}

/** As seal, under the staged key and nonce, which are wiped. */
export function sealOnce(ad: u32, adBytes: u32, at: u32, bytes: u32): i32 {
  const status = beginOnce(ad, adBytes, at, bytes);
  if (status == DONE) finishSeal(false, ad, adBytes, at, bytes);
  return status;
}

/** As open, under the staged key and nonce, which are wiped. */
export function openOnce(ad: u32, adBytes: u32, at: u32, bytes: u32): i32 {
  const status = beginOnce(ad, adBytes, at, bytes);
  return status == DONE ? finishOpen(false, ad, adBytes, at, bytes) : status;
}

/** Seals `count` records, a row each at `table` (batch.ts), under the next nonces. */
export function sealMany(handle: f64, table: u32, count: u32): i32 {
  const nonce = beginMany(handle, table, count);
  if (nonce >= 0) runBatch(liveSlot(handle), table, count, nonce, false);
  return nonce >= 0 ? DONE : -<i32>nonce;
}

/** Opens `count` records likewise; gives how many hold before the first that does not, or a status, negative. */
export function openMany(handle: f64, table: u32, count: u32): i32 {
  const nonce = beginMany(handle, table, count);
  return nonce >= 0 ? runBatch(liveSlot(handle), table, count, nonce, true) : <i32>nonce;
}

/** Noise REKEY (4.2): the first 32 bytes that encrypting zeros under nonce 2^64-1 gives, so keystream block 1. */
export function rekey(handle: f64): i32 {
  const slot = liveSlot(handle);
  if (slot == 0) return STALE;
  startStream(slot, 1, 0, 0xffffffff, 0xffffffff);
  wipeBlocks(WINDOW, 256);
  xor4(WINDOW);
  v128.store(slot, v128.load(WINDOW));
  v128.store(slot, v128.load(WINDOW, 16), 16);
  restart(slot);
  wipeSingle(0);
  return DONE;
}

export function mask(at: u32, bytes: u32, mask: u32): i32 {
  if (!inArena(at, bytes)) return BOUNDS;
  maskBytes(at, bytes, mask);
  return DONE;
}

/** BLAKE3 of one range into DIGEST. `mode` is 0, or a flag of the paper's table 3: 16, 64 (both with the staged key), 32. */
export function blake3(mode: u32, at: u32, bytes: u32): i32 {
  const holds = inArena(at, bytes);
  if (holds) digestOnce(mode, at, bytes);
  wipeBlocks(STAGED_KEY, 32);
  return holds ? DONE : BOUNDS;
}

export function updateHasher(index: u32, at: u32, bytes: u32): i32 {
  const state = liveHasher(index);
  if (state == 0) return STALE;
  if (!inArena(at, bytes)) return BOUNDS;
  hashUpdate(state, at, bytes);
  return DONE;
}

/** Leaves the digest so far in DIGEST. */
export function digestHasher(index: u32): i32 {
  const state = liveHasher(index);
  if (state == 0) return STALE;
  hashDigest(state);
  return DONE;
}

export function closeHasher(index: u32): i32 {
  const state = liveHasher(index);
  if (state == 0) return STALE;
  hashWipe(state);
  return DONE;
}

function begin(handle: f64, ad: u32, adBytes: u32, at: u32, bytes: u32): i32 {
  const slot = liveSlot(handle);
  if (slot == 0) return STALE;
  if (!rangesHold(ad, adBytes, at, bytes)) return BOUNDS;
  const nonce = spendNonces(slot, 1);
  if (isSpent(nonce)) return SPENT;
  startStream(slot, 0, 0, <u32>nonce, <u32>(nonce >> 32));
  if (wantsKeyAhead(bytes)) takeMacKey(slot, nonce);
  return DONE;
}

/** The first nonce, or a status, negative. */
function beginMany(handle: f64, table: u32, count: u32): i64 {
  const slot = liveSlot(handle);
  if (slot == 0) return -STALE;
  if (!rowsHold(table, count)) return -BOUNDS;
  const nonce = spendNonces(slot, count);
  return isSpent(nonce) ? -SPENT : nonce;
}

function beginOnce(ad: u32, adBytes: u32, at: u32, bytes: u32): i32 {
  const holds = rangesHold(ad, adBytes, at, bytes);
  if (holds) {
    startStream(
      STAGED_KEY,
      0,
      load<u32>(STAGED_NONCE),
      load<u32>(STAGED_NONCE, 4),
      load<u32>(STAGED_NONCE, 8),
    );
  }
  wipeBlocks(STAGED_KEY, 48);
  return holds ? DONE : BOUNDS;
}

/** Payload and tag in the arena; associated data in the arena and apart from both. */
function rangesHold(ad: u32, adBytes: u32, at: u32, bytes: u32): bool {
  const sealedBytes = <u64>bytes + TAG_BYTES;
  if (!inArena(at, sealedBytes)) return false;
  if (adBytes == 0) return true;
  if (!inArena(ad, adBytes)) return false;
  return <u64>ad >= <u64>at + sealedBytes || <u64>at >= <u64>ad + adBytes;
}

function finishSeal(keyed: bool, ad: u32, adBytes: u32, at: u32, bytes: u32): void {
  encrypt(keyed, ad, adBytes, at, bytes);
  v128.store(<usize>at + bytes, v128.load(TAG));
  wipeSingle(bytes);
}

function finishOpen(keyed: bool, ad: u32, adBytes: u32, at: u32, bytes: u32): i32 {
  decrypt(keyed, ad, adBytes, at, bytes);
  const holds = tagHolds(<usize>at + bytes, TAG);
  if (!holds) memory.fill(at, 0, bytes);
  wipeSingle(bytes);
  return holds ? DONE : TAG_MISMATCH;
}
