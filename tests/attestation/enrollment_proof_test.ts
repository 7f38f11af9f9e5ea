import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { Buffer } from "node:buffer";
import { enrollmentProof } from "../../src/attestation/mod.ts";

const secret = new Uint8Array(32).fill(1);
const facts = {
  nonce: new Uint8Array(32).fill(2),
  enrollmentId: "e",
  agentId: "agent-x",
  akName: new Uint8Array([0, 0x0b, 9]),
};

Deno.test("enrollmentProof() is the HMAC over length-prefixed fields", () => {
  const field = (bytes: Uint8Array | string) => {
    const body = Buffer.from(bytes as Uint8Array);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(body.length);
    return Buffer.concat([length, body]);
  };
  const hashed = createHash("sha256").update(
    Buffer.concat(["postern/enroll/v1", facts.nonce, "e", "agent-x", facts.akName].map(field)),
  ).digest();
  const expected = createHmac("sha256", secret).update(hashed).digest();
  assert.deepEqual(enrollmentProof(secret, facts), new Uint8Array(expected));
});

Deno.test("enrollmentProof() depends on every fact and on where one ends", () => {
  const proofs = [
    facts,
    { ...facts, nonce: new Uint8Array(32) },
    { ...facts, enrollmentId: "f" },
    { ...facts, enrollmentId: "ea", agentId: "gent-x" },
    { ...facts, agentId: "agent-y" },
    { ...facts, akName: new Uint8Array([0, 0x0b, 8]) },
  ].map((each) => enrollmentProof(secret, each).toHex());
  proofs.push(enrollmentProof(new Uint8Array(32), facts).toHex());
  assert.equal(new Set(proofs).size, proofs.length);
});

Deno.test("enrollmentProof() never proves anything with an empty secret or nonce", () => {
  for (const length of [0, 31, 33]) {
    assert.throws(() => enrollmentProof(new Uint8Array(length), facts), RangeError);
    assert.throws(() => enrollmentProof(secret, { ...facts, nonce: new Uint8Array(length) }), RangeError);
  }
});
