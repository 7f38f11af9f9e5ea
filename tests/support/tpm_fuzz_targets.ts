/** Everything that reads a TPM's bytes or an agent's evidence. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  checkAkPublic,
  type QuoteClaim,
  readTpmEvidence,
  tpmHash,
  verifyCertify,
  verifyQuote,
  writeTpmEvidence,
} from "../../src/attestation/tpm/mod.ts";
import { concat, fromHex, toHex, utf8, utf8Decode } from "../../src/bytes/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import type { FuzzTarget } from "./fuzz.ts";
import { TPM_CASES } from "./tpm_arbitraries.ts";
import { CERTIFICATIONS, certifyClaimOf, claimOf, QUOTES, REFUSALS } from "./tpm_vectors.ts";

const claims = QUOTES.map(claimOf);
/** restricted, sign, fixedTPM, fixedParent, sensitiveDataOrigin; of these bits decrypt is not set. */
const akBits = 0x0007_0032;
const akBitsSet = 0x0005_0032;

const CODEC: readonly FuzzTarget[] = TPM_CASES.map(({ name, bytes, recode }) => ({
  name,
  seeds: fc.sample(bytes, { numRuns: 50, seed: 1 }),
  weight: 4,
  read: (message) => assert.equal(toHex(recode(message)), toHex(message)),
}));

const AK_PUBLIC: FuzzTarget = {
  name: "checkAkPublic()",
  seeds: [...QUOTES, ...REFUSALS].map((vector) => fromHex(vector.ak_public)),
  weight: 2,
  read(message) {
    const { name, publicArea } = checkAkPublic(message);
    assert.equal(new DataView(message.buffer).getUint32(4) & akBits, akBitsSet);
    assert.equal(toHex(name.subarray(2)), toHex(tpmHash(publicArea.nameAlg, message)));
  },
};

const EVIDENCE: FuzzTarget = {
  name: "readTpmEvidence()",
  seeds: QUOTES.map((vector) => {
    const { quote, signature } = claimOf(vector);
    const pcrs = { bank: "sha256", values: vector.pcrs.values } as const;
    const agentId = `agent-${"a2".repeat(13)}`;
    const evidence = { agentId, quote: new Uint8Array(quote), signature: new Uint8Array(signature), pcrs };
    return utf8(JSON.stringify(writeTpmEvidence(evidence)));
  }),
  weight: 2,
  read(message) {
    let json: unknown;
    try {
      json = JSON.parse(utf8Decode(message));
    } catch {
      // The parser of requests refuses what is no JSON; nothing of ours is reached.
      throw new PosternError("body_malformed");
    }
    assert.deepEqual(writeTpmEvidence(readTpmEvidence(json)), json);
  },
};

/** Quotes that hold, with one part broken: none may hold still. */
const VERIFIED: readonly FuzzTarget[] = (["quote", "signature", "akPublic"] as const).map((field) => ({
  name: `verifyQuote() ${field}`,
  seeds: claims.map((claim) => new Uint8Array(claim[field])),
  read(message, seed) {
    const claim = claims.find((one) => toHex(one[field]) === toHex(seed))!;
    verifyQuote({ ...claim, [field]: message });
    assert.equal(toHex(message), toHex(seed), "a broken quote holds");
  },
}));

const CERTIFIED: FuzzTarget = {
  name: "verifyCertify()",
  seeds: CERTIFICATIONS.map((vector) => fromHex(vector.attested)),
  read(message, seed) {
    verifyCertify({ ...certifyClaimOf(CERTIFICATIONS[0]), certification: message });
    assert.equal(toHex(message), toHex(seed), "a broken certification holds");
  },
};

/** All values of a quote's PCRs, one after the other: they may neither change nor be cut in another way. */
const PCR_VALUES: FuzzTarget = {
  name: "verifyQuote() pcrs",
  seeds: claims.map((claim) => joined(claim)),
  read(message, seed) {
    const claim = claims.find((one) => toHex(joined(one)) === toHex(seed))!;
    const text = toHex(message);
    const keys = Object.keys(claim.pcrs.values);
    const width = Math.ceil(text.length / keys.length);
    const values = Object.fromEntries(keys.map((key, at) => [key, text.slice(at * width, (at + 1) * width)]));
    verifyQuote({ ...claim, pcrs: { ...claim.pcrs, values } });
    assert.equal(text, toHex(seed), "broken PCR values hold");
  },
};

function joined({ pcrs }: QuoteClaim): Uint8Array<ArrayBuffer> {
  return concat(...Object.values(pcrs.values).map(fromHex));
}

export const TPM_FUZZ_TARGETS: readonly FuzzTarget[] = [
  ...CODEC,
  AK_PUBLIC,
  EVIDENCE,
  ...VERIFIED,
  CERTIFIED,
  PCR_VALUES,
];
