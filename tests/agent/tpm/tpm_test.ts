import assert from "node:assert/strict";
import { openTpm, TpmProvider } from "../../../agent/tpm/mod.ts";
import { DEFAULT_PCRS, type TpmDeps } from "../../../agent/tpm/tpm.ts";
import { splitCertificates } from "../../../agent/tpm/endorsement.ts";
import { makeCredential, readCertificate } from "../../../src/attestation/ek/mod.ts";
import { ekPublicOf } from "../../../src/attestation/ek/template.ts";
import { agentIdOf } from "../../../src/attestation/mod.ts";
import { checkAkPublic, readTpmEvidence, verifyQuote } from "../../../src/attestation/tpm/mod.ts";
import { type EkKind, parseTpmAddress } from "../../../src/config/mod.ts";
import { systemClock, systemRandom } from "../../../src/driver/mod.ts";
import { codeOf } from "../../../src/errors/mod.ts";
import { Swtpm } from "../../support/swtpm.ts";

const open = (address: string, deps: Partial<TpmDeps> = {}) =>
  openTpm(parseTpmAddress(address)!, { clock: systemClock, random: systemRandom, ...deps });
const throwing = (code: string) => (error: unknown) => codeOf(error) === code;
const DATA = new Uint8Array(32).fill(9);

for (const ek of ["rsa2048", "p256", "p384"] as const satisfies readonly EkKind[]) {
  Deno.test(`openTpm() names the agent by the certified ${ek} key and opens credentials for it`, async () => {
    await using machine = await Swtpm.start({ name: ek, eks: [ek] });
    const tpm = await open(machine.address);
    assert.equal(tpm.ekTemplate, ek);
    assert.deepEqual(tpm.ek.certificates, [machine.certificates[ek]]);
    assert.equal(tpm.agentId, agentIdOf(tpm.ek.spki));
    assert.equal(tpm.ekSha256, tpm.ek.certificate.keySha256);
    checkAkPublic(tpm.akPublicBytes);

    // As control does it: from the certificate alone.
    const certified = ekPublicOf(ek, readCertificate(tpm.ek.certificates[0]).key);
    const secret = systemRandom(32);
    const credential = makeCredential(certified, tpm.akName, secret, systemRandom);
    const activate = (blob: Uint8Array, encrypted: Uint8Array) => tpm.activate(blob, encrypted);
    assert.deepEqual(await activate(credential.credentialBlob, credential.encryptedSecret), secret);

    const foreign = makeCredential(
      certified,
      Uint8Array.of(0, 11, ...systemRandom(32)),
      secret,
      systemRandom,
    );
    await assert.rejects(
      activate(foreign.credentialBlob, foreign.encryptedSecret),
      throwing("tpm_activation_failed"),
    );
    credential.credentialBlob[4] ^= 1;
    await assert.rejects(
      activate(credential.credentialBlob, credential.encryptedSecret),
      throwing("tpm_activation_failed"),
    );
    assert.equal((await tpm.state()).loadedObjects, 0);
  });
}

Deno.test("openTpm() prefers P-256, then P-384, then RSA, and takes the one that is asked for", async () => {
  await using machine = await Swtpm.start({ name: "all", eks: ["rsa2048", "p256", "p384"] });
  assert.equal((await open(machine.address)).ekTemplate, "p256");
  assert.equal((await open(machine.address, { ek: "p384" })).ekTemplate, "p384");
  const ids = new Set<string>();
  for (const ek of ["rsa2048", "p256", "p384"] as const) {
    ids.add((await open(machine.address, { ek })).agentId);
  }
  assert.equal(ids.size, 3);
});

Deno.test("openTpm() refuses a TPM without the certificate that is asked for, or with another key's", async () => {
  await using machine = await Swtpm.start({ name: "two", eks: ["rsa2048", "p384"] });
  await assert.rejects(open(machine.address, { ek: "p256" }), throwing("tpm_ek_certificate_missing"));
  const index = "0x01c0000a";
  await Deno.writeFile(machine.file("junk"), new Uint8Array(64).fill(0x30));
  await machine.tool("nvdefine", index, "-C", "o", "-s", "64", "-a", "ownerwrite|ownerread|authread");
  await machine.tool("nvwrite", index, "-C", "o", "-i", "junk");
  await assert.rejects(open(machine.address, { ek: "p256" }), (error) => {
    assert.equal(codeOf(error), "tpm_ek_certificate_missing");
    assert.match((error as Error).message, /p256: Cannot read the certificate/);
    return true;
  });
  assert.equal((await open(machine.address)).ekTemplate, "p384", "what cannot be used is passed over");

  await using other = await Swtpm.start({ name: "three", eks: ["p256"] });
  const foreign = other.certificates.p256!;
  await machine.tool("nvundefine", index, "-C", "o");
  await Deno.writeFile(machine.file("foreign"), foreign);
  await machine.tool(
    "nvdefine",
    index,
    "-C",
    "o",
    "-s",
    `${foreign.length}`,
    "-a",
    "ownerwrite|ownerread|authread",
  );
  await machine.tool("nvwrite", index, "-C", "o", "-i", "foreign");
  await assert.rejects(open(machine.address), throwing("tpm_ek_mismatch"));
});

Deno.test("openTpm() gives the intermediate certificates that the TPM has, across indices and padding", async () => {
  await using machine = await Swtpm.start({ name: "chain", eks: ["p384"] });
  const pem = await Deno.readTextFile(`${machine.rootsDirectory}/intermediate.pem`);
  const der = Uint8Array.fromBase64(pem.replace(/-----[^-]+-----/g, ""));
  const parts = [der.subarray(0, 300), new Uint8Array([...der.subarray(300), 0xff, 0xff, 0xff])];
  for (const [at, part] of parts.entries()) {
    const index = `0x01c0010${at}`;
    await Deno.writeFile(machine.file("part"), part);
    await machine.tool(
      "nvdefine",
      index,
      "-C",
      "o",
      "-s",
      `${part.length}`,
      "-a",
      "ownerwrite|ownerread|authread",
    );
    await machine.tool("nvwrite", index, "-C", "o", "-i", "part");
  }
  const { ek } = await open(machine.address);
  assert.deepEqual(ek.certificates, [machine.certificates.p384, der]);
});

Deno.test("splitCertificates() ends at what is no certificate", async () => {
  await using machine = await Swtpm.start({ name: "three", eks: ["p256"] });
  const one = machine.certificates.p256!;
  const row = (...parts: (Uint8Array | number[])[]) => Uint8Array.from(parts.flatMap((part) => [...part]));
  assert.equal(splitCertificates(row(one, [0, 0xff], one)).length, 2);
  assert.equal(splitCertificates(row(one, [1], one)).length, 1);
  assert.equal(splitCertificates(row(one, one.subarray(0, 100))).length, 1);
  assert.equal(splitCertificates(row([0x30, 0x82])).length, 0);
  assert.equal(splitCertificates(new Uint8Array()).length, 0);
});

Deno.test("TpmProvider.prove() makes evidence that verifies, and the same identity after a restart", async () => {
  await using machine = await Swtpm.start();
  await machine.extend(4);
  const tpm = await open(machine.address);
  const provider = new TpmProvider(tpm);
  for (const pcrs of [undefined, { bank: "sha256" as const, pcrs: [4, 23] }]) {
    const evidence = readTpmEvidence(await provider.prove({ qualifyingData: DATA, pcrs }));
    assert.equal(evidence.agentId, tpm.agentId);
    verifyQuote({
      quote: evidence.quote,
      signature: evidence.signature,
      akPublic: tpm.akPublicBytes,
      qualifyingData: DATA,
      selection: pcrs ?? DEFAULT_PCRS,
      pcrs: evidence.pcrs,
    });
    assert.equal(evidence.pcrs.values[4], await machine.pcr(4));
  }
  await machine.reset();
  const again = await open(machine.tcpAddress);
  assert.equal(again.agentId, tpm.agentId);
  assert.deepEqual(again.akName, tpm.akName);
  await using other = await Swtpm.start({ name: "another" });
  assert.notEqual((await open(other.address)).agentId, tpm.agentId);
});

Deno.test("TpmProvider.prove() quotes what it says although PCRs are extended all the time", async () => {
  await using machine = await Swtpm.start();
  const tpm = await open(machine.address);
  const provider = new TpmProvider(tpm);
  const extending = new AbortController();
  const extender = (async () => {
    while (!extending.signal.aborted) {
      await machine.extend(10);
      await new Promise((resolve) => setTimeout(resolve));
    }
  })();
  let made = 0;
  try {
    for (let round = 0; round < 20; round++) {
      const question = { qualifyingData: DATA, pcrs: { bank: "sha256" as const, pcrs: [0, 10] } };
      const evidence = await provider.prove(question).catch((error) => {
        assert.equal(codeOf(error), "tpm_pcrs_unstable");
      });
      if (evidence === undefined) continue;
      made++;
      const { quote, signature, pcrs } = readTpmEvidence(evidence);
      verifyQuote({
        quote,
        signature,
        akPublic: tpm.akPublicBytes,
        qualifyingData: DATA,
        selection: question.pcrs,
        pcrs,
      });
    }
  } finally {
    extending.abort();
    await extender;
  }
  assert.ok(made > 0);
});

Deno.test("a TPM that is exchanged while the agent runs is not taken for the one before", async () => {
  await using machine = await Swtpm.start();
  await using other = await Swtpm.start({ name: "another" });
  let path = machine.address;
  const tpm = await open(machine.address, {
    open: async () => {
      const socket = await Deno.connect({ transport: "unix", path: path.slice("unix:".length) });
      return {
        isStream: true,
        read: (into) => socket.read(into),
        write: (from) => socket.write(from),
        close: () => socket.close(),
      };
    },
  });
  path = other.address;
  await assert.rejects(tpm.quote({ qualifyingData: DATA }), throwing("tpm_identity_changed"));
  path = machine.address;
  await tpm.quote({ qualifyingData: DATA });
});

Deno.test("openTpm() says why a device or socket cannot be opened", async () => {
  const gone = await Deno.makeTempDir();
  await assert.rejects(open(`unix:${gone}/none`), /there is none/);
  await assert.rejects(open(`${gone}/none`), throwing("tpm_unavailable"));
  await assert.rejects(open(gone), throwing("tpm_unavailable"));
  await Deno.remove(gone);
});
