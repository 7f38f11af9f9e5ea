import assert from "node:assert/strict";
import fc from "fast-check";
import { AddressBlocks, ipBytes, parseAddressBlock } from "../../src/bytes/mod.ts";

Deno.test("parseAddressBlock() takes blocks and single addresses, and nothing else", () => {
  const bits = (text: string) => parseAddressBlock(text)?.bits;
  assert.equal(bits("10.0.0.0/8"), 8);
  assert.equal(bits("192.0.2.1"), 32);
  assert.equal(bits("::/0"), 0);
  assert.equal(bits("2001:db8::1"), 128);
  assert.equal(bits("::ffff:10.0.0.0/104"), 8);
  for (
    const text of [
      "",
      "x",
      "10.0.0.0/33",
      "::1/129",
      "10.0.0.0/8/8",
      "10.0.0.0/",
      "::ffff:10.0.0.0/90",
      "1.2.3",
    ]
  ) {
    assert.equal(parseAddressBlock(text), undefined, text);
  }
});

Deno.test("AddressBlocks.has() agrees with bit strings for any IPv6 block", () => {
  const bitsOf = (bytes: Uint8Array) => [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  const textOf = (words: number[]) => words.map((word) => word.toString(16)).join(":");
  const words = fc.array(fc.nat(0xffff), { minLength: 8, maxLength: 8 });
  fc.assert(
    fc.property(
      words,
      fc.integer({ min: 0, max: 128 }),
      fc.integer({ min: 0, max: 128 }),
      (block, bits, flip) => {
        // An address that differs from the block in one bit, or in none.
        const address = block.map((word, at) => flip >> 4 === at ? word ^ (0x8000 >> (flip & 15)) : word);
        const [a, b] = [ipBytes(textOf(block)), ipBytes(textOf(address))];
        fc.pre(a?.length === 16 && b?.length === 16);
        const expected = bitsOf(a!).slice(0, bits) === bitsOf(b!).slice(0, bits);
        assert.equal(new AddressBlocks([`${textOf(block)}/${bits}`]).has(b!), expected);
      },
    ),
  );
});
