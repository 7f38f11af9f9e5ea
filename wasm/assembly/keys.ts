import { keys4 } from "./kernel";
import { LANES, SLOT_BYTES, SLOT_COUNT, SLOTS, STAGED_KEY, WINDOW, wipeBlocks } from "./memory";

// A slot, 256 bytes:
//   0        32        40          44     48     56            64                192
//   | key    | counter | generation | live | next | ahead from | 4 Poly1305 keys | unused
// counter: the next nonce. generation: of the key that lives or lived here last, 0 before the first.
// next: index + 1 of the next free slot, meaningful in the free list only.
// The Poly1305 keys (32 bytes each) are those of the nonces "ahead from" to 3 behind it; a used one is zero.
const COUNTER: usize = 32;
const GENERATION: usize = 40;
const LIVE: usize = 44;
const NEXT: usize = 48;
const AHEAD_FROM: usize = 56;
const AHEAD: usize = 64;
const AHEAD_COUNT: u64 = 4;
const AHEAD_BYTES: usize = 128;
/** No nonce is within four of it. */
const NONE_AHEAD: u64 = 1 << 63;

/** First nonce that is refused: far above what a channel uses, far below REKEY's 2^64-1. */
const NONCE_LIMIT: u64 = 1 << 48;
/** generation * SLOT_COUNT + index: a safe integer, and no handle is below SLOT_COUNT. */
const HANDLE_LIMIT: f64 = 70368744177664; // 2^32 * SLOT_COUNT

/** Slots taken from the start so far; those below it are live, free or retired. */
let opened: u32 = 0;
/** Index + 1 of the first free slot, 0 for none. */
let free: u32 = 0;

/** Puts the staged key into a slot; its handle, or -1 when every slot is taken. The stage is wiped. */
export function importKey(firstNonce: f64): f64 {
  let index: u32;
  if (free != 0) {
    index = free - 1;
    free = load<u32>(slotAt(index), NEXT);
  } else if (opened < SLOT_COUNT) {
    index = opened++;
  } else {
    wipeBlocks(STAGED_KEY, 32);
    return -1;
  }
  const slot = slotAt(index);
  v128.store(slot, v128.load(STAGED_KEY));
  v128.store(slot, v128.load(STAGED_KEY, 16), 16);
  wipeBlocks(STAGED_KEY, 32);
  const generation = load<u32>(slot, GENERATION) + 1;
  store<u64>(slot, <u64>firstNonce, COUNTER);
  store<u32>(slot, generation, GENERATION);
  store<u64>(slot, NONE_AHEAD, AHEAD_FROM);
  store<u32>(slot, 1, LIVE);
  return <f64>generation * <f64>SLOT_COUNT + <f64>index;
}

/** Zeroes the key. True also when it was wiped before; false for a handle that never existed. */
export function wipeKey(handle: f64): bool {
  if (!isHandle(handle)) return false;
  const packed = <u64>handle;
  const index = <u32>packed & (SLOT_COUNT - 1);
  const slot = slotAt(index);
  const generation = <u32>(packed / SLOT_COUNT);
  const last = load<u32>(slot, GENERATION);
  if (generation > last) return false;
  if (generation < last || load<u32>(slot, LIVE) == 0) return true;
  wipeBlocks(slot, 32);
  wipeBlocks(slot + AHEAD, AHEAD_BYTES);
  store<u64>(slot, 0, COUNTER);
  store<u64>(slot, 0, AHEAD_FROM);
  store<u32>(slot, 0, LIVE);
  // A slot whose generations are spent is never used again.
  if (generation != u32.MAX_VALUE) {
    store<u32>(slot, free, NEXT);
    free = index + 1;
  }
  return true;
}

/** Address of the live slot, where its key is; 0 for a handle that is stale or never existed. */
export function liveSlot(handle: f64): usize {
  if (!isHandle(handle)) return 0;
  const packed = <u64>handle;
  const slot = slotAt(<u32>packed & (SLOT_COUNT - 1));
  if (load<u32>(slot, GENERATION) != <u32>(packed / SLOT_COUNT)) return 0;
  return load<u32>(slot, LIVE) != 0 ? slot : 0;
}

/** Takes `count` nonces before the work and gives the first; NONCE_LIMIT, and takes none, when so many are not left. */
export function spendNonces(slot: usize, count: u64): u64 {
  const counter = load<u64>(slot, COUNTER);
  if (counter + count > NONCE_LIMIT) return NONCE_LIMIT;
  store<u64>(slot, counter + count, COUNTER);
  return counter;
}

@inline
export function isSpent(nonce: u64): bool {
  return nonce >= NONCE_LIMIT;
}

/** After the key has changed: nonces start again, and what was made ahead under the old key is gone. */
export function restart(slot: usize): void {
  wipeBlocks(slot + AHEAD, AHEAD_BYTES);
  store<u64>(slot, NONE_AHEAD, AHEAD_FROM);
  store<u64>(slot, 0, COUNTER);
}

/**
 * Moves the nonce's Poly1305 key to the window. Four are made at a time: a pass of four lanes costs as much as one block
 * would. STATE holds the slot's key.
 */
export function takeMacKey(slot: usize, nonce: u64): void {
  if (nonce - load<u64>(slot, AHEAD_FROM) >= AHEAD_COUNT) {
    for (let lane: u64 = 0; lane < AHEAD_COUNT; lane++) setLane(<usize>lane, 0, nonce + lane);
    keys4(slot + AHEAD);
    wipeBlocks(LANES, 96);
    store<u64>(slot, nonce, AHEAD_FROM);
  }
  const at = slot + AHEAD + (<usize>(nonce - load<u64>(slot, AHEAD_FROM)) << 5);
  v128.store(WINDOW, v128.load(at));
  v128.store(WINDOW, v128.load(at, 16), 16);
  wipeBlocks(at, 32);
}

/** Counter and nonce of one lane. */
@inline
export function setLane(lane: usize, block: u32, nonce: u64): void {
  const at = LANES + (lane << 2);
  store<u32>(at, block);
  store<u32>(at, <u32>nonce, 32);
  store<u32>(at, <u32>(nonce >> 32), 64);
}

@inline
function slotAt(index: u32): usize {
  return SLOTS + <usize>index * SLOT_BYTES;
}

/** Whole, in range: the conversion to an integer is exact. NaN fails the first comparison. */
@inline
function isHandle(handle: f64): bool {
  return handle >= <f64>SLOT_COUNT && handle < HANDLE_LIMIT && Math.trunc(handle) == handle;
}
