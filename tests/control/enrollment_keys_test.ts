/** Enrollment over HTTP with the judge of real keys: certificates and keys as hostile machines may show them. */
import assert from "node:assert/strict";
import { enrollmentProof } from "../../src/attestation/mod.ts";
import {
  type EkTrust,
  ekTrustOf,
  noEkTrust,
  noRevocations,
  readCertificate,
  readRevocations,
  verifyEk,
} from "../../src/attestation/ek/mod.ts";
import {
  encodeTpm,
  type TpmEccPublic,
  tpmName,
  TpmObject,
  type TpmPublic,
  type TpmRsaPublic,
  TPMT_PUBLIC,
} from "../../src/attestation/tpm/mod.ts";
import { fromBase64Url, toBase64Url, utf8 } from "../../src/bytes/mod.ts";
import { tpmTrust } from "../../src/control/mod.ts";
import { activateCredential } from "../reference/activate_credential.ts";
import {
  authority,
  type Draft,
  eccKeys,
  ekCertificate,
  ekExtensions,
  followedBy,
  issue,
  type Issued,
} from "../support/hostile_authority.ts";
import { RogueTpm } from "../support/rogue_tpm.ts";
import { tokenFor } from "./made_machines.ts";
import { assertProblem, type Control, openControl } from "./support.ts";

/** The clock of these tests stands in 2026. */
const notBeforeMs = Date.UTC(2025, 0, 1);
const root = authority(undefined, { notBeforeMs });
const intermediate = authority(root, { notBeforeMs });
const ek = (issuer: Issued = intermediate, draft: Draft = {}) =>
  ekCertificate(issuer, { notBeforeMs, ...draft });
const trusted = ekTrustOf([root, intermediate].map((one) => readCertificate(one.der)), noRevocations);

/** A TPM with a P-256 endorsement key, and what it shows. */
class ShownTpm {
  readonly certificate: Issued;
  readonly ak = new RogueTpm();

  constructor(certificate: Issued = ek()) {
    this.certificate = certificate;
  }

  begin(token: string, change: Record<string, unknown> = {}) {
    return {
      token,
      ek_certificates: [toBase64Url(this.certificate.der)],
      ek_template: "p256",
      ak_public: toBase64Url(this.ak.akPublic),
      ...change,
    };
  }

  /** What the TPM makes of the answer, by the name of the AK that it holds. */
  // deno-lint-ignore no-explicit-any -- the answer of a control under test
  finish(begun: any, akName: Uint8Array = tpmName(this.ak.publicArea)) {
    const secret = activateCredential(
      { privateKey: this.certificate.keys.privateKey, curve: "P-256" },
      akName,
      {
        credentialBlob: fromBase64Url(begun.credential_blob),
        encryptedSecret: fromBase64Url(begun.encrypted_secret),
      },
    );
    const { enrollment_id: enrollmentId, agent_id: agentId } = begun;
    const proof = enrollmentProof(secret, {
      nonce: fromBase64Url(begun.nonce),
      enrollmentId,
      agentId,
      akName,
    });
    return { enrollment_id: enrollmentId, proof: toBase64Url(proof) };
  }

  async enroll(control: Control, token: string, change: Record<string, unknown> = {}) {
    const begun = await control.post("/v1/enroll/begin", this.begin(token, change));
    if (begun.status !== 200) return begun;
    return await control.post("/v1/enroll/finish", this.finish(begun.json));
  }
}

const open = (trust: () => EkTrust = () => trusted) => openControl({ machineTrust: tpmTrust(trust) });
const encoded = (area: TpmPublic) => toBase64Url(encodeTpm(TPMT_PUBLIC, area));
const certificates = (...all: (Issued | Uint8Array)[]) => ({
  ek_certificates: all.map((one) => toBase64Url(one instanceof Uint8Array ? one : one.der)),
});

Deno.test("a machine with a trusted EK enrolls and gets the id of its key, whatever way its chain is shown", async () => {
  await using control = await open();
  const tpm = new ShownTpm();
  const { agentId, ekSha256 } = verifyEk(
    { certificates: [tpm.certificate.der], template: "p256" },
    trusted,
    control.clock.wall(),
  );
  const padded = followedBy(tpm.certificate.der, new Uint8Array(300).fill(0xff));
  for (const chain of [[tpm.certificate], [tpm.certificate, intermediate], [padded, intermediate, root]]) {
    const { status, json } = await tpm.enroll(control, await tokenFor(control), certificates(...chain));
    assert.deepEqual([status, json.agent_id, json.tier], [200, agentId, "tpm"], JSON.stringify(json));
  }
  const [machine, ...others] = await control.store.machines(9);
  assert.deepEqual([machine.ekSha256, others.length], [ekSha256, 0]);
  const { json } = await control.get(`/v1/machines/${agentId}`, await control.tokenOf("ops", "operator"));
  const { sha256, serial } = readCertificate(tpm.certificate.der);
  assert.deepEqual(json.tpm, {
    manufacturer: "id:504F5354",
    vendor: "POST",
    model: "Hostile",
    version: "id:00010002",
    certificate_sha256: sha256,
    serial,
    expires_at: new Date(readCertificate(tpm.certificate.der).notAfterMs).toISOString(),
  });
});

Deno.test("POST /v1/enroll/begin refuses each EK that is not to be believed with its own code, and spends nothing", async () => {
  await using control = await open();
  const token = await tokenFor(control);
  const tpm = new ShownTpm();
  const evil = authority(undefined, { notBeforeMs });
  const nowMs = control.clock.wall();
  const { ekPublic } = verifyEk({ certificates: [tpm.certificate.der], template: "p256" }, trusted, nowMs);
  const other = verifyEk({ certificates: [ek().der], template: "p256" }, trusted, nowMs).ekPublic;
  const odd = { oid: "1.3.6.1.4.1.99999.7", value: utf8("odd") };
  const unknown = authority(intermediate, { notBeforeMs });
  const ordinary = issue(intermediate, { notBeforeMs, extensions: ekExtensions() });
  const cases: readonly (readonly [code: string, status: number, change: Record<string, unknown>])[] = [
    ["ek_key_mismatch", 403, { ek_public: encoded(other) }],
    ["ek_template_altered", 403, { ek_public: encoded({ ...ekPublic, authPolicy: new Uint8Array() }) }],
    ["ek_template_mismatch", 403, { ek_template: "p384" }],
    ["ek_chain_untrusted", 403, certificates(ek(evil), evil)],
    ["ek_chain_incomplete", 403, certificates(ek(unknown))],
    ["ek_issuer_not_ca", 403, certificates(ek(ordinary), ordinary)],
    ["ek_certificate_is_ca", 403, certificates(intermediate)],
    ["ek_usage_wrong", 403, certificates(ek(intermediate, { extensions: ekExtensions(["2.5.29.37"]) }))],
    [
      "ek_tpm_identity_missing",
      403,
      certificates(ek(intermediate, { extensions: ekExtensions(["2.5.29.17"]) })),
    ],
    ["ek_certificate_not_yet_valid", 403, certificates(ek(intermediate, { notBeforeMs: nowMs + 60_000 }))],
    ["ek_certificate_expired", 403, certificates(ek(intermediate, { notAfterMs: nowMs - 60_000 }))],
    [
      "ek_extension_unknown",
      403,
      certificates(ek(intermediate, { extensions: [...ekExtensions(), { ...odd, critical: true }] })),
    ],
    [
      "ek_extension_duplicate",
      400,
      certificates(ek(intermediate, { extensions: [...ekExtensions(), odd, odd] })),
    ],
    ["ek_certificate_trailing", 400, certificates(followedBy(tpm.certificate.der, utf8("junk")))],
    ["ek_certificate_malformed", 400, certificates(tpm.certificate.der.slice(0, -1))],
    ["ek_algorithm_weak", 403, certificates(ek(intermediate, { signing: "ecdsa-sha1" }))],
    ["ek_signature_invalid", 403, certificates(ek({ ...intermediate, keys: eccKeys() }))],
  ];
  for (const [code, status, change] of cases) {
    assertProblem(await control.post("/v1/enroll/begin", tpm.begin(token, change)), status, code);
    const [audit] = await control.store.auditEntries(1);
    assert.deepEqual([audit.action, audit.outcome], ["machine.enroll.begin", code]);
  }
  assert.deepEqual(await control.store.machines(9), []);
  assert.equal((await tpm.enroll(control, token)).status, 200);
});

Deno.test("POST /v1/enroll/begin refuses a key that is revoked, and everything without manufacturers: ek_roots_missing", async () => {
  let trust: EkTrust = trusted;
  await using control = await open(() => trust);
  const token = await tokenFor(control);
  const tpm = new ShownTpm();
  const { sha256, serial } = readCertificate(tpm.certificate.der);
  const authoritySha256 = readCertificate(intermediate.der).sha256;
  const lists = [
    ["ek_certificate_revoked", { certificates: [{ sha256 }] }],
    ["ek_certificate_revoked", { serials: [{ issuer_sha256: authoritySha256, serials: [serial] }] }],
    ["ek_issuer_revoked", { certificates: [{ sha256: authoritySha256 }] }],
  ] as const;
  for (const [code, list] of lists) {
    const revocations = readRevocations(utf8(JSON.stringify({ version: 1, ...list })), "list.json");
    trust = { ...trusted, revocations };
    assertProblem(await tpm.enroll(control, token), 403, code);
  }
  trust = noEkTrust;
  assertProblem(await tpm.enroll(control, token), 403, "ek_roots_missing");
  trust = trusted;
  assert.equal((await tpm.enroll(control, token)).status, 200, "the trust of this moment counts");
});

Deno.test("POST /v1/enroll/begin refuses each AK that could lie with its own code", async () => {
  await using control = await open();
  const token = await tokenFor(control);
  const tpm = new ShownTpm();
  const area = tpm.ak.publicArea as TpmEccPublic;
  const without = (bit: number): TpmPublic => ({ ...area, attributes: area.attributes & ~bit });
  const offCurve = area.y.slice();
  offCurve[31] ^= 1;
  const rsa = (options: ConstructorParameters<typeof RogueTpm>[0]) =>
    new RogueTpm({ algorithm: "rsassa", ...options }).publicArea as TpmRsaPublic;
  const cases: readonly (readonly [string, TpmPublic])[] = [
    ["ak_not_restricted", without(TpmObject.restricted)],
    ["ak_not_signing", without(TpmObject.sign)],
    ["ak_not_fixed_tpm", without(TpmObject.fixedTPM)],
    ["ak_not_fixed_parent", without(TpmObject.fixedParent)],
    ["ak_origin_unknown", without(TpmObject.sensitiveDataOrigin)],
    ["ak_can_decrypt", { ...area, attributes: area.attributes | TpmObject.decrypt }],
    ["ak_scheme_missing", { ...area, scheme: null }],
    ["ak_modulus_short", rsa({ keyBits: 1024 })],
    ["ak_exponent_weak", rsa({ exponent: 3 })],
    ["tpm_key_off_curve", { ...area, y: offCurve }],
  ];
  for (const [code, wrong] of cases) {
    const answer = await control.post("/v1/enroll/begin", tpm.begin(token, { ak_public: encoded(wrong) }));
    assert.equal(answer.json.code, code);
    assert.ok(answer.status === 400 || answer.status === 403);
  }
  const trailing = toBase64Url(followedBy(tpm.ak.akPublic, Uint8Array.of(0)));
  const answer = await control.post("/v1/enroll/begin", tpm.begin(token, { ak_public: trailing }));
  assert.equal(answer.json.code, "tpm_structure_trailing");
  assert.equal((await tpm.enroll(control, token)).status, 200);
});

Deno.test("the secret of an enrollment opens for the TPM of the EK beside the AK that was shown, and for nobody else", async () => {
  await using control = await open();
  const token = await tokenFor(control);
  const [tpm, stranger] = [new ShownTpm(), new ShownTpm()];
  const begin = async (change: Record<string, unknown> = {}) =>
    (await control.post("/v1/enroll/begin", tpm.begin(token, change))).json;
  // Another TPM relays the certificate of this one.
  const begun = await begin();
  assert.throws(() => stranger.finish(begun), /INTEGRITY/);
  assert.throws(() => stranger.finish(begun, tpmName(tpm.ak.publicArea)), /INTEGRITY/);
  // A public area that says "restricted", over a key that the TPM does not hold under that name.
  const fake = await begin({ ak_public: toBase64Url(stranger.ak.akPublic) });
  assert.throws(() => tpm.finish(fake), /INTEGRITY/);
  const flipped = fromBase64Url(begun.credential_blob);
  flipped[flipped.length - 1] ^= 1;
  assert.throws(() => tpm.finish({ ...begun, credential_blob: toBase64Url(flipped) }), /INTEGRITY/);
  const elsewhere = { ...tpm.finish(begun), enrollment_id: (await begin()).enrollment_id };
  assertProblem(await control.post("/v1/enroll/finish", elsewhere), 403, "enrollment_proof_invalid");
  assert.equal((await control.post("/v1/enroll/finish", tpm.finish(begun))).status, 200);
});
