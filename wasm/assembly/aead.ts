import { setCounter } from "./chacha20";
import { macBlocks, xor4, xor8, xor8Mac12, xor8Mac28, xor8Mac32 } from "./kernel";
import { copyBytes, LAST_WINDOW, SCRATCH, SCRATCH_END, TAG, WINDOW, wipeBlocks } from "./memory";
import { macFinish, macPadded, macStart } from "./poly1305";

// ChaCha20-Poly1305 (RFC 8439 2.8) in place; the caller has laid out STATE with block counter 0.
// The window's block 0 becomes the one-time key, its other blocks are the first payload bytes.

const BLOCK: usize = 64;
/** Payload that fits beside the key block in a pass of four or eight blocks. */
const SHORT: usize = 3 * 64;
const FIRST: usize = 7 * 64;
const CHUNK: usize = 8 * 64;

/**
 * Encrypts the range and leaves the tag in TAG.
 *
 *   pass 1   | key | first 192 or 448 bytes |
 *   pass 2                                  | next 512 |            while the MAC takes the first bytes
 *   pass 3                                             | next 512 | while the MAC takes the 512 before; and so on
 */
export function encrypt(ad: usize, adBytes: usize, at: usize, bytes: usize): void {
  const first = firstPass(at, bytes);
  copyBytes(at, WINDOW + BLOCK, first);
  macStart();
  macPadded(ad, adBytes);
  let macAt = at;
  if (first < bytes) {
    let to = at + first;
    let rest = bytes - first;
    if (rest >= CHUNK) {
      xorAndMacFirst(to, at, first);
      macAt += first;
      to += CHUNK;
      rest -= CHUNK;
      while (rest >= CHUNK) {
        xor8Mac32(to, macAt);
        macAt += CHUNK;
        to += CHUNK;
        rest -= CHUNK;
      }
      if (rest != 0) {
        copyBytes(WINDOW, to, rest);
        xor8Mac32(WINDOW, macAt);
        macAt += CHUNK;
      }
    } else {
      copyBytes(WINDOW, to, rest);
      xorAndMacFirst(WINDOW, at, first);
      macAt += first;
    }
    copyBytes(to, WINDOW, rest);
  }
  macPadded(macAt, at + bytes - macAt);
  macFinish(adBytes, bytes);
}

/**
 * Decrypts the range and leaves the expected tag in TAG: nothing may be read before the comparison.
 * The first and the last bytes are decrypted into windows, so that the MAC of the first runs beside the pass for the
 * last; the passes between take their own 512 bytes into the MAC before they overwrite them.
 */
export function decrypt(ad: usize, adBytes: usize, at: usize, bytes: usize): void {
  const first = firstPass(at, bytes);
  macStart();
  macPadded(ad, adBytes);
  if (first == bytes) {
    macPadded(at, bytes);
  } else {
    const last = (bytes - first) & (CHUNK - 1);
    const lastAt = at + bytes - last;
    if (last != 0) {
      copyBytes(LAST_WINDOW, lastAt, last);
      setCounter(<u32>((BLOCK + bytes - last) / BLOCK));
      xorAndMacFirst(LAST_WINDOW, at, first);
      setCounter(<u32>((BLOCK + first) / BLOCK));
    } else {
      macBlocks(at, first >> 4);
    }
    for (let chunkAt = at + first; chunkAt < lastAt; chunkAt += CHUNK) xor8Mac32(chunkAt, chunkAt);
    macPadded(lastAt, last);
    copyBytes(lastAt, LAST_WINDOW, last);
  }
  copyBytes(at, WINDOW + BLOCK, first);
  macFinish(adBytes, bytes);
}

/** Whether the 16 bytes at `at` are the tag: no branch before the end. */
export function tagHolds(at: usize): bool {
  const low = load<u64>(at) ^ load<u64>(TAG);
  const high = load<u64>(at, 8) ^ load<u64>(TAG, 8);
  return (low | high) == 0;
}

/** Zeroes all that a call over this many bytes leaves behind. */
export function wipeScratch(bytes: usize): void {
  wipeBlocks(SCRATCH, (bytes <= SHORT ? WINDOW + SHORT + BLOCK : SCRATCH_END) - SCRATCH);
}

/** One-time key at the window's start, and behind it the first bytes of the payload, XORed. Gives their number. */
function firstPass(at: usize, bytes: usize): usize {
  const first = firstBytes(bytes);
  wipeBlocks(WINDOW, BLOCK);
  copyBytes(WINDOW + BLOCK, at, first);
  if (first <= SHORT) xor4(WINDOW);
  else xor8(WINDOW);
  return first;
}

/** A pass of four blocks where that saves half a pass at the end, else one of eight. */
function firstBytes(bytes: usize): usize {
  if (bytes <= FIRST) return bytes;
  const last = (bytes - FIRST) & (CHUNK - 1);
  return last != 0 && last <= CHUNK / 2 ? SHORT : FIRST;
}

function xorAndMacFirst(to: usize, mac: usize, first: usize): void {
  if (first == SHORT) xor8Mac12(to, mac);
  else xor8Mac28(to, mac);
}
