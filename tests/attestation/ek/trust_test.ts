import assert from "node:assert/strict";
import {
  ekTrustOf,
  maxCertificateFileBytes,
  maxRevocationsBytes,
  noRevocations,
  readCertificate,
  readCertificateFile,
  readRevocations,
} from "../../../src/attestation/ek/mod.ts";
import { utf8 } from "../../../src/bytes/mod.ts";
import { authority, ekCertificate, issue, pemOf } from "../../support/hostile_authority.ts";

const root = authority();
const intermediate = authority(root);
const sums = (certificates: readonly { readonly sha256: string }[]) => certificates.map((one) => one.sha256);
const sumOf = (der: Uint8Array) => readCertificate(der).sha256;

Deno.test("readCertificateFile() reads one certificate in DER, and any number in PEM with text around them", () => {
  assert.deepEqual(sums(readCertificateFile(root.der, "root.cer")), [sumOf(root.der)]);
  const text = `Root of the manufacturer\r\n${pemOf(root, intermediate).replaceAll("\n", "\r\n")}the end`;
  assert.deepEqual(
    sums(readCertificateFile(utf8(text), "all.pem")),
    [root, intermediate].map((one) => sumOf(one.der)),
  );
});

Deno.test("readCertificateFile() names the file that it cannot use", () => {
  const pem = pemOf(root);
  const bad: readonly (Uint8Array<ArrayBuffer> | string)[] = [
    "",
    "# nothing yet",
    pem.slice(0, -10),
    pem + pem.slice(0, 100),
    pem.replaceAll("CERTIFICATE", "PRIVATE KEY"),
    pem + pem.replaceAll("CERTIFICATE", "X509 CRL"),
    pem.replace(/[A-Za-z0-9]/g, (letter) => letter === "M" ? "!" : letter),
    pem.replace("\nMII", "\nMIX"),
    root.der.subarray(0, 200),
    new Uint8Array([0xff, 0xfe, 0x00]),
    new Uint8Array(maxCertificateFileBytes + 1),
  ];
  for (const file of bad) {
    assert.throws(
      () => readCertificateFile(typeof file === "string" ? utf8(file) : file, "/etc/roots/bad.pem"),
      { code: "ek_roots_unusable", message: /^Cannot use \/etc\/roots\/bad\.pem / },
      String(file).slice(0, 40),
    );
  }
});

Deno.test("ekTrustOf() takes for roots what signs itself, and counts each certificate once", () => {
  const rollover = issue(root, { subject: root.name });
  const leaf = ekCertificate(intermediate);
  const old = authority(undefined, { signing: "ecdsa-sha1" });
  const read = [root, intermediate, rollover, leaf, old, root].map((one) => readCertificate(one.der));
  const trust = ekTrustOf(read, noRevocations);
  assert.deepEqual(sums(trust.roots), [root, old].map((one) => sumOf(one.der)));
  assert.deepEqual(sums(trust.intermediates), [intermediate, rollover, leaf].map((one) => sumOf(one.der)));
});

Deno.test("readRevocations() reads its three lists, in the spellings of other tools", () => {
  const sum = "AB".repeat(32);
  const list = readRevocations(
    utf8(JSON.stringify({
      version: 1,
      certificates: [{ sha256: sum.match(/../g)!.join(":"), note: "stolen" }],
      keys: [{ sha256: sum }],
      serials: [{ issuer_sha256: sum, serials: ["00:0A", "0"] }, { issuer_sha256: sum, serials: ["0b"] }],
    })),
    "list.json",
  );
  assert.deepEqual([...list.certificates], [sum.toLowerCase()]);
  assert.deepEqual([...list.keys], [sum.toLowerCase()]);
  assert.deepEqual([...list.serials], [[sum.toLowerCase(), new Set(["a", "0", "b"])]]);
  assert.deepEqual(readRevocations(utf8(`{"version":1}`), "list.json"), noRevocations);
});

Deno.test("readRevocations() refuses a list that is not wholly understood", () => {
  const bad: readonly (string | Uint8Array)[] = [
    "",
    "[]",
    "{}",
    `{"version":2}`,
    `{"version":1,"certificate":[]}`,
    `{"version":1,"certificates":["ab"]}`,
    `{"version":1,"certificates":[{"sha256":"ab"}]}`,
    `{"version":1,"certificates":[{"sha256":"${"zz".repeat(32)}"}]}`,
    `{"version":1,"keys":[{"sha256":"${"ab".repeat(32)}","serial":"1"}]}`,
    `{"version":1,"serials":[{"issuer_sha256":"${"ab".repeat(32)}","serials":[]}]}`,
    `{"version":1,"serials":[{"issuer_sha256":"${"ab".repeat(32)}","serials":["-1"]}]}`,
    `{"version":1,"serials":[{"issuer":"CN=x","serials":["1"]}]}`,
    Uint8Array.of(0xff),
    new Uint8Array(maxRevocationsBytes + 1),
  ];
  for (const file of bad) {
    assert.throws(
      () => readRevocations(typeof file === "string" ? utf8(file) : file, "/etc/list.json"),
      { code: "ek_revocations_unusable", message: /\/etc\/list\.json/ },
      String(file).slice(0, 60),
    );
  }
});
