/** Against what a real (software) TPM attested. */
import assert from "node:assert/strict";
import {
  decodeTpm,
  encodeTpm,
  type QuoteFacts,
  TPMS_ATTEST,
  TPMT_PUBLIC,
  TPMT_SIGNATURE,
  verifyCertify,
  verifyQuote,
} from "../../../src/attestation/tpm/mod.ts";
import { fromHex, toHex } from "../../../src/bytes/mod.ts";
import { PosternError } from "../../../src/errors/mod.ts";
import { mutate, seeded } from "../../support/mutation.ts";
import { CERTIFICATIONS, certifyClaimOf, claimOf, QUOTES, REFUSALS } from "../../support/tpm_vectors.ts";

function factsOf(title: string): QuoteFacts {
  return verifyQuote(claimOf(QUOTES.find((one) => one.title.includes(title))!));
}

for (const vector of QUOTES) {
  Deno.test(`verifyQuote() accepts a TPM's quote: ${vector.title}`, () => {
    const facts = verifyQuote(claimOf(vector));
    assert.match(facts.firmwareVersion, /^20191023[0-9a-f]{8}$/);
    assert.ok(facts.resetCount > 0 && facts.clockMs > 0);
  });

  Deno.test(`verifyQuote() accepts no bit more or less: ${vector.title}`, () => {
    const claim = claimOf(vector);
    for (const field of ["quote", "signature", "akPublic"] as const) {
      const random = seeded(vector.title.length);
      for (let i = 0; i < 100; i++) {
        const altered = mutate(new Uint8Array(claim[field]), random);
        if (toHex(altered) === toHex(claim[field])) continue;
        assert.throws(() => verifyQuote({ ...claim, [field]: altered }), PosternError);
      }
    }
    const values = Object.entries(claim.pcrs.values);
    for (const [pcr, value] of values) {
      const other = value.replace(/^./, (digit) => digit === "0" ? "1" : "0");
      assert.throws(
        () =>
          verifyQuote({ ...claim, pcrs: { ...claim.pcrs, values: { ...claim.pcrs.values, [pcr]: other } } }),
        {
          code: "pcr_digest_wrong",
        },
      );
    }
  });

  Deno.test(`the codec writes a TPM's structures as the TPM did: ${vector.title}`, () => {
    const { attested, signature, ak_public } = vector;
    assert.equal(toHex(encodeTpm(TPMS_ATTEST, decodeTpm(TPMS_ATTEST, fromHex(attested)))), attested);
    assert.equal(toHex(encodeTpm(TPMT_SIGNATURE, decodeTpm(TPMT_SIGNATURE, fromHex(signature)))), signature);
    assert.equal(toHex(encodeTpm(TPMT_PUBLIC, decodeTpm(TPMT_PUBLIC, fromHex(ak_public)))), ak_public);
  });
}

for (const vector of REFUSALS) {
  Deno.test(`verifyQuote() refuses what a TPM signed: ${vector.title}`, () => {
    assert.throws(() => verifyQuote(claimOf(vector)), { name: "PosternError", code: vector.code });
  });
}

for (const vector of CERTIFICATIONS) {
  Deno.test(`verifyCertify() accepts a TPM's certification of that key only: ${vector.title}`, () => {
    const claim = certifyClaimOf(vector);
    verifyCertify(claim);
    const other = claim.name.slice();
    other[33] ^= 1;
    assert.throws(() => verifyCertify({ ...claim, name: other }), { code: "certify_name_wrong" });
    assert.throws(() => verifyCertify({ ...claim, name: new Uint8Array() }), { code: "certify_name_wrong" });
    const [quote] = QUOTES;
    assert.throws(
      () => verifyCertify({ ...claim, ...claimOf(quote), certification: fromHex(quote.attested) }),
      {
        code: "certify_expected",
      },
    );
  });
}

Deno.test("verifyQuote() accepts no TPM's quote under another key or for other PCRs of the same TPM", () => {
  const [first] = QUOTES;
  for (const vector of QUOTES.slice(1)) {
    const { akPublic } = claimOf(vector);
    if (toHex(akPublic) === first.ak_public) continue;
    assert.throws(() => verifyQuote({ ...claimOf(first), akPublic }), PosternError, vector.title);
    const { selection, pcrs } = claimOf(vector);
    assert.throws(() => verifyQuote({ ...claimOf(first), selection, pcrs }), PosternError, vector.title);
  }
});

Deno.test("verifyQuote() tells restart, reset and power cut of a TPM apart", () => {
  const before = factsOf("PCR 23 extended");
  const restarted = factsOf("restarted");
  const reset = factsOf("TPM reset");
  const crashed = factsOf("power cut");
  assert.equal(restarted.resetCount, before.resetCount);
  assert.equal(restarted.restartCount, before.restartCount + 1);
  assert.equal(reset.resetCount, restarted.resetCount + 1);
  assert.equal(reset.restartCount, 0);
  assert.equal(crashed.resetCount, reset.resetCount + 1);
  assert.ok(before.safe && restarted.safe && reset.safe);
  assert.equal(crashed.safe, false);
});
