/** The AEAD against node:crypto at every length and alignment, and every bit that can be flipped. */
import assert from "node:assert/strict";
import { createCipheriv } from "node:crypto";
import { type CryptoCore, loadCore } from "../../wasm/mod.ts";

const TAG_BYTES = 16;
const KEY = Uint8Array.from({ length: 32 }, (_, i) => 7 * i + 3);
/** Differs from place to place for longer than any record here. */
const SOURCE = Uint8Array.from({ length: 70_000 }, (_, i) => (i * 167) ^ (i >> 8));

/** Ciphertext and tag; the nonce as Noise lays out its counter. */
function oracle(counter: number, ad: Uint8Array, plain: Uint8Array): Uint8Array {
  const nonce = new Uint8Array(12);
  new DataView(nonce.buffer).setUint32(4, counter, true);
  const cipher = createCipheriv("chacha20-poly1305", KEY, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(ad, { plaintextLength: plain.length });
  const sealed = new Uint8Array(plain.length + TAG_BYTES);
  sealed.set(cipher.update(plain));
  cipher.final();
  sealed.set(cipher.getAuthTag(), plain.length);
  return sealed;
}

/** One key for both directions, so that counters go on together. */
class Pair {
  readonly core: CryptoCore;
  readonly #sealer: number;
  readonly #opener: number;
  #counter = 0;

  constructor(build: "relaxed" | "plain") {
    this.core = loadCore({ build });
    this.#sealer = this.core.importKey(KEY);
    this.#opener = this.core.importKey(KEY);
  }

  /** Seals and opens `bytes` bytes that begin at `shift`, with associated data right before them. */
  check(bytes: number, adBytes: number, shift: number): void {
    const { core } = this;
    const { memory } = core;
    const ad = SOURCE.subarray(shift, shift + adBytes);
    const plain = SOURCE.subarray(adBytes, adBytes + bytes);
    const at = core.arena.offset + 256 + shift;
    const expected = oracle(this.#counter++, ad, plain);
    const name = `${bytes} bytes, ${adBytes} of associated data, alignment ${shift}`;
    memory.fill(0xee, at - adBytes - 32, at + bytes + TAG_BYTES + 32);
    memory.set(ad, at - adBytes);
    memory.set(plain, at);
    core.seal(this.#sealer, at - adBytes, adBytes, at, bytes);
    assert.ok(isSame(memory.subarray(at, at + expected.length), expected), `seal: ${name}`);
    assert.ok(core.open(this.#opener, at - adBytes, adBytes, at, bytes), `open: ${name}`);
    assert.ok(isSame(memory.subarray(at, at + bytes), plain), `opened: ${name}`);
    const around = [
      memory.subarray(at - adBytes - 32, at - adBytes),
      memory.subarray(at + bytes + TAG_BYTES, at + bytes + TAG_BYTES + 32),
    ];
    assert.ok(around.every((part) => part.every((byte) => byte === 0xee)), `around: ${name}`);
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return a.length === b.length;
}

for (const build of ["relaxed", "plain"] as const) {
  Deno.test(`seal() and open() agree with node:crypto at every length to 2200 (${build})`, () => {
    const pair = new Pair(build);
    for (let bytes = 0; bytes <= 2200; bytes++) pair.check(bytes, bytes % 29, bytes % 64);
  });

  Deno.test(`seal() and open() agree with node:crypto at every alignment (${build})`, () => {
    const pair = new Pair(build);
    for (const bytes of [0, 1, 15, 16, 64, 192, 200, 256, 448, 449, 512, 700, 960, 1024, 1025, 1500]) {
      for (let shift = 0; shift < 64; shift++) pair.check(bytes, 4, shift);
    }
    for (const bytes of [16383, 16384, 16385, 65535, 65536, 65537]) {
      for (let shift = 0; shift < 64; shift += 7) pair.check(bytes, 4, shift);
    }
  });

  Deno.test(`seal() and open() agree with node:crypto for associated data of 0 to 200 bytes (${build})`, () => {
    const pair = new Pair(build);
    for (let adBytes = 0; adBytes <= 200; adBytes++) {
      for (const bytes of [0, 64, 333, 512]) pair.check(bytes, adBytes, adBytes % 16);
    }
  });

  Deno.test(`open() refuses every flipped bit of tag and associated data and many of the ciphertext (${build})`, () => {
    const core = loadCore({ build });
    const { memory, arena } = core;
    for (const bytes of [0, 64, 100, 256, 512, 1024, 2100]) {
      const adBytes = 20;
      const ad = SOURCE.subarray(0, adBytes);
      const at = arena.offset + 64;
      const sealed = oracle(0, ad, SOURCE.subarray(100, 100 + bytes));
      const bits: [number, number][] = [];
      for (let bit = 0; bit < 8 * adBytes; bit++) bits.push([at - adBytes, bit]);
      for (let bit = 0; bit < 8 * TAG_BYTES; bit++) bits.push([at + bytes, bit]);
      // Every bit of a short one, else every 13th, so that all bits of a byte and all places in a block have their turn.
      for (let bit = 0; bit < 8 * bytes; bit += bytes <= 100 ? 1 : 13) bits.push([at, bit]);
      for (const [from, bit] of bits) {
        const handle = core.importKey(KEY);
        memory.set(ad, at - adBytes);
        memory.set(sealed, at);
        memory[from + (bit >> 3)] ^= 1 << (bit & 7);
        assert.equal(
          core.open(handle, at - adBytes, adBytes, at, bytes),
          false,
          `${bytes}: bit ${bit} at ${from - at}`,
        );
        assert.ok(memory.subarray(at, at + bytes).every((byte) => byte === 0));
        core.wipeKey(handle);
      }
    }
  });
}
