import assert from "node:assert/strict";
import fc from "fast-check";
import { HpackDecoder } from "../../src/http2/hpack_decoder.ts";
import { HpackEncoder } from "../../src/http2/hpack_encoder.ts";
import { huffmanDecode, huffmanEncode, huffmanLength } from "../../src/http2/huffman.ts";
import { STATIC_TABLE } from "../../src/http2/static_table.ts";

function decode(decoder: HpackDecoder, hex: string): [string, string][] {
  const bytes = Uint8Array.fromHex(hex.replaceAll(" ", ""));
  const fields: [string, string][] = [];
  decoder.decode(bytes, 0, bytes.length, (name, value) => void fields.push([name, value]));
  return fields;
}

const ONE = [[":method", "GET"], [":scheme", "http"], [":path", "/"], [":authority", "www.example.com"]];

Deno.test("STATIC_TABLE has the 61 entries of RFC 7541 Appendix A", () => {
  assert.equal(STATIC_TABLE.length, 61);
  assert.deepEqual([STATIC_TABLE[15], STATIC_TABLE[27], STATIC_TABLE[60]], [
    ["accept-encoding", "gzip, deflate"],
    ["content-length", ""],
    ["www-authenticate", ""],
  ]);
});

Deno.test("HpackDecoder reads the request examples of RFC 7541 C.3 and C.4, table and all", () => {
  for (
    const [first, second, third] of [
      [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
      ],
      [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
      ],
    ]
  ) {
    const decoder = new HpackDecoder();
    assert.deepEqual(decode(decoder, first), ONE);
    assert.deepEqual(decode(decoder, second), [...ONE, ["cache-control", "no-cache"]]);
    assert.deepEqual(decode(decoder, third), [
      [":method", "GET"],
      [":scheme", "https"],
      [":path", "/index.html"],
      [":authority", "www.example.com"],
      ["custom-key", "custom-value"],
    ]);
  }
});

Deno.test("HpackDecoder refuses with h2_compression what RFC 7541 does not allow", () => {
  for (
    const hex of [
      "80", // index 0
      "be", // an entry that is not there
      "ffffffffff7f", // an integer without end
      "40", // ends within a field
      "0085 6162", // a string longer than the block
      "8220", // a change of size behind a field
      "3fe2 1f", // a table above 4,096
      "0081 ff", // a Huffman string of padding alone, too long
      "0084 ffff ffff", // the end of string symbol
      "0081 18", // padding with zeros
    ]
  ) {
    assert.throws(() => decode(new HpackDecoder(), hex), { code: "h2_compression" }, hex);
  }
});

Deno.test("huffmanEncode() and huffmanDecode() are inverse for every text of octets", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => {
    const text = String.fromCharCode(...octets);
    const out = new Uint8Array(huffmanLength(text));
    assert.equal(huffmanEncode(text, out, 0), out.length);
    assert.equal(huffmanDecode(out, 0, out.length), text);
  }));
});

Deno.test("what HpackEncoder writes over many blocks, table changes included, HpackDecoder reads", () => {
  const name = fc.constantFrom(
    "content-type",
    "x-a",
    "x-b",
    "server",
    "set-cookie",
    "date",
    ":status",
    "vary",
  );
  const value = fc.oneof(
    fc.constantFrom("200", "text/html", "", "a".repeat(300)),
    fc.string({ unit: "binary-ascii", maxLength: 40 }),
  );
  const blocks = fc.array(
    fc.record({
      table: fc.option(fc.nat(5_000), { nil: undefined, freq: 5 }),
      fields: fc.array(fc.tuple(name, value), { maxLength: 30 }),
    }),
    { maxLength: 20 },
  );
  fc.assert(fc.property(blocks, (all) => {
    const encoder = new HpackEncoder();
    const decoder = new HpackDecoder();
    for (const { table, fields } of all) {
      if (table !== undefined) encoder.allowTable(table);
      encoder.begin();
      for (const [key, text] of fields) encoder.field(key, text);
      const block = encoder.block();
      const read: [string, string][] = [];
      decoder.decode(block, 0, block.length, (key, text) => void read.push([key, text]));
      assert.deepEqual(read, fields);
    }
  }));
});
