/** What evidence of a TPM costs whoever judges it. The quotes are a software TPM's, captured. */
import {
  decodeTpm,
  readTpmEvidence,
  TPMS_ATTEST,
  TPMT_PUBLIC,
  TPMT_SIGNATURE,
  verifyQuote,
  writeTpmEvidence,
} from "../src/attestation/tpm/mod.ts";
import { claimOf, QUOTES } from "../tests/support/tpm_vectors.ts";

for (const [index, vector] of QUOTES.slice(0, 7).entries()) {
  const claim = claimOf(vector);
  Deno.bench(`verify a quote: ${vector.title}`, { group: "verify", baseline: index === 0, n: 500 }, () => {
    verifyQuote(claim);
  });
}

const claim = claimOf(QUOTES[0]);
const evidence = JSON.stringify(writeTpmEvidence({
  agentId: `agent-${"a2".repeat(13)}`,
  quote: new Uint8Array(claim.quote),
  signature: new Uint8Array(claim.signature),
  pcrs: { bank: "sha256", values: claim.pcrs.values },
}));

Deno.bench("read evidence of eight PCRs, JSON", { group: "read", n: 2_000 }, () => {
  readTpmEvidence(JSON.parse(evidence));
});

Deno.bench("read TPMS_ATTEST, TPMT_SIGNATURE and TPMT_PUBLIC", { group: "read", n: 20_000 }, () => {
  decodeTpm(TPMS_ATTEST, claim.quote);
  decodeTpm(TPMT_SIGNATURE, claim.signature);
  decodeTpm(TPMT_PUBLIC, claim.akPublic);
});
