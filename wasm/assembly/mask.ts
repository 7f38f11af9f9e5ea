/** XORs the range with the 4 bytes of `mask`, lowest first (RFC 6455 5.3). */
export function maskBytes(at: usize, bytes: usize, mask: u32): void {
  const wide = i32x4.splat(mask);
  const end = at + bytes;
  const linesEnd = at + (bytes & ~63);
  while (at < linesEnd) {
    v128.store(at, v128.xor(v128.load(at), wide));
    v128.store(at, v128.xor(v128.load(at, 16), wide), 16);
    v128.store(at, v128.xor(v128.load(at, 32), wide), 32);
    v128.store(at, v128.xor(v128.load(at, 48), wide), 48);
    at += 64;
  }
  while (at + 16 <= end) {
    v128.store(at, v128.xor(v128.load(at), wide));
    at += 16;
  }
  while (at < end) {
    store<u8>(at, load<u8>(at) ^ <u8>mask);
    mask = rotr<u32>(mask, 8);
    at++;
  }
}
