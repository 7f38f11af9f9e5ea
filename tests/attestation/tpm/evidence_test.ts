import assert from "node:assert/strict";
import fc from "fast-check";
import { readTpmEvidence, type TpmEvidence, writeTpmEvidence } from "../../../src/attestation/tpm/mod.ts";
import { toBase64Url } from "../../../src/bytes/mod.ts";
import { type ErrorCode, PosternError } from "../../../src/errors/mod.ts";

const evidence: TpmEvidence = {
  agentId: `agent-${"a2".repeat(13)}`,
  quote: Uint8Array.of(1, 2, 3),
  signature: Uint8Array.of(4, 5),
  pcrs: { bank: "sha256", values: { "0": "00".repeat(32), "23": "ff".repeat(32) } },
};
const json = writeTpmEvidence(evidence);

function refuses(changes: Record<string, unknown>, code: ErrorCode, field?: string): void {
  assert.throws(() => readTpmEvidence({ ...json, ...changes }), (error) => {
    assert.ok(error instanceof PosternError, String(error));
    assert.equal(error.code, code);
    if (field !== undefined) assert.equal(error.detail.field, field);
    return true;
  });
}

Deno.test("readTpmEvidence() reads what writeTpmEvidence() wrote, through JSON", () => {
  assert.deepEqual(readTpmEvidence(JSON.parse(JSON.stringify(json))), evidence);
  assert.deepEqual(json, {
    kind: "tpm",
    agent_id: evidence.agentId,
    quote: "AQID",
    signature: "BAU",
    pcrs: { bank: "sha256", values: evidence.pcrs.values },
  });
});

Deno.test("readTpmEvidence() refuses members that are missing, unknown or in another form, and names its own only", () => {
  refuses({ kind: "bound-key" }, "evidence_malformed", "kind");
  refuses({ agent_id: "agent-AAAA" }, "evidence_malformed", "agent_id");
  refuses({ quote: undefined }, "evidence_malformed", "quote");
  refuses({ quote: "" }, "evidence_malformed", "quote");
  refuses({ signature: 5 }, "evidence_malformed", "signature");
  refuses({ "\u001b[2J": 1 }, "evidence_malformed", "");
  refuses({ pcrs: undefined }, "evidence_malformed", "pcrs");
  refuses({ pcrs: { ...json.pcrs, bank: "sha1" } }, "evidence_malformed", "pcrs.bank");
  for (const pcr of ["24", "00", "-1", "1.0", "1e1", "x"]) {
    const values = JSON.parse(`{"${pcr}":"00"}`);
    refuses({ pcrs: { ...json.pcrs, values } }, "evidence_malformed", "pcrs.values");
  }
  for (const value of ["0x00", "AA", "00".repeat(65), 0, null]) {
    refuses({ pcrs: { ...json.pcrs, values: { "0": value } } }, "evidence_malformed", "pcrs.values");
  }
  for (const other of [null, undefined, 1, "text", [], { kind: "tpm" }]) {
    assert.throws(() => readTpmEvidence(other), { code: "evidence_malformed" });
  }
});

Deno.test("readTpmEvidence() refuses quotes and signatures that are too large before it decodes them", () => {
  const text = (bytes: number) => toBase64Url(new Uint8Array(bytes));
  assert.equal(readTpmEvidence({ ...json, quote: text(512), signature: text(1024) }).quote.length, 512);
  refuses({ quote: text(513) }, "evidence_too_large", "quote");
  refuses({ signature: text(1025) }, "evidence_too_large", "signature");
  refuses({ quote: "*".repeat(100_000) }, "evidence_too_large", "quote");
});

Deno.test("readTpmEvidence() refuses base64 with padding, of another alphabet, with loose bits", () => {
  for (const text of ["AQI=", "AQ==", "A", "AR", "A+/_", "A\n", "ÄÖ", "*"]) {
    refuses({ quote: text }, "evidence_base64_malformed", "quote");
    refuses({ signature: text }, "evidence_base64_malformed", "signature");
  }
});

Deno.test("readTpmEvidence() refuses whatever else JSON can say with its own codes", () => {
  fc.assert(fc.property(fc.jsonValue(), fc.constantFrom(...Object.keys(json)), (value, field) => {
    for (const candidate of [value, { ...json, [field]: value }]) {
      try {
        const read = readTpmEvidence(candidate);
        assert.deepEqual(writeTpmEvidence(read), candidate);
      } catch (error) {
        assert.ok(error instanceof PosternError, String(error));
      }
    }
  }));
});
