/** What evidence and enrollment of a TPM cost whoever judges them. Quotes and certificates are a software TPM's, captured. */
import {
  EkChainMemory,
  ekTrustOf,
  makeCredential,
  noRevocations,
  readCertificate,
  verifyEk,
} from "../src/attestation/ek/mod.ts";
import {
  checkAkPublic,
  decodeTpm,
  readTpmEvidence,
  TPMS_ATTEST,
  TPMT_PUBLIC,
  TPMT_SIGNATURE,
  verifyQuote,
  writeTpmEvidence,
} from "../src/attestation/tpm/mod.ts";
import { fromHex } from "../src/bytes/mod.ts";
import { systemRandom } from "../src/driver/mod.ts";
import { authority, ekCertificate, testNowMs } from "../tests/support/hostile_authority.ts";
import { claimOf, ENDORSEMENT, QUOTES } from "../tests/support/tpm_vectors.ts";

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

const authorities = [ENDORSEMENT.root, ENDORSEMENT.intermediate].map((hex) => readCertificate(fromHex(hex)));
const trust = ekTrustOf(authorities, noRevocations);

for (const template of ["rsa2048", "p384"] as const) {
  const certificates = [fromHex(ENDORSEMENT[template])];
  const nowMs = ENDORSEMENT.captured_at_ms;
  const isFirst = template === "rsa2048";
  Deno.bench(
    `verify an EK of ${template}, RSA-3072 authorities`,
    { group: "EK", baseline: isFirst, n: 500 },
    () => {
      verifyEk({ certificates, template }, trust, nowMs);
    },
  );
  const { ekPublic } = verifyEk({ certificates, template }, trust, nowMs);
  const { name } = checkAkPublic(fromHex(QUOTES[0].ak_public));
  const secret = systemRandom(32);
  const memory = new EkChainMemory();
  Deno.bench(`verify an EK of ${template} again, for its next quote`, { group: "EK", n: 5_000 }, () => {
    memory.check(certificates, trust, nowMs);
  });
  Deno.bench(`make a credential for ${template}`, { group: "credential", baseline: isFirst, n: 500 }, () => {
    makeCredential(ekPublic, name, secret, systemRandom);
  });
}

const root = authority();
const chain = [authority(root)];
while (chain.length < 5) chain.unshift(authority(chain[0]));
const deep = [ekCertificate(chain[0]), ...chain].map((one) => one.der);
const deepTrust = ekTrustOf([readCertificate(root.der)], noRevocations);

Deno.bench("verify an EK below six P-256 authorities", { group: "EK", n: 500 }, () => {
  verifyEk({ certificates: deep, template: "p256" }, deepTrust, testNowMs);
});

const leaf = fromHex(ENDORSEMENT.p384);
Deno.bench("read an EK certificate", { group: "read", n: 2_000 }, () => {
  readCertificate(leaf);
});
