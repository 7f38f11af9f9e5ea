import assert from "node:assert/strict";
import fc from "fast-check";
import { concat, fromHex, toHex } from "../../../src/bytes/mod.ts";
import { type ErrorCode, PosternError } from "../../../src/errors/mod.ts";
import {
  decodeTpm,
  encodeTpm,
  type QuoteClaim,
  tpmHash,
  tpmName,
  type TpmQuoteAttest,
  TPMS_ATTEST,
  type TpmSignature,
  TPMT_PUBLIC,
  TPMT_SIGNATURE,
  verifyCertify,
  verifyQuote,
} from "../../../src/attestation/tpm/mod.ts";
import { mutate, seeded } from "../../support/mutation.ts";
import { NONCE, RogueTpm } from "../../support/rogue_tpm.ts";

const tpm = new RogueTpm();
const rsassa = new RogueTpm({ algorithm: "rsassa" });
const rsapss = new RogueTpm({ algorithm: "rsapss" });
const good = tpm.quote();

function refuses(claim: QuoteClaim, code: ErrorCode): void {
  assert.throws(() => verifyQuote(claim), (error) => {
    assert.ok(error instanceof PosternError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, /^Cannot /);
    return true;
  });
}

/** The good quote with other bytes of its structure, signed. */
const signedAs = (hexOf: (hex: string) => string): QuoteClaim => ({
  ...good,
  ...tpm.signedBytes(fromHex(hexOf(toHex(good.quote)))),
});

/** The good quote with another signature. */
function signedBy(change: (signature: TpmSignature & { algorithm: "ecdsa" }) => TpmSignature): QuoteClaim {
  const signature = decodeTpm(TPMT_SIGNATURE, good.signature);
  assert.ok(signature.algorithm === "ecdsa");
  return { ...good, signature: encodeTpm(TPMT_SIGNATURE, change(signature)) };
}

const flipped = (bytes: Uint8Array, at: number) => {
  const copy = bytes.slice();
  copy.set([bytes.at(at)! ^ 1], at < 0 ? bytes.length + at : at);
  return copy;
};

Deno.test("verifyQuote() gives the facts of a quote that holds", () => {
  assert.deepEqual(verifyQuote(good), {
    resetCount: 7,
    restartCount: 2,
    clockMs: 123_456,
    safe: true,
    firmwareVersion: "0019102300163636",
    pcrDigest: (decodeTpm(TPMS_ATTEST, good.quote) as TpmQuoteAttest).pcrDigest,
  });
});

Deno.test("verifyQuote() accepts every scheme, salt and curve, and the digest is of the scheme's hash", () => {
  for (const hash of ["sha256", "sha384", "sha512"] as const) {
    for (const curve of ["p256", "p384"] as const) verifyQuote(new RogueTpm({ hash, curve }).quote());
  }
  for (const hash of ["sha384", "sha512"] as const) {
    verifyQuote(new RogueTpm({ algorithm: "rsassa", hash }).quote());
  }
  verifyQuote(rsassa.quote());
  verifyQuote(rsapss.quote());
  verifyQuote(new RogueTpm({ algorithm: "rsapss", saltBytes: 222 }).quote());
});

Deno.test("verifyQuote() refuses a signature that was altered, or is another key's", () => {
  for (const attestor of [tpm, rsassa, rsapss]) {
    const claim = attestor.quote();
    refuses({ ...claim, signature: flipped(claim.signature, -1) }, "tpm_signature_invalid");
    refuses({ ...claim, quote: flipped(claim.quote, -1) }, "tpm_signature_invalid");
    refuses({ ...claim, quote: flipped(claim.quote, 0) }, "tpm_signature_invalid");
  }
  refuses({ ...good, akPublic: new RogueTpm().akPublic }, "tpm_signature_invalid");
  refuses({ ...good, akPublic: new RogueTpm({ curve: "p384" }).akPublic }, "tpm_signature_invalid");
  refuses(
    { ...rsassa.quote(), akPublic: new RogueTpm({ algorithm: "rsassa" }).akPublic },
    "tpm_signature_invalid",
  );
});

Deno.test("verifyQuote() refuses r or s that is zero, too large or too long", () => {
  const zero = new Uint8Array(32);
  const order = fromHex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
  for (const nothing of [zero, new Uint8Array(), new Uint8Array(48)]) {
    refuses(signedBy((signature) => ({ ...signature, r: nothing })), "tpm_signature_degenerate");
    refuses(signedBy((signature) => ({ ...signature, s: nothing })), "tpm_signature_degenerate");
    refuses(signedBy((signature) => ({ ...signature, r: nothing, s: nothing })), "tpm_signature_degenerate");
  }
  for (const large of [order, new Uint8Array(32).fill(0xff), new Uint8Array(48).fill(1)]) {
    refuses(signedBy((signature) => ({ ...signature, r: large })), "tpm_signature_invalid");
    refuses(signedBy((signature) => ({ ...signature, s: large })), "tpm_signature_invalid");
  }
});

Deno.test("verifyQuote() takes r and s without their leading zeros", () => {
  for (let tries = 0;; tries++) {
    const claim = tpm.quote({ firmwareVersion: BigInt(tries) });
    const signature = decodeTpm(TPMT_SIGNATURE, claim.signature);
    assert.ok(signature.algorithm === "ecdsa");
    if (signature.r[0] !== 0 && signature.s[0] !== 0) continue;
    const stripped = (bytes: Uint8Array) => bytes.slice(bytes.findIndex((byte) => byte !== 0));
    const short = { ...signature, r: stripped(signature.r), s: stripped(signature.s) };
    verifyQuote({ ...claim, signature: encodeTpm(TPMT_SIGNATURE, short) });
    break;
  }
});

Deno.test("verifyQuote() refuses a signature of another scheme or hash than its key's", () => {
  const { r, s } = decodeTpm(TPMT_SIGNATURE, good.signature) as TpmSignature & { algorithm: "ecdsa" };
  for (const algorithm of ["rsassa", "rsapss"] as const) {
    const signature = encodeTpm(TPMT_SIGNATURE, { algorithm, hash: "sha256", signature: concat(r, s) });
    refuses({ ...good, signature }, "tpm_signature_scheme_wrong");
  }
  refuses(signedBy((signature) => ({ ...signature, hash: "sha384" })), "tpm_signature_scheme_wrong");
  const pss = rsapss.quote();
  const asPkcs1 = pss.signature.slice();
  asPkcs1[1] = 0x14;
  refuses({ ...pss, signature: asPkcs1 }, "tpm_signature_scheme_wrong");
  refuses({ ...good, signature: pss.signature }, "tpm_signature_scheme_wrong");
  // The key's record says RSAPSS, the signature is RSASSA under the same modulus.
  assert.ok(rsassa.publicArea.type === "rsa");
  const asPss = { ...rsassa.publicArea, scheme: { algorithm: "rsapss", hash: "sha256" } } as const;
  const relabelled = rsassa.quote();
  const signature = relabelled.signature.slice();
  signature[1] = 0x16;
  refuses({ ...relabelled, signature, akPublic: encodeTpm(TPMT_PUBLIC, asPss) }, "tpm_signature_invalid");
});

Deno.test("verifyQuote() refuses an RSA signature that is not as long as its modulus", () => {
  const claim = rsassa.quote();
  const signature = decodeTpm(TPMT_SIGNATURE, claim.signature);
  assert.ok(signature.algorithm === "rsassa");
  for (
    const bytes of [concat(Uint8Array.of(0), signature.signature), new Uint8Array(), new Uint8Array(256)]
  ) {
    const changed = encodeTpm(TPMT_SIGNATURE, { ...signature, signature: bytes });
    refuses({ ...claim, signature: changed }, "tpm_signature_invalid");
  }
});

Deno.test("verifyQuote() refuses SHA-1 in signature and key", () => {
  const downgraded = good.signature.slice();
  downgraded[3] = 4;
  refuses({ ...good, signature: downgraded }, "tpm_hash_weak");
  const akPublic = good.akPublic.slice();
  akPublic[3] = 4;
  refuses({ ...good, akPublic }, "tpm_hash_weak");
});

Deno.test("verifyQuote() checks the key each time", () => {
  const { publicArea } = tpm;
  const akPublic = encodeTpm(TPMT_PUBLIC, { ...publicArea, attributes: publicArea.attributes ^ 1 << 16 });
  refuses({ ...good, akPublic }, "ak_not_restricted");
});

Deno.test("verifyQuote() refuses bytes behind quote, signature or key, and each of them cut short", () => {
  const more = (bytes: Uint8Array) => concat(bytes, Uint8Array.of(0));
  refuses({ ...good, signature: more(good.signature) }, "tpm_structure_trailing");
  refuses({ ...good, signature: good.signature.slice(0, -1) }, "tpm_structure_truncated");
  refuses({ ...good, signature: new Uint8Array() }, "tpm_structure_truncated");
  refuses({ ...good, akPublic: more(good.akPublic) }, "tpm_structure_trailing");
  refuses({ ...good, akPublic: good.akPublic.slice(0, -1) }, "tpm_structure_truncated");
  // Unsigned bytes do not even reach the structure.
  refuses({ ...good, quote: more(good.quote) }, "tpm_signature_invalid");
  refuses({ ...good, quote: good.quote.slice(0, -1) }, "tpm_signature_invalid");
  refuses(signedAs((hex) => `${hex}00`), "tpm_structure_trailing");
  refuses(signedAs((hex) => hex.slice(0, -2)), "tpm_structure_truncated");
  refuses(signedAs(() => ""), "tpm_structure_truncated");
});

Deno.test("verifyQuote() refuses what no TPM generated, other attestations, and certifications", () => {
  refuses(signedAs((hex) => hex.replace("ff544347", "ff544348")), "tpm_magic_wrong");
  refuses(signedAs((hex) => hex.replace("ff5443478018", "ff5443478014")), "tpm_attest_unsupported");
  const certification = tpm.certification(tpmName(tpm.publicArea));
  refuses({ ...good, ...tpm.signed(certification) }, "quote_expected");
  assert.throws(() => verifyCertify({ ...good, certification: good.quote, name: tpmName(tpm.publicArea) }), {
    code: "certify_expected",
  });
});

Deno.test("verifyQuote() refuses another nonce, a longer or shorter one, and none", () => {
  refuses({ ...good, qualifyingData: flipped(NONCE, 31) }, "attest_nonce_wrong");
  refuses({ ...good, qualifyingData: NONCE.slice(1) }, "attest_nonce_wrong");
  refuses({ ...good, qualifyingData: concat(NONCE, Uint8Array.of(0)) }, "attest_nonce_wrong");
  refuses(tpm.quote({ extraData: new Uint8Array(32) }), "attest_nonce_wrong");
  refuses(tpm.quote({ extraData: new Uint8Array() }), "attest_nonce_empty");
});

Deno.test("verifyQuote() never takes an empty question of its own side for one that was answered", () => {
  const unbound = tpm.quote({ extraData: new Uint8Array() });
  assert.throws(() => verifyQuote({ ...unbound, qualifyingData: new Uint8Array() }), RangeError);
  assert.throws(() => verifyQuote({ ...good, selection: { bank: "sha256", pcrs: [] } }), RangeError);
});

Deno.test("verifyQuote() refuses a signer in another hierarchy unless it was asked for", () => {
  const owner = fromHex("40000001");
  const digest = tpmHash("sha256", owner, tpmName(tpm.publicArea));
  const inOwner = tpm.quote({ qualifiedSigner: concat(fromHex("000b"), digest) });
  refuses(inOwner, "attest_signer_wrong");
  verifyQuote({ ...inOwner, akParent: owner });
  refuses({ ...good, akParent: owner }, "attest_signer_wrong");
  refuses(tpm.quote({ qualifiedSigner: new Uint8Array() }), "attest_signer_wrong");
});

Deno.test("verifyQuote() refuses no bank, an inactive one, another one, and two", () => {
  const one = { bank: "sha256", pcrs: [0, 1, 7] } as const;
  refuses(tpm.quote({ pcrSelect: [] }), "quote_selection_empty");
  refuses(tpm.quote({ pcrSelect: [one, one] }), "quote_selection_ambiguous");
  refuses(tpm.quote({ pcrSelect: [one, { bank: "sha1", pcrs: [] }] }), "quote_selection_ambiguous");
  refuses(tpm.quote({ pcrSelect: [{ ...one, bank: "sha1" }] }), "quote_bank_wrong");
  refuses(tpm.quote({ pcrSelect: [{ ...one, bank: "sha3_256" }] }), "quote_bank_wrong");
  refuses({ ...good, selection: { ...one, pcrs: [0, 1, 7], bank: "sha384" } }, "quote_bank_wrong");
  const nothing = tpmHash("sha256");
  refuses(
    tpm.quote({ pcrSelect: [{ bank: "sha256", pcrs: [] }], pcrDigest: nothing }),
    "quote_bank_inactive",
  );
});

Deno.test("verifyQuote() refuses fewer PCRs than were asked for, and more", () => {
  const of = (...pcrs: number[]) => ({ pcrSelect: [{ bank: "sha256", pcrs }] }) as const;
  refuses(tpm.quote(of(0, 1)), "quote_pcrs_missing");
  refuses(tpm.quote(of(23)), "quote_pcrs_missing");
  refuses(tpm.quote(of(0, 1, 8)), "quote_pcrs_missing");
  refuses(tpm.quote(of(0, 1, 7, 8)), "quote_pcrs_unasked");
});

Deno.test("verifyQuote() refuses PCR values that are changed, swapped, missing, extra or of another bank", () => {
  const { bank, values } = good.pcrs;
  const [a, b, c] = [values["0"], values["1"], values["7"]];
  const claims = (changed: Record<string, string>) => ({ ...good, pcrs: { bank, values: changed } });
  refuses(claims({ "0": "ff".repeat(32), "1": b, "7": c }), "pcr_digest_wrong");
  refuses(claims({ "0": b, "1": a, "7": c }), "pcr_digest_wrong");
  refuses(claims({ "0": a, "1": b }), "pcr_value_missing");
  refuses(claims({}), "pcr_value_missing");
  refuses(claims({ "0": a, "1": b, "7": c, "8": c }), "pcr_value_unasked");
  refuses(claims({ "0": a, "1": b, "07": c }), "pcr_value_unasked");
  refuses({ ...good, pcrs: { bank: "sha384", values } }, "pcr_bank_wrong");
  refuses(tpm.quote({ pcrDigest: new Uint8Array(32) }), "pcr_digest_wrong");
  refuses(tpm.quote({ pcrDigest: new Uint8Array() }), "pcr_digest_wrong");
});

Deno.test("verifyQuote() refuses values that are cut in another place, though they hash the same", () => {
  const { bank, values } = good.pcrs;
  const all = values["0"] + values["1"] + values["7"];
  const split = (...at: number[]) => ({
    "0": all.slice(0, at[0]),
    "1": all.slice(at[0], at[1]),
    "7": all.slice(at[1]),
  });
  verifyQuote({ ...good, pcrs: { bank, values: split(64, 128) } });
  for (const at of [[62, 128], [64, 130], [0, 64], [66, 128]]) {
    refuses({ ...good, pcrs: { bank, values: split(...at) } }, "pcr_value_malformed");
  }
  refuses(
    { ...good, pcrs: { bank, values: { ...values, "7": values["7"].toUpperCase() } } },
    "pcr_value_malformed",
  );
  refuses({ ...good, pcrs: { bank, values: { ...values, "7": "zz".repeat(32) } } }, "pcr_value_malformed");
});

Deno.test("verifyQuote() hashes the values with the hash of the key's scheme, not with that of the bank", () => {
  const sha384 = new RogueTpm({ hash: "sha384" });
  const claim = sha384.quote();
  assert.equal(verifyQuote(claim).pcrDigest.length, 48);
  const values = Object.values(claim.pcrs.values).map((value) => fromHex(value));
  refuses(sha384.quote({ pcrDigest: tpmHash("sha256", ...values) }), "pcr_digest_wrong");
});

Deno.test("verifyQuote() accepts no alteration of quote, signature or key", () => {
  fc.assert(
    fc.property(fc.constantFrom("quote", "signature", "akPublic"), fc.nat(), (field, seed) => {
      const whole = good[field as "quote" | "signature" | "akPublic"];
      const altered = mutate(new Uint8Array(whole), seeded(seed));
      if (toHex(altered) === toHex(whole)) return;
      assert.throws(() => verifyQuote({ ...good, [field]: altered }), PosternError);
    }),
    { numRuns: 2000 },
  );
});

Deno.test("verifyCertify() accepts the key that was asked about and refuses another name", () => {
  const name = tpmName(new RogueTpm().publicArea);
  const { quote: certification, ...rest } = tpm.signed(tpm.certification(name));
  assert.equal(verifyCertify({ ...rest, certification, name }).resetCount, 7);
  assert.throws(() => verifyCertify({ ...rest, certification, name: tpmName(tpm.publicArea) }), {
    code: "certify_name_wrong",
  });
  assert.throws(() => verifyCertify({ ...rest, certification, name, qualifyingData: NONCE.slice(1) }), {
    code: "attest_nonce_wrong",
  });
  assert.throws(() => verifyCertify({ ...rest, certification: flipped(certification, -1), name }), {
    code: "tpm_signature_invalid",
  });
});
