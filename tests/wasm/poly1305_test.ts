/**
 * Poly1305 at the edges that random keys never reach: the inner functions, compiled under an entry of their own, against
 * the definition in big integers (RFC 8439 2.5.1).
 */
import assert from "node:assert/strict";
import { compileCore } from "../../wasm/build.ts";

const WINDOW = 0x500;
const TAG = 0x4d0;
const AT = 0x200000;
const P = 2n ** 130n - 5n;

interface Inner {
  memory: WebAssembly.Memory;
  macStart(): void;
  macPadded(at: number, bytes: number): void;
  macFinish(adBytes: bigint, bytes: bigint): void;
  xor8Mac32(at: number, mac: number): void;
}

const ENTRY = `export { macFinish, macPadded, macStart } from "./poly1305";
export { xor8Mac32 } from "./kernel";`;

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

/** The tag over whole blocks, then the block of lengths (0, n). */
function reference(key: Uint8Array, message: Uint8Array): bigint {
  const r = littleEndian(key.subarray(0, 16)) & 0x0ffffffc0ffffffc0ffffffc0fffffffn;
  const lengths = new Uint8Array(16);
  new DataView(lengths.buffer).setBigUint64(8, BigInt(message.length), true);
  let h = 0n;
  for (let i = 0; i <= message.length; i += 16) {
    const block = i < message.length ? message.subarray(i, i + 16) : lengths;
    h = ((h + littleEndian(block) + 2n ** 128n) * r) % P;
  }
  return (h + littleEndian(key.subarray(16, 32))) & (2n ** 128n - 1n);
}

const EDGES: [string, Uint8Array][] = [
  ["zeros", new Uint8Array(32)],
  ["ones", new Uint8Array(32).fill(0xff)],
  ["r = 1", Uint8Array.of(1, ...new Uint8Array(31))],
  ["r = 2", Uint8Array.of(2, ...new Uint8Array(31))],
  ["r = 4 * 2^96", Uint8Array.of(...new Uint8Array(12), 4, ...new Uint8Array(19))],
  ["r = 1, s = ones", Uint8Array.of(1, ...new Uint8Array(15), ...new Uint8Array(16).fill(0xff))],
];

/** Blocks that bring h to p - 1, p, p + 1 and around, besides the extremes. */
function edgeMessages(): Uint8Array[] {
  const blocks = [0x00, 0xff, 0xfb, 0xfa, 0xfc, 0x80, 0x01].map((low) => {
    const block = new Uint8Array(16).fill(low === 0 || low === 1 ? 0 : 0xff);
    block[0] = low;
    return block;
  });
  const messages: Uint8Array[] = [];
  for (const a of blocks) {
    for (const b of blocks) {
      for (const repeat of [1, 2, 16]) {
        const message = new Uint8Array(32 * repeat);
        for (let i = 0; i < repeat; i++) {
          message.set(a, 32 * i);
          message.set(b, 32 * i + 16);
        }
        messages.push(message);
      }
    }
  }
  return messages;
}

for (const relaxedSimd of [true, false]) {
  Deno.test(`Poly1305 alone and woven agrees with its definition at the edges (relaxed ${relaxedSimd})`, async () => {
    const bytes = await compileCore({ relaxedSimd, entry: ENTRY });
    const inner = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports as unknown as Inner;
    const memory = new Uint8Array(inner.memory.buffer);
    let woven = 0;
    for (const [name, key] of EDGES) {
      for (const message of edgeMessages()) {
        const expected = reference(key, message);
        memory.set(message, AT);
        memory.set(key, WINDOW);
        inner.macStart();
        inner.macPadded(AT, message.length);
        inner.macFinish(0n, BigInt(message.length));
        assert.equal(littleEndian(memory.subarray(TAG, TAG + 16)), expected, name);
        if (message.length !== 512) continue;
        memory.set(key, WINDOW);
        inner.macStart();
        inner.xor8Mac32(AT + 4096, AT);
        inner.macFinish(0n, 512n);
        assert.equal(littleEndian(memory.subarray(TAG, TAG + 16)), expected, `${name}, woven`);
        woven++;
      }
    }
    assert.equal(woven, EDGES.length * 49);
  });
}
