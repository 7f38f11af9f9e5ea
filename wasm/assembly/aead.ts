import { xor4, xor8 } from "./kernel";
import { copyBytes, SCRATCH, SCRATCH_END, TAG, WINDOW, wipeBlocks } from "./memory";
import { macFinish, macPadded, macStart } from "./poly1305";

// ChaCha20-Poly1305 (RFC 8439 2.8) in place; the caller has laid out STATE with block counter 0.
// The window's block 0 becomes the one-time key, its other blocks are the first payload bytes.

const BLOCK: usize = 64;
/** Payload that fits beside the key block in a pass of four or eight blocks. */
const SHORT: usize = 3 * 64;
const FIRST: usize = 7 * 64;
const CHUNK: usize = 8 * 64;

/** Encrypts the range and leaves the tag in TAG. */
export function encrypt(ad: usize, adBytes: usize, at: usize, bytes: usize): void {
  const first = openWindow(at, bytes);
  macStart();
  macPadded(ad, adBytes);
  copyBytes(at, WINDOW + BLOCK, first);
  if (first < bytes) xorRest(at + first, bytes - first);
  macPadded(at, bytes);
  macFinish(adBytes, bytes);
}

/** Decrypts the range and leaves the expected tag in TAG: nothing may be read before the comparison. */
export function decrypt(ad: usize, adBytes: usize, at: usize, bytes: usize): void {
  const first = openWindow(at, bytes);
  macStart();
  macPadded(ad, adBytes);
  macPadded(at, bytes);
  macFinish(adBytes, bytes);
  copyBytes(at, WINDOW + BLOCK, first);
  if (first < bytes) xorRest(at + first, bytes - first);
}

/** Whether the 16 bytes at `at` are the tag: no branch before the end. */
export function tagHolds(at: usize): bool {
  const low = load<u64>(at) ^ load<u64>(TAG);
  const high = load<u64>(at, 8) ^ load<u64>(TAG, 8);
  return (low | high) == 0;
}

/** Zeroes all that a call leaves behind. */
export function wipeScratch(): void {
  wipeBlocks(SCRATCH, SCRATCH_END - SCRATCH);
}

/** Runs the first pass: one-time key at the window's start, then the first bytes of the payload, XORed. */
function openWindow(at: usize, bytes: usize): usize {
  wipeBlocks(WINDOW, BLOCK);
  if (bytes <= SHORT) {
    copyBytes(WINDOW + BLOCK, at, bytes);
    xor4(WINDOW);
    return bytes;
  }
  const first = min(bytes, FIRST);
  copyBytes(WINDOW + BLOCK, at, first);
  xor8(WINDOW);
  return first;
}

function xorRest(at: usize, bytes: usize): void {
  while (bytes >= CHUNK) {
    xor8(at);
    at += CHUNK;
    bytes -= CHUNK;
  }
  if (bytes == 0) return;
  copyBytes(WINDOW, at, bytes);
  if (bytes <= CHUNK / 2) xor4(WINDOW);
  else xor8(WINDOW);
  copyBytes(at, WINDOW, bytes);
}
