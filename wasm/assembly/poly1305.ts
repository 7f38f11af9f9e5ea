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
  let h0 = load<u64>(MAC_H);
  let h1 = load<u64>(MAC_H, 8);
  let h2 = load<u64>(MAC_H, 16);
  let h3 = load<u64>(MAC_H, 24);
  let h4: u64 = 0;
  // Twice: the first fold may carry into bit 130 again, the second cannot.
  for (let pass = 0; pass < 2; pass++) {
    h1 += h0 >> 32;
    h0 &= LOW;
    h2 += h1 >> 32;
    h1 &= LOW;
    h3 += h2 >> 32;
    h2 &= LOW;
    h4 += h3 >> 32;
    h3 &= LOW;
    h0 += (h4 >> 2) * 5;
    h4 &= 3;
  }
  // h + 5 reaches 2^130 exactly when h >= 2^130 - 5: then h + 5 - 2^130 is the residue.
  let g0 = h0 + 5;
  let g1 = h1 + (g0 >> 32);
  let g2 = h2 + (g1 >> 32);
  let g3 = h3 + (g2 >> 32);
  const g4 = h4 + (g3 >> 32);
  const keep = (g4 >> 2) - 1; // all ones: keep h; zero: take g
  h1 += h0 >> 32;
  h2 += h1 >> 32;
  h3 += h2 >> 32;
  g0 = (((h0 & keep) | (g0 & ~keep)) & LOW) + load<u32>(MAC_S);
  g1 = (((h1 & keep) | (g1 & ~keep)) & LOW) + load<u32>(MAC_S, 4) + (g0 >> 32);
  g2 = (((h2 & keep) | (g2 & ~keep)) & LOW) + load<u32>(MAC_S, 8) + (g1 >> 32);
  g3 = (((h3 & keep) | (g3 & ~keep)) & LOW) + load<u32>(MAC_S, 12) + (g2 >> 32);
  store<u64>(TAG, (g0 & LOW) | (g1 << 32));
  store<u64>(TAG, (g2 & LOW) | (g3 << 32), 8);
}
