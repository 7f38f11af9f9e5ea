import assert from "node:assert/strict";
import { derivePassword, formatPasswordHash, parsePasswordHash } from "../../src/crypto/mod.ts";
import { toHex, utf8 } from "../../src/bytes/mod.ts";

const HASH = "$scrypt$ln=14,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

Deno.test("derivePassword() is scrypt: the first half of RFC 7914's vector for N=16384, r=8, p=1", async () => {
  const hash = await derivePassword("pleaseletmein", { logN: 14, salt: utf8("SodiumChloride") });
  assert.equal(toHex(hash), "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2");
});

Deno.test("parsePasswordHash() reads back what formatPasswordHash() writes", () => {
  const parsed = parsePasswordHash(HASH);
  assert.equal(parsed?.salt.length, 16);
  assert.equal(formatPasswordHash(parsed!), HASH);
});

Deno.test("parsePasswordHash() refuses other forms, and hashes that cost too much or too little", () => {
  for (
    const text of [
      "",
      "hunter2",
      "$2y$10$abcdefghijklmnopqrstuv",
      HASH.replace("ln=14", "ln=13"),
      HASH.replace("ln=14", "ln=17"),
      HASH.replace("r=8", "r=9"),
      HASH.replace("p=1", "p=2"),
      HASH.slice(0, -1),
      `${HASH}A`,
      `${HASH}=`,
      HASH.replace(/A$/, "B"), // bits behind the last byte
      HASH.replace("$AAAAAAAAAAAAAAAAAAAAAA$", "$AA$"),
      ` ${HASH}`,
    ]
  ) assert.equal(parsePasswordHash(text), undefined, text);
});
