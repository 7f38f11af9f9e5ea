import { macBlocks } from "./kernel";
import { copyBytes, MAC_BLOCK, MAC_H, MAC_R, MAC_S, TAG, WINDOW, wipeBlocks } from "./memory";

// Poly1305 (RFC 8439 2.5). The accumulator is four 64-bit words for 2^0, 2^32, 2^64 and 2^96, carried lazily: the bounds
// are in wasm/generate.ts, which writes the multiplication.

const LOW: u64 = 0xffffffff;

/** Takes the one-time key from the first 32 bytes of the window. */
export function macStart(): void {
  // Clamp r (RFC 8439 2.5).
  store<u32>(MAC_R, load<u32>(WINDOW) & 0x0fffffff);
  store<u32>(MAC_R, load<u32>(WINDOW, 4) & 0x0ffffffc, 4);
  store<u32>(MAC_R, load<u32>(WINDOW, 8) & 0x0ffffffc, 8);
  store<u32>(MAC_R, load<u32>(WINDOW, 12) & 0x0ffffffc, 12);
  v128.store(MAC_S, v128.load(WINDOW, 16));
  wipeBlocks(MAC_H, 32);
}

/** Adds a range, zero-padded to whole blocks (RFC 8439 2.8: pad16). */
export function macPadded(at: usize, bytes: usize): void {
  const whole = bytes >> 4;
  if (whole != 0) macBlocks(at, whole);
  const rest = bytes & 15;
  if (rest == 0) return;
  v128.store(MAC_BLOCK, i64x2.splat(0));
  copyBytes(MAC_BLOCK, at + (whole << 4), rest);
  macBlocks(MAC_BLOCK, 1);
}

/** Adds the lengths block (RFC 8439 2.8) and leaves the tag in TAG. */
export function macFinish(adBytes: u64, bytes: u64): void {
  store<u64>(MAC_BLOCK, adBytes);
  store<u64>(MAC_BLOCK, bytes, 8);
  macBlocks(MAC_BLOCK, 1);
  macTag(MAC_H, MAC_S, TAG);
}

/** The tag from accumulator and s: (h mod 2^130 - 5) + s mod 2^128. Comparisons give numbers here, not branches. */
export function macTag(h: usize, s: usize, tag: usize): void {
  const h0 = load<u64>(h);
  const h1 = load<u64>(h, 8) + (h0 >> 32);
  const h2 = load<u64>(h, 16) + (h1 >> 32);
  const h3 = load<u64>(h, 24) + (h2 >> 32);
  let low = (h0 & LOW) | (h1 << 32);
  let high = (h2 & LOW) | (h3 << 32);
  let top = h3 >> 32;
  // What lies above 2^130 counts five times. After it h < 2^130 + 2^7: below 2 (2^130 - 5).
  const fold = (top >> 2) * 5;
  low += fold;
  let carry = <u64>(low < fold);
  high += carry;
  top = (top & 3) + <u64>(high < carry);
  // h + 5 reaches 2^130 exactly when h >= 2^130 - 5: then h + 5 - 2^130 is the residue.
  const low5 = low + 5;
  carry = <u64>(low5 < 5);
  const high5 = high + carry;
  const take = 0 - ((top + <u64>(high5 < carry)) >> 2); // all ones or zero
  low ^= take & (low ^ low5);
  high ^= take & (high ^ high5);
  const s0 = load<u64>(s);
  low += s0;
  store<u64>(tag, low);
  store<u64>(tag, high + load<u64>(s, 8) + <u64>(low < s0), 8);
}
