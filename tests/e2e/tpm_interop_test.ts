/** Our verifier and our client beside tpm2-tools, on a real software TPM. */
import assert from "node:assert/strict";
import {
  decodeTpm,
  encodeTpm,
  TPM2B_PUBLIC,
  tpmName,
  TpmReader,
  TPMT_PUBLIC,
  TpmWriter,
  verifyQuote,
} from "../../src/attestation/tpm/mod.ts";
import { openTpm, type Tpm } from "../../agent/tpm/mod.ts";
import {
  type Credential,
  EK_TEMPLATES,
  type EkTrust,
  ekTrustOf,
  makeCredential,
  noRevocations,
  readCertificateFile,
  verifyEk,
} from "../../src/attestation/ek/mod.ts";
import { concat } from "../../src/bytes/mod.ts";
import { parseTpmAddress } from "../../src/config/mod.ts";
import { systemClock, systemRandom } from "../../src/driver/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import { type EkKind, Swtpm } from "../support/swtpm.ts";

const AK_ATTRIBUTES = "restricted|sign|fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda";
const nonce = new Uint8Array(32).map((_, at) => at + 1);
const pcrs = [0, 1, 7, 23];

/** What tpm2_createek calls the templates. */
const TOOL_EK: Readonly<Record<EkKind, string>> = { rsa2048: "rsa", p256: "ecc", p384: "ecc384" };
/** Files of tpm2_makecredential begin with this number and their version. */
const CREDENTIAL_HEADER = Uint8Array.fromHex("badcc0de" + "00000001");

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

Deno.test("tpm2_checkquote accepts a quote by the agent's attestation key", async () => {
  await using tpm = await Swtpm.start();
  await tpm.extend(7);
  const client = await open(tpm, "p384");
  const { quote, signature, values } = await client.quote({
    qualifyingData: nonce,
    pcrs: { bank: "sha256", pcrs },
  });
  verifyQuote({
    quote,
    signature,
    akPublic: client.akPublicBytes,
    qualifyingData: nonce,
    selection: { bank: "sha256", pcrs },
    pcrs: {
      bank: "sha256",
      values: Object.fromEntries([...values].map(([pcr, value]) => [pcr, value.toHex()])),
    },
  });
  await Deno.writeFile(tpm.file("our.pub"), encodeTpm(TPM2B_PUBLIC, client.akPublic));
  await Deno.writeFile(tpm.file("our.quote"), quote);
  await Deno.writeFile(tpm.file("our.signature"), signature);
  await Deno.writeFile(tpm.file("our.pcrs"), concat(...values.values()));
  const check = (qualification: string) =>
    tpm.tool(
      ...["checkquote", "-u", "our.pub", "-m", "our.quote", "-s", "our.signature"] as const,
      ...["-f", "our.pcrs", "-l", `sha256:${pcrs.join(",")}`, "-g", "sha256", "-q", qualification],
    );
  await check(nonce.toHex());
  await assert.rejects(check("00".repeat(32)));
});

for (const kind of ["rsa2048", "p256", "p384"] as const) {
  Deno.test(`a credential of tpm2_makecredential for an EK of ${kind} is opened by the agent`, async () => {
    await using tpm = await Swtpm.start({ eks: [kind] });
    const client = await open(tpm, kind);
    const secret = systemRandom(32);
    await Deno.writeFile(tpm.file("secret"), secret);
    await Deno.writeFile(tpm.file("ek.pub"), encodeTpm(TPM2B_PUBLIC, client.ek.area));
    await tpm.tool(
      ...["makecredential", "-Q", "-e", "ek.pub", "-s", "secret"] as const,
      ...["-n", client.akName.toHex(), "-o", "credential"],
    );
    await tpm.tool("flushcontext", "-t");
    const { credentialBlob, encryptedSecret } = readCredential(await Deno.readFile(tpm.file("credential")));
    assert.deepEqual(await client.activate(credentialBlob, encryptedSecret), secret);
  });

  Deno.test(`a credential of ours for an EK of ${kind} is opened by tpm2_activatecredential`, async () => {
    await using tpm = await Swtpm.start({ eks: [kind] });
    const { ekPublic } = verifyEk(
      { certificates: [tpm.certificates[kind]!], template: kind },
      await trustIn(tpm.rootsDirectory),
      Date.now(),
    );
    const { name } = await primaryAk(tpm, "ecc256:ecdsa-sha256:null");
    const secret = systemRandom(32);
    const made = makeCredential(ekPublic, name, secret, systemRandom);
    await Deno.writeFile(tpm.file("credential"), writeCredential(made));
    await tpm.tool("createek", "-Q", "-G", TOOL_EK[kind], "-c", "ek.ctx");
    await tpm.tool("flushcontext", "-t");
    const activate = [
      "activatecredential",
      "-Q",
      "-c",
      "ak.ctx",
      "-C",
      "ek.ctx",
      "-i",
      "credential",
      "-o",
      "opened",
    ];
    if (EK_TEMPLATES[kind].needsPolicy) {
      await tpm.tool("startauthsession", "-Q", "--policy-session", "-S", "session");
      await tpm.tool("policysecret", "-Q", "-S", "session", "-c", "e");
      activate.push("-P", "session:session");
    }
    const [command, ...args] = activate;
    await tpm.tool(command, ...args);
    assert.deepEqual(await Deno.readFile(tpm.file("opened")), secret);
  });
}

function open(tpm: Swtpm, ek: EkKind): Promise<Tpm> {
  return openTpm(parseTpmAddress(tpm.address)!, { clock: systemClock, random: systemRandom, ek });
}

async function trustIn(directory: string): Promise<EkTrust> {
  const files = [...Deno.readDirSync(directory)].map(({ name }) => `${directory}/${name}`);
  const read = await Promise.all(
    files.map(async (path) => readCertificateFile(await Deno.readFile(path), path)),
  );
  return ekTrustOf(read.flat(), noRevocations);
}

/** Both structures with their sizes, one after the other. */
function writeCredential({ credentialBlob, encryptedSecret }: Credential): Uint8Array {
  return new TpmWriter().put(CREDENTIAL_HEADER).sized(credentialBlob, 512).sized(encryptedSecret, 512)
    .bytes();
}

function readCredential(file: Uint8Array): Credential {
  const reader = new TpmReader(file, "credential");
  assert.deepEqual(reader.take(CREDENTIAL_HEADER.length), CREDENTIAL_HEADER);
  const credential = { credentialBlob: reader.sized(512), encryptedSecret: reader.sized(512) };
  reader.end();
  return credential;
}

function coded(code: string): (error: unknown) => boolean {
  return (error) => error instanceof PosternError && error.code === code;
}
