import assert from "node:assert/strict";
import { enroll } from "../../agent/enrollment.ts";
import { openTpm, type Tpm } from "../../agent/tpm/mod.ts";
import { makeCredential } from "../../src/attestation/ek/mod.ts";
import { enrollmentProof } from "../../src/attestation/mod.ts";
import { toBase64Url } from "../../src/bytes/mod.ts";
import { parseTpmAddress } from "../../src/config/mod.ts";
import { systemClock, systemRandom } from "../../src/driver/mod.ts";
import { Swtpm } from "../support/swtpm.ts";

type Control = Parameters<typeof enroll>[1];
type Begun = Awaited<ReturnType<Control["beginEnrollment"]>>;

const never = new AbortController().signal;
const nonce = new Uint8Array(32).fill(9);

const opened = (tpm: Swtpm) =>
  openTpm(parseTpmAddress(tpm.address)!, { clock: systemClock, random: systemRandom });

/** A control that makes credentials as told, and keeps what it was asked. */
function controlFor(tpm: Tpm, change: Partial<Begun> & { secret?: Uint8Array; finishedAs?: string } = {}) {
  const secret = change.secret ?? systemRandom(32);
  const asked: string[] = [];
  const control: Control = {
    beginEnrollment(request) {
      asked.push(JSON.stringify(request));
      const { credentialBlob, encryptedSecret } = makeCredential(
        tpm.ek.area,
        tpm.akName,
        secret,
        systemRandom,
      );
      return Promise.resolve({
        enrollment_id: "e",
        agent_id: tpm.agentId,
        credential_blob: credentialBlob,
        encrypted_secret: encryptedSecret,
        nonce,
        ...change,
      } as Begun);
    },
    finishEnrollment(request) {
      asked.push(JSON.stringify(request));
      return Promise.resolve({ agent_id: change.finishedAs ?? tpm.agentId, labels: ["prod"], tier: "tpm" });
    },
  };
  return { control, asked, secret };
}

Deno.test("enroll() proves both keys with the secret that the TPM gives out, and never sends it", async () => {
  await using machine = await Swtpm.start();
  const tpm = await opened(machine);
  const { control, asked, secret } = controlFor(tpm);
  assert.deepEqual(await enroll(tpm, control, "enroll.x.y", never), {
    agentId: tpm.agentId,
    labels: ["prod"],
  });
  const [begin, finish] = asked.map((text) => JSON.parse(text));
  assert.equal(begin.token, "enroll.x.y");
  assert.equal(begin.ek_template, tpm.ekTemplate);
  assert.deepEqual(begin.ek_certificates, tpm.ek.certificates.map(toBase64Url));
  const facts = { nonce, enrollmentId: "e", agentId: tpm.agentId, akName: tpm.akName };
  assert.equal(finish.proof, toBase64Url(enrollmentProof(secret, facts)));
  assert.equal(asked.join().includes(toBase64Url(secret)), false);
});

Deno.test("enroll() has nothing to do with another agent: enrollment_agent_mismatch", async () => {
  await using machine = await Swtpm.start();
  const tpm = await opened(machine);
  const other = `agent-${"a".repeat(26)}`;
  const swapped = controlFor(tpm, { agent_id: other });
  await assert.rejects(enroll(tpm, swapped.control, "t", never), { code: "enrollment_agent_mismatch" });
  assert.equal(swapped.asked.length, 1, "nothing was proved");
  const late = controlFor(tpm, { finishedAs: other });
  await assert.rejects(enroll(tpm, late.control, "t", never), { code: "enrollment_agent_mismatch" });
});

Deno.test("enroll() cannot open a credential for another AK, for another TPM, or a changed one: tpm_activation_failed", async () => {
  await using machine = await Swtpm.start();
  await using foreign = await Swtpm.start({ name: "second" });
  const [tpm, stranger] = [await opened(machine), await opened(foreign)];
  const credential = (ek: Tpm, akName: Uint8Array) => {
    const made = makeCredential(ek.ek.area, akName, new Uint8Array(32), systemRandom);
    return { credential_blob: made.credentialBlob, encrypted_secret: made.encryptedSecret };
  };
  const changed = credential(tpm, tpm.akName);
  changed.credential_blob[10] ^= 1;
  for (const wrong of [credential(tpm, stranger.akName), credential(stranger, tpm.akName), changed]) {
    const { control, asked } = controlFor(tpm, wrong as Partial<Begun>);
    await assert.rejects(enroll(tpm, control, "t", never), { code: "tpm_activation_failed" });
    assert.equal(asked.length, 1);
  }
});

Deno.test("enroll() proves nothing with a secret of another length: control_response_invalid", async () => {
  await using machine = await Swtpm.start();
  const tpm = await opened(machine);
  const { control, asked } = controlFor(tpm, { secret: new Uint8Array(16) });
  await assert.rejects(enroll(tpm, control, "t", never), { code: "control_response_invalid" });
  assert.equal(asked.length, 1);
});
