/** Our verifier and our client beside tpm2-tools, on a real software TPM. */
import assert from "node:assert/strict";
import {
  decodeTpm,
  encodeTpm,
  TPM2B_PUBLIC,
  tpmName,
  TPMT_PUBLIC,
  verifyQuote,
} from "../../src/attestation/tpm/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import { Swtpm } from "../support/swtpm.ts";

const AK_ATTRIBUTES = "restricted|sign|fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda";
const nonce = new Uint8Array(32).map((_, at) => at + 1);
const pcrs = [0, 1, 7, 23];

/** A key that tpm2-tools made: `ak.ctx` in the TPM's folder. */
interface ToolKey {
  /** TPMT_PUBLIC. */
  readonly akPublic: Uint8Array;
  /** As the tools tell it. */
  readonly name: Uint8Array;
}

async function primaryAk(tpm: Swtpm, scheme: string): Promise<ToolKey> {
  await tpm.tool("createprimary", "-Q", "-C", "e", "-G", scheme, "-a", AK_ATTRIBUTES, "-c", "ak.ctx");
  return await readAk(tpm);
}

async function readAk(tpm: Swtpm): Promise<ToolKey> {
  await tpm.tool("flushcontext", "-t");
  await tpm.tool("readpublic", "-Q", "-c", "ak.ctx", "-f", "tss", "-o", "ak.pub", "-n", "ak.name");
  await tpm.tool("flushcontext", "-t");
  const area = decodeTpm(TPM2B_PUBLIC, await Deno.readFile(tpm.file("ak.pub")));
  return { akPublic: encodeTpm(TPMT_PUBLIC, area), name: await Deno.readFile(tpm.file("ak.name")) };
}

async function toolQuote(tpm: Swtpm, signing: readonly string[] = []) {
  const selection = `sha256:${pcrs.join(",")}`;
  await tpm.tool(
    ...["quote", "-Q", "-c", "ak.ctx", "-l", selection, "-q", nonce.toHex()] as const,
    ...["-m", "quote", "-s", "signature", "-f", "tss", ...signing],
  );
  await tpm.tool("flushcontext", "-t");
  const values: Record<string, string> = {};
  for (const pcr of pcrs) values[pcr] = await tpm.pcr(pcr);
  return {
    quote: await Deno.readFile(tpm.file("quote")),
    signature: await Deno.readFile(tpm.file("signature")),
    qualifyingData: nonce,
    selection: { bank: "sha256", pcrs },
    pcrs: { bank: "sha256", values },
  } as const;
}

for (
  const { key, signing } of [
    { key: "ecc256:ecdsa-sha256:null", signing: [] },
    { key: "ecc384:ecdsa-sha384:null", signing: ["-g", "sha384"] },
    { key: "rsa2048:rsassa-sha256:null", signing: [] },
    { key: "rsa2048:rsapss-sha256:null", signing: ["--scheme", "rsapss"] },
  ]
) {
  Deno.test(`verifyQuote() accepts what tpm2_quote makes with a primary key of ${key}`, async () => {
    await using tpm = await Swtpm.start();
    const { akPublic, name } = await primaryAk(tpm, key);
    assert.deepEqual(tpmName(decodeTpm(TPMT_PUBLIC, akPublic)), name);
    await tpm.extend(7);
    const claim = await toolQuote(tpm, signing);
    const before = verifyQuote({ ...claim, akPublic });
    await tpm.reset();
    // The same key again: contexts of the tools do not outlive a reset, primary keys are made anew.
    assert.deepEqual((await primaryAk(tpm, key)).akPublic, akPublic);
    const after = verifyQuote({ ...await toolQuote(tpm, signing), akPublic });
    assert.equal(after.resetCount, before.resetCount + 1);
    assert.equal(after.firmwareVersion, before.firmwareVersion);
    assert.ok(after.clockMs >= before.clockMs);
    const others = { bank: "sha256", values: { ...claim.pcrs.values, 7: "00".repeat(32) } };
    assert.throws(() => verifyQuote({ ...claim, akPublic, pcrs: others }), coded("pcr_digest_wrong"));
    const later = new Uint8Array(32);
    assert.throws(
      () => verifyQuote({ ...claim, akPublic, qualifyingData: later }),
      coded("attest_nonce_wrong"),
    );
  });
}

Deno.test("verifyQuote() accepts a quote by a key of tpm2_createak only where its endorsement key is known", async () => {
  await using tpm = await Swtpm.start();
  await tpm.tool(
    ...["createak", "-Q", "-C", "0x81010016", "-G", "ecc", "-g", "sha256", "-s", "ecdsa"] as const,
    ...["-c", "ak.ctx"],
  );
  const { akPublic } = await readAk(tpm);
  await tpm.tool("readpublic", "-Q", "-c", "0x81010016", "-q", "ek.qname");
  const claim = { ...await toolQuote(tpm), akPublic };
  const akParent = await Deno.readFile(tpm.file("ek.qname"));
  verifyQuote({ ...claim, akParent });
  assert.throws(() => verifyQuote(claim), coded("attest_signer_wrong"));
});

function coded(code: string): (error: unknown) => boolean {
  return (error) => error instanceof PosternError && error.code === code;
}
