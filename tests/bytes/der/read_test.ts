import assert from "node:assert/strict";
import fc from "fast-check";
import { der } from "../../../src/bytes/mod.ts";

const reader = (hex: string) => new der.DerReader(Uint8Array.fromHex(hex));
const bad = (hexes: readonly string[], read: (reader: der.DerReader) => unknown) => {
  for (const hex of hexes) assert.throws(() => read(reader(hex)), der.DerError, hex);
};

Deno.test("DerReader reads what the writer wrote, whatever its length", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70_000 }), fc.uint8Array({ maxLength: 3 }), (bytes, after) => {
      const written = der.sequence(der.octetString(bytes), der.octetString(after));
      const outer = new der.DerReader(written);
      const inner = outer.enter();
      outer.end();
      assert.deepEqual(inner.read(der.TAG.octetString).content, bytes);
      assert.deepEqual(inner.rest, der.octetString(after));
      assert.deepEqual(inner.read().whole, der.octetString(after));
      inner.end();
    }),
  );
});

Deno.test("DerReader.read() refuses lengths that are indefinite, not minimal, or beyond the end", () => {
  bad(
    [
      "",
      "04",
      "0401",
      "0480",
      "048101",
      "04817f00",
      "04820080",
      "0483000100",
      "0484000000ff",
      "1f0100",
      "0500ff0401",
    ],
    (reader) => {
      while (true) reader.read();
    },
  );
  bad(["0400"], (reader) => reader.read(der.TAG.sequence));
  bad(["040000"], (reader) => {
    reader.read();
    reader.end();
  });
});

Deno.test("DerReader.boolean() and integers have one encoding", () => {
  assert.equal(reader("0101ff").boolean(), true);
  assert.equal(reader("010100").boolean(), false);
  bad(["010101", "0100", "01020000"], (reader) => reader.boolean());
  assert.equal(reader("020100").smallInteger(), 0);
  assert.equal(reader("02047fffffff").smallInteger(), 0x7fffffff);
  assert.equal(reader("0201ff").integer().toHex(), "ff");
  bad(["0200", "02020000", "0202007f", "0202ffff"], (reader) => reader.integer());
  bad(["0201ff", "02050080000000"], (reader) => reader.smallInteger());
});

Deno.test("DerReader.objectIdentifier() reads what the writer writes, and arcs of any size", () => {
  for (const oid of ["0.9.2342", "1.2.840.113549.1.1.11", "2.5.29.19", "2.23.133.8.1", "2.999.3"]) {
    assert.equal(new der.DerReader(der.objectIdentifier(oid)).objectIdentifier(), oid);
  }
  // A UUID as an arc (X.667): 128 bits.
  assert.equal(
    reader(`06146983${"ff".repeat(17)}7f`).objectIdentifier(),
    "2.25.340282366920938463463374607431768211455",
  );
  bad(
    ["0600", "060180", "06028001", "060255ff", `0641${"2a".repeat(65)}`],
    (reader) => reader.objectIdentifier(),
  );
});

Deno.test("DerReader.namedBits() and octetsOfBits() read bit strings", () => {
  assert.deepEqual([...reader("03020560").namedBits()], [1, 2]);
  assert.deepEqual([...reader("0303070080").namedBits()], [8]);
  assert.deepEqual([...reader("030100").namedBits()], []);
  bad(["0300", "03020880", "030101"], (reader) => reader.namedBits());
  assert.equal(reader("030300abcd").octetsOfBits().toHex(), "abcd");
  bad(["0300", "03020180"], (reader) => reader.octetsOfBits());
});

Deno.test("DerReader.time() reads the two forms of certificates, and no moment that does not exist", () => {
  const time = (tag: number, text: string) =>
    new der.DerReader(der.element(tag, new TextEncoder().encode(text))).time();
  const { utcTime, generalizedTime } = der.TAG;
  assert.equal(time(utcTime, "490101000000Z"), Date.UTC(2049, 0, 1));
  assert.equal(time(utcTime, "500101000000Z"), Date.UTC(1950, 0, 1));
  assert.equal(time(generalizedTime, "99991231235959Z"), Date.UTC(9999, 11, 31, 23, 59, 59));
  assert.equal(time(utcTime, "240229120000Z"), Date.UTC(2024, 1, 29, 12));
  const malformed = [
    "2402291200Z",
    "240229120000",
    "240229120000+0000",
    "230229120000Z",
    "241301000000Z",
    "240101240000Z",
  ];
  for (const text of [...malformed, "240101006000Z", "2401010000 0Z", ""]) {
    assert.throws(() => time(utcTime, text), der.DerError, text);
  }
  for (const text of ["240229120000Z", "20240229120000.5Z", "20240230120000Z"]) {
    assert.throws(() => time(generalizedTime, text), der.DerError, text);
  }
  assert.throws(() => reader("0400").time(), der.DerError);
});

Deno.test("DerReader.enterOptional() and readOptional() leave what has another tag", () => {
  const fields = reader("020101");
  assert.equal(fields.readOptional(der.TAG.boolean), undefined);
  assert.equal(fields.enterOptional(0xa0), undefined);
  assert.equal(fields.smallInteger(), 1);
  assert.equal(fields.isEmpty, true);
  assert.equal(fields.readOptional(der.TAG.boolean), undefined);
});
