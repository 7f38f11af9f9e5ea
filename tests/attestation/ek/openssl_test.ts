/** Our path validation beside another one: openssl verify says yes and no where we do. */
import assert from "node:assert/strict";
import { ekTrustOf, noRevocations, readCertificate, verifyEkChain } from "../../../src/attestation/ek/mod.ts";
import { utf8 } from "../../../src/bytes/mod.ts";
import { codeOf } from "../../../src/errors/mod.ts";
import {
  authority,
  authorityExtensions,
  basicConstraints,
  eccKeys,
  ekCertificate,
  ekExtensions,
  issue,
  type Issued,
  keyUsage,
  pemOf,
  rsaKeys,
  testNowMs,
} from "../../support/hostile_authority.ts";
import { Process } from "../../support/process.ts";
import { TempDir } from "../../support/temp_dir.ts";

const root = authority();
const one = authority(root);
const two = authority(one);
const rsa = authority(root, { keys: rsaKeys() });
const big = authority(root, { keys: eccKeys("P-521") });
const narrow = authority(root, { extensions: authorityExtensions(0) });
const belowNarrow = authority(narrow);
const ordinary = issue(root, { extensions: [basicConstraints(false), keyUsage(5)] });
const mute = issue(root, { extensions: [basicConstraints(true), keyUsage(6)] });
const expired = authority(root, { notAfterMs: testNowMs - 1_000 });
const future = authority(root, { notBeforeMs: testNowMs + 1_000 });
const evil = authority();
const odd = { oid: "1.3.6.1.4.1.99999.1", critical: true, value: utf8("x") };

/** What each chain is, leaf first, and what is wrong with it. */
const chains: readonly (readonly [what: string, chain: readonly Issued[], code?: string])[] = [
  ["below the root", [ekCertificate(root)]],
  ["one between", [ekCertificate(one), one]],
  ["two between, in another order", [ekCertificate(two), one, two]],
  ["RSA", [ekCertificate(rsa, { signing: "rsa-sha256" }), rsa]],
  ["RSA-PSS", [ekCertificate(rsa, { signing: "rsa-pss-sha256" }), rsa]],
  ["P-521", [ekCertificate(big, { signing: "ecdsa-sha384" }), big]],
  ["as narrow as may be", [ekCertificate(narrow), narrow]],
  ["one too many", [ekCertificate(belowNarrow), belowNarrow, narrow], "ek_path_length_exceeded"],
  ["one missing", [ekCertificate(two), two], "ek_chain_incomplete"],
  ["another root", [ekCertificate(evil), evil], "ek_chain_untrusted"],
  ["another key", [ekCertificate({ ...one, keys: eccKeys() }), one], "ek_signature_invalid"],
  ["by an ordinary certificate", [ekCertificate(ordinary), ordinary], "ek_issuer_not_ca"],
  ["by a key that is not for certificates", [ekCertificate(mute), mute], "ek_issuer_not_ca"],
  ["by one that has expired", [ekCertificate(expired), expired], "ek_certificate_expired"],
  ["by one of the future", [ekCertificate(future), future], "ek_certificate_not_yet_valid"],
  ["expired", [ekCertificate(one, { notAfterMs: testNowMs - 1_000 }), one], "ek_certificate_expired"],
  ["critical", [ekCertificate(one, { extensions: [...ekExtensions(), odd] }), one], "ek_extension_unknown"],
];

Deno.test("verifyEkChain() agrees with openssl verify", async () => {
  await using folder = await TempDir.make("openssl");
  const rootPath = await folder.write("root.pem", pemOf(root));
  const trust = ekTrustOf([readCertificate(root.der)], noRevocations);
  const nowSeconds = String(testNowMs / 1_000);
  await Promise.all(chains.map(async ([what, chain, expected], index) => {
    const [leaf, ...others] = chain;
    const leafPath = await folder.write(`leaf-${index}.pem`, pemOf(leaf));
    const untrusted = others.length === 0
      ? []
      : ["-untrusted", await folder.write(`others-${index}.pem`, pemOf(...others))];
    const { code, stderr } = await Process.run("openssl", {
      args: ["verify", "-CAfile", rootPath, ...untrusted, "-attime", nowSeconds, "-no-CApath", leafPath],
    });
    let ours: string | undefined;
    try {
      verifyEkChain(chain.map((one) => one.der), trust, testNowMs);
    } catch (error) {
      ours = codeOf(error);
    }
    assert.equal(ours, expected, what);
    assert.equal(code === 0, expected === undefined, `${what}: ${stderr}`);
  }));
});
