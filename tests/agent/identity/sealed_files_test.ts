import assert from "node:assert/strict";
import {
  EnrolledIdentity,
  hostKeyFileIn,
  hostKeyOf,
  identityFileIn,
  openToken,
  plainFiles,
  type SecretFiles,
  secretFilesOf,
} from "../../../agent/identity/mod.ts";
import { parseTpmAddress } from "../../../src/config/mod.ts";
import { systemClock, systemRandom } from "../../../src/driver/mod.ts";
import { codeOf } from "../../../src/errors/mod.ts";
import { parseHostKey, wrapToken } from "../../../src/pki/mod.ts";
import { nodeToken } from "../../control/nodes.ts";
import { openControl } from "../../control/support.ts";
import { Swtpm } from "../../support/swtpm.ts";
import { TempDir } from "../../support/temp_dir.ts";
import { inProcess } from "./in_process_control.ts";

const refused = (code: string, promise: Promise<unknown>) =>
  assert.rejects(promise, (error) => (assert.equal(codeOf(error), code), true));
const quiet = { clock: systemClock, random: systemRandom, log() {} };
const filesFor = (tpm: Swtpm, identitySealPcrs: readonly number[] = []) =>
  secretFilesOf({ identitySeal: "auto", identitySealPcrs, tpm: parseTpmAddress(tpm.address)! }, quiet);

/** An identity of a control of this process in a folder of its own. */
async function world(files: SecretFiles) {
  const control = await openControl();
  const folder = await TempDir.make("sealed");
  const { clock, deps: { random } } = control;
  const options = {
    path: identityFileIn(folder.path),
    files,
    controls: [inProcess(control)],
    clock,
    random,
    log() {},
  };
  return {
    control,
    folder,
    options,
    async [Symbol.asyncDispose]() {
      await control[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

Deno.test("an identity that is sealed to a TPM is used and renewed again after a restart, and nothing of it can be read", async () => {
  await using tpm = await Swtpm.start();
  await using at = await world(filesFor(tpm));
  const identity = await EnrolledIdentity.enroll(at.options, await nodeToken(at.control, "connector", "c1"));
  const text = await Deno.readTextFile(at.options.path);
  assert.equal((await Deno.stat(at.options.path)).mode! & 0o777, 0o600);
  assert.deepEqual([JSON.parse(text).sealed_to, text.includes("certificate_chain")], ["tpm", false]);
  await identity.renew();
  const again = await EnrolledIdentity.load({ ...at.options, files: filesFor(tpm) });
  assert.equal(again?.credentials.privateKey, identity.credentials.privateKey);
  await again?.renew();
  await refused("identity_sealed", EnrolledIdentity.load({ ...at.options, files: plainFiles }));

  const path = hostKeyFileIn(at.folder.path);
  const key = await hostKeyOf(path, systemRandom, filesFor(tpm));
  const wrapped = wrapToken("enroll.x", parseHostKey(key), systemRandom);
  assert.equal(await openToken(wrapped, path, filesFor(tpm)), "enroll.x");
  await Deno.copyFile(path, at.options.path);
  await refused("identity_seal_damaged", EnrolledIdentity.load({ ...at.options, files: filesFor(tpm) }));
});

Deno.test("a copied or altered identity, and one whose TPM was cleared, are given up by a new enrollment only", async () => {
  await using tpm = await Swtpm.start({ name: "first" });
  await using other = await Swtpm.start({ name: "second" });
  await using at = await world(filesFor(tpm));
  await EnrolledIdentity.enroll(at.options, await nodeToken(at.control, "connector", "c1"));
  const whole = await Deno.readTextFile(at.options.path);
  const elsewhere = { ...at.options, files: filesFor(other) };
  await refused("identity_seal_foreign", EnrolledIdentity.load(elsewhere));
  const token = await nodeToken(at.control, "connector", "c1");
  await refused("identity_seal_foreign", EnrolledIdentity.enroll(elsewhere, token));
  await refused(
    "enrollment_token_refused",
    EnrolledIdentity.enroll(elsewhere, token.replace(/.{4}(?=\.[^.]+$)/, "AAAA"), true),
  );
  assert.equal(await Deno.readTextFile(at.options.path), whole, "what was refused has destroyed nothing");
  await EnrolledIdentity.enroll(elsewhere, token, true);
  assert.ok(await EnrolledIdentity.load({ ...at.options, files: filesFor(other) }));

  for (
    const [name, value] of [["salt", "A".repeat(43)], ["ciphertext", "AAAA"], ["private_area", "AA"], [
      "pcrs",
      1,
    ]]
  ) {
    await Deno.writeTextFile(at.options.path, JSON.stringify({ ...JSON.parse(whole), [name]: value }));
    await refused("identity_seal_damaged", EnrolledIdentity.load({ ...at.options, files: filesFor(tpm) }));
  }
  await Deno.writeTextFile(at.options.path, whole);
  await tpm.tool("clear", "-c", "l");
  await refused("identity_seal_cleared", EnrolledIdentity.load({ ...at.options, files: filesFor(tpm) }));
});

Deno.test("what was kept in a file is sealed when it is read, and sealed anew for other PCRs: identity_seal_pcrs_changed", async () => {
  await using tpm = await Swtpm.start();
  await using at = await world(plainFiles);
  await EnrolledIdentity.enroll(at.options, await nodeToken(at.control, "connector", "c1"));
  const sealedTo = async () => JSON.parse(await Deno.readTextFile(at.options.path)).pcrs;
  assert.ok(await EnrolledIdentity.load({ ...at.options, files: filesFor(tpm, [16]) }));
  assert.deepEqual(await sealedTo(), [16]);
  assert.ok(await EnrolledIdentity.load({ ...at.options, files: filesFor(tpm) }));
  assert.equal(await sealedTo(), undefined);
  assert.ok(await EnrolledIdentity.load({ ...at.options, files: filesFor(tpm, [16]) }));
  await tpm.extend(16);
  await refused("identity_seal_pcrs_changed", EnrolledIdentity.load({ ...at.options, files: filesFor(tpm) }));
});

Deno.test("secretFilesOf() takes the TPM where one is named, and fails closed where one is demanded: identity_seal_no_tpm", async () => {
  await using folder = await TempDir.make("sealed");
  const tpm = parseTpmAddress(`unix:${folder.file("none")}`)!;
  const identitySealPcrs: number[] = [];
  assert.equal(secretFilesOf({ identitySeal: "auto", identitySealPcrs, tpm: null }, quiet).kind, "file");
  assert.equal(secretFilesOf({ identitySeal: "file", identitySealPcrs, tpm }, quiet).kind, "file");
  assert.throws(
    () => secretFilesOf({ identitySeal: "tpm", identitySealPcrs, tpm: null }, quiet),
    (error) => codeOf(error) === "identity_seal_no_tpm",
  );
  const files = secretFilesOf({ identitySeal: "auto", identitySealPcrs, tpm }, quiet);
  await refused("tpm_unavailable", files.create(folder.file("x"), "secret"));
  await assert.rejects(Deno.stat(folder.file("x")), "nothing is written without the TPM");
});
