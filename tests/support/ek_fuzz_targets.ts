/** Everything that reads certificates of endorsement keys, and lists of what was revoked. */
import assert from "node:assert/strict";
import {
  type EkTemplateName,
  ekTrustOf,
  noRevocations,
  readCertificate,
  readCertificateFile,
  readRevocations,
  verifyEk,
  verifyEkChain,
} from "../../src/attestation/ek/mod.ts";
import { fromHex, toHex, utf8 } from "../../src/bytes/mod.ts";
import type { FuzzTarget } from "./fuzz.ts";
import { authority, ekCertificate, rsaKeys, testNowMs } from "./hostile_authority.ts";
import { ENDORSEMENT } from "./tpm_vectors.ts";

const [root, intermediate, rsa, p384] = [
  ENDORSEMENT.root,
  ENDORSEMENT.intermediate,
  ENDORSEMENT.rsa2048,
  ENDORSEMENT.p384,
].map(fromHex);
const trust = ekTrustOf([root, intermediate].map(readCertificate), noRevocations);

/** As NV storage may have it: what follows is all zeros or all ones. */
function withoutPadding(message: Uint8Array, length: number): string {
  const padding = toHex(message.subarray(length));
  assert.match(padding, /^((00)*|(ff)*)$/, "something follows the certificate");
  return toHex(message.subarray(0, length));
}

const CERTIFICATE: FuzzTarget = {
  name: "readCertificate()",
  seeds: [root, intermediate, rsa, p384],
  weight: 2,
  read(message) {
    const { bytes } = readCertificate(message);
    assert.equal(withoutPadding(message, bytes.length), toHex(bytes));
  },
};

const FILE: FuzzTarget = {
  name: "readCertificateFile()",
  seeds: [
    root,
    utf8(`root\n-----BEGIN CERTIFICATE-----\n${root.toBase64()}\n-----END CERTIFICATE-----\n`),
  ],
  read: (message) => assert.ok(readCertificateFile(message, "roots.pem").length > 0),
};

const REVOCATIONS: FuzzTarget = {
  name: "readRevocations()",
  seeds: [utf8(JSON.stringify({
    version: 1,
    certificates: [{ sha256: "ab".repeat(32), note: "stolen" }],
    keys: [{ sha256: "cd".repeat(32) }],
    serials: [{ issuer_sha256: "ef".repeat(32), serials: ["01:02", "0a"] }],
  }))],
  read: (message) => void readRevocations(message, "revoked.json"),
};

/** A broken certificate is nobody's word for a key. */
const VERIFIED: readonly FuzzTarget[] = ([["rsa2048", rsa], ["p384", p384]] as const).map(
  ([template, certificate]: readonly [EkTemplateName, Uint8Array<ArrayBuffer>]) => ({
    name: `verifyEk() ${template}`,
    seeds: [certificate],
    read(message) {
      verifyEk({ certificates: [message], template }, trust, ENDORSEMENT.captured_at_ms);
      assert.equal(
        withoutPadding(message, certificate.length),
        toHex(certificate),
        "a broken certificate is believed",
      );
    },
  }),
);

/** A chain of the other algorithms, whose intermediate comes from the machine: broken, it leads nowhere. */
const OFFERED: FuzzTarget = (() => {
  const root = authority(undefined, { keys: rsaKeys(), signing: "rsa-sha256" });
  const intermediate = authority(root, { signing: "rsa-pss-sha256" });
  const leaf = ekCertificate(intermediate);
  const trust = ekTrustOf([readCertificate(root.der)], noRevocations);
  return {
    name: "verifyEkChain() intermediate",
    seeds: [intermediate.der],
    read(message) {
      verifyEkChain([leaf.der, message], trust, testNowMs);
      assert.equal(withoutPadding(message, intermediate.der.length), toHex(intermediate.der));
    },
  };
})();

export const EK_FUZZ_TARGETS: readonly FuzzTarget[] = [CERTIFICATE, FILE, REVOCATIONS, ...VERIFIED, OFFERED];
