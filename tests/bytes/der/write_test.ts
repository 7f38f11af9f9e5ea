import assert from "node:assert/strict";
import { der, utf8 } from "../../../src/bytes/mod.ts";

const hex = (bytes: Uint8Array) => bytes.toHex();

Deno.test("der writes lengths in their shortest form", () => {
  assert.equal(hex(der.octetString(new Uint8Array(127))).slice(0, 6), "047f00");
  assert.equal(hex(der.octetString(new Uint8Array(128))).slice(0, 8), "04818000");
  assert.equal(hex(der.octetString(new Uint8Array(65_536))).slice(0, 12), "048301000000");
});

Deno.test("der.integer() is minimal and never negative", () => {
  assert.equal(hex(der.integer(0)), "020100");
  assert.equal(hex(der.integer(0, 0, 127)), "02017f");
  assert.equal(hex(der.integer(128)), "02020080");
  assert.equal(hex(der.integer(1, 0)), "02020100");
});

Deno.test("der.objectIdentifier() writes arcs in base 128", () => {
  assert.equal(hex(der.objectIdentifier("1.2.840.10045.4.3.2")), "06082a8648ce3d040302");
  assert.equal(hex(der.objectIdentifier("2.5.29.17")), "0603551d11");
});

Deno.test("der.time() changes its form in 2050", () => {
  assert.deepEqual(der.time(Date.UTC(2049, 11, 31, 23, 59, 59, 999)).subarray(2), utf8("491231235959Z"));
  assert.deepEqual(der.time(Date.UTC(2050, 0, 1)).subarray(2), utf8("20500101000000Z"));
});

Deno.test("der.toPem() breaks lines after 64 characters", () => {
  assert.equal(
    der.toPem("CERTIFICATE", new Uint8Array(49)),
    `-----BEGIN CERTIFICATE-----\n${"A".repeat(64)}\nAA==\n-----END CERTIFICATE-----\n`,
  );
});
