import { setCounter } from "./chacha20";
import { macBlocks, xor4, xor4Mac16, xor8, xor8Mac28, xor8Mac32 } from "./kernel";
import { copyBytes, LAST_WINDOW, SCRATCH, TAG, WINDOW, wipeBlocks } from "./memory";
import { macFinish, macPadded, macStart } from "./poly1305";

// ChaCha20-Poly1305 (RFC 8439 2.8) in place; the caller has laid out STATE with block counter 0. Either the one-time key
// was made ahead and lies in the window, or it becomes the window's first block and its other blocks are the first
// payload bytes.

const BLOCK: usize = 64;
/** Payload that fits beside the key block in a pass of four or eight blocks. */
const SHORT: usize = 3 * 64;
const FIRST: usize = 7 * 64;
const HALF: usize = 4 * 64;
const CHUNK: usize = 8 * 64;
const SINGLE_SCRATCH: usize = LAST_WINDOW + CHUNK - SCRATCH;

/** Whether one more block, that of the one-time key, would cost another pass: then it is to be made ahead. */
@inline
export function wantsKeyAhead(bytes: usize): bool {
  return bytes != 0 && (((bytes + BLOCK - 1) / BLOCK) & 3) == 0;
}

/**
 * Encrypts the range and leaves the tag in TAG.
 *
 *   pass 1   | key | first 448 bytes |
 *   pass 2                           | next 512 |            while the MAC takes the first bytes
 *   pass 3                                      | next 512 | while the MAC takes the 512 before; and so on
 */
export function encrypt(keyed: bool, ad: usize, adBytes: usize, at: usize, bytes: usize): void {
  let to = at;
  if (keyed) {
    setCounter(1);
  } else {
    const first = firstPass(at, bytes);
    copyBytes(at, WINDOW + BLOCK, first);
    to += first;
  }
  macStart();
  macPadded(ad, adBytes);
  const end = at + bytes;
  let macAt = at;
  while (to < end) {
    const rest = end - to;
    const ready = to - macAt;
    if (rest > HALF) {
      const whole = rest >= CHUNK;
      const target = whole ? to : LAST_WINDOW;
      if (!whole) copyBytes(LAST_WINDOW, to, rest);
      if (ready >= CHUNK) {
        xor8Mac32(target, macAt);
        macAt += CHUNK;
      } else if (ready == FIRST) {
        xor8Mac28(target, macAt);
        macAt += FIRST;
      } else {
        xor8(target);
      }
      if (!whole) copyBytes(to, LAST_WINDOW, rest);
      to += whole ? CHUNK : rest;
    } else {
      const target = rest == HALF ? to : LAST_WINDOW;
      if (rest != HALF) copyBytes(LAST_WINDOW, to, rest);
      if (ready >= HALF) {
        xor4Mac16(target, macAt);
        macAt += HALF;
      } else {
        xor4(target);
      }
      if (rest != HALF) copyBytes(to, LAST_WINDOW, rest);
      to = end;
    }
  }
  macPadded(macAt, end - macAt);
  macFinish(adBytes, bytes);
}

/**
 * Decrypts the range and leaves the expected tag in TAG: nothing may be read before the comparison.
 * With the key in the block of the first bytes, these and the last bytes are decrypted into windows, so that the MAC of
 * the first runs beside the pass for the last. Whole passes take their own 512 bytes into the MAC before they overwrite
 * them.
 */
export function decrypt(keyed: bool, ad: usize, adBytes: usize, at: usize, bytes: usize): void {
  const first = keyed ? 0 : firstPass(at, bytes);
  if (keyed) setCounter(1);
  macStart();
  macPadded(ad, adBytes);
  const last = (bytes - first) & (CHUNK - 1);
  const lastAt = at + bytes - last;
  if (!keyed) {
    if (last == 0) {
      macPadded(at, first);
    } else {
      setCounter(<u32>((BLOCK + bytes - last) / BLOCK));
      copyBytes(LAST_WINDOW, lastAt, last);
      if (last > HALF) {
        xor8Mac28(LAST_WINDOW, at);
      } else {
        xor4Mac16(LAST_WINDOW, at);
        macBlocks(at + HALF, (FIRST - HALF) >> 4);
      }
      setCounter(<u32>((BLOCK + first) / BLOCK));
    }
  }
  for (let chunkAt = at + first; chunkAt < lastAt; chunkAt += CHUNK) xor8Mac32(chunkAt, chunkAt);
  macPadded(lastAt, last);
  if (!keyed) {
    copyBytes(lastAt, LAST_WINDOW, last);
    copyBytes(at, WINDOW + BLOCK, first);
  } else if (last != 0) {
    copyBytes(LAST_WINDOW, lastAt, last);
    if (last > HALF) xor8(LAST_WINDOW);
    else xor4(LAST_WINDOW);
    copyBytes(lastAt, LAST_WINDOW, last);
  }
  macFinish(adBytes, bytes);
}

/** Whether the 16 bytes at `at` are the tag at `tag`: no branch before the end. */
export function tagHolds(at: usize, tag: usize): bool {
  const low = load<u64>(at) ^ load<u64>(tag);
  const high = load<u64>(at, 8) ^ load<u64>(tag, 8);
  return (low | high) == 0;
}

/** Zeroes all that a call over this many bytes leaves behind. */
export function wipeSingle(bytes: usize): void {
  wipeBlocks(SCRATCH, bytes <= SHORT ? WINDOW + HALF - SCRATCH : SINGLE_SCRATCH);
}

/** One-time key at the window's start, and behind it the first bytes of the payload, XORed. Gives their number. */
function firstPass(at: usize, bytes: usize): usize {
  const first = bytes < FIRST ? bytes : FIRST;
  wipeBlocks(WINDOW, BLOCK);
  copyBytes(WINDOW + BLOCK, at, first);
  if (first <= SHORT) xor4(WINDOW);
  else xor8(WINDOW);
  return first;
}
