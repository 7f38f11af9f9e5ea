import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { agentIdOf } from "../../../src/attestation/mod.ts";
import {
  type EkClaim,
  type EkTrust,
  ekTrustOf,
  maxCertificateBytes,
  maxChainCertificates,
  noEkTrust,
  noRevocations,
  readCertificate,
  readRevocations,
  verifyEk,
} from "../../../src/attestation/ek/mod.ts";
import { spkiOf as spkiOfArea } from "../../../src/attestation/tpm/mod.ts";
import { der, utf8 } from "../../../src/bytes/mod.ts";
import {
  authority,
  authorityExtensions,
  basicConstraints,
  eccKeys,
  ekCertificate,
  ekExtensions,
  extendedKeyUsage,
  followedBy,
  issue,
  type Issued,
  keyUsage,
  pssParameters,
  rsaKeys,
  spkiOf,
  testNowMs,
  tpmAttributes,
  tpmNames,
} from "../../support/hostile_authority.ts";

const root = authority();
const intermediate = authority(root);
const leaf = ekCertificate(intermediate);

function trustIn(certificates: readonly Issued[], revocations: unknown = undefined): EkTrust {
  return ekTrustOf(
    certificates.map((one) => readCertificate(one.der)),
    revocations === undefined
      ? noRevocations
      : readRevocations(utf8(JSON.stringify(revocations)), "list.json"),
  );
}

const trust = trustIn([root]);

function verify(certificates: readonly (Issued | Uint8Array)[], options: {
  readonly trust?: EkTrust;
  readonly nowMs?: number;
  readonly claim?: Partial<EkClaim>;
} = {}) {
  const chain = certificates.map((one) => one instanceof Uint8Array ? one : one.der);
  return verifyEk(
    { certificates: chain, template: "p256", ...options.claim },
    options.trust ?? trust,
    options.nowMs ?? testNowMs,
  );
}

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const refused = (code: string, call: () => unknown) => assert.throws(call, { name: "PosternError", code });

Deno.test("verifyEk() takes a certificate that a trusted root vouches for, and says which TPM it is", () => {
  const verified = verify([leaf, intermediate]);
  const spki = spkiOf(leaf.keys);
  assert.deepEqual(verified.ekSpki, spki);
  assert.equal(verified.ekSha256, sha256(spki));
  assert.equal(verified.agentId, agentIdOf(spki));
  assert.equal(verified.manufacturer, "id:504F5354");
  assert.equal(verified.model, "Hostile");
  assert.equal(verified.version, "id:00010002");
  assert.equal(verified.template, "p256");
  assert.equal(verified.certificateSha256, sha256(leaf.der));
  assert.equal(verified.rootSha256, sha256(root.der));
  assert.deepEqual(spkiOfArea(verified.ekPublic), spki);
});

Deno.test("verifyEk() takes intermediates from the peer in any order, from the operator, and beside the root itself", () => {
  const second = authority(intermediate);
  const deep = ekCertificate(second);
  verify([deep, second, intermediate]);
  verify([deep, intermediate, second]);
  verify([deep, intermediate, second, root]);
  verify([deep, second], { trust: trustIn([root, intermediate]) });
  verify([deep], { trust: trustIn([intermediate, second, root]) });
  verify([ekCertificate(root)]);
});

Deno.test("verifyEk() takes the padding of NV storage, and no other bytes behind the certificate", () => {
  for (const octet of [0, 0xff]) {
    const padded = followedBy(leaf.der, new Uint8Array(700).fill(octet));
    assert.equal(verify([padded, intermediate]).certificateSha256, sha256(leaf.der));
  }
  const junk = [utf8("junk"), Uint8Array.of(0, 1), Uint8Array.of(0, 0xff), Uint8Array.of(0xff, 0), leaf.der];
  for (const bytes of junk) {
    refused("ek_certificate_trailing", () => verify([followedBy(leaf.der, bytes), intermediate]));
  }
});

Deno.test("verifyEk() refuses a chain to a root that is not trusted, also one with the trusted root's name", () => {
  const evil = authority();
  const below = authority(evil);
  refused("ek_chain_untrusted", () => verify([ekCertificate(below), below, evil]));
  refused("ek_chain_incomplete", () => verify([ekCertificate(below), below]));
  const impostor = authority(undefined, { subject: root.name });
  const forged = ekCertificate(impostor);
  refused("ek_signature_invalid", () => verify([forged]));
  refused("ek_signature_invalid", () => verify([forged, impostor]));
});

Deno.test("verifyEk() refuses a certificate that trusts itself", () => {
  const own = eccKeys();
  const self = issue(undefined, { keys: own, subject: "self", extensions: ekExtensions() });
  refused("ek_chain_untrusted", () => verify([self]));
  refused("ek_chain_untrusted", () => verify([self, self]));
  // Not even when the operator has taken it for a root: it is no authority.
  refused("ek_chain_untrusted", () => verify([self], { trust: trustIn([self]) }));
});

Deno.test("verifyEk() refuses a chain with an intermediate missing", () => {
  refused("ek_chain_incomplete", () => verify([leaf]));
  const second = authority(intermediate);
  refused("ek_chain_incomplete", () => verify([ekCertificate(second), second]));
  refused("ek_chain_incomplete", () => verify([ekCertificate(second), intermediate]));
});

Deno.test("verifyEk() refuses everything while no root is trusted", () => {
  refused("ek_roots_missing", () => verify([leaf, intermediate], { trust: noEkTrust }));
  refused("ek_roots_missing", () => verify([leaf, intermediate], { trust: trustIn([intermediate]) }));
});

Deno.test("verifyEk() refuses a flipped bit anywhere in what is signed, and in the signature", () => {
  const { signature } = readCertificate(leaf.der);
  const flipped = leaf.der.slice();
  flipped[flipped.length - signature.length + 10] ^= 1;
  refused("ek_signature_invalid", () => verify([flipped, intermediate]));
  // The last octet of the version attribute: still a well-formed certificate.
  const text = leaf.der.slice();
  const at = Array.from(text, (_, i) => i).findLast((i) =>
    utf8("00010002").every((octet, k) => text[i + k] === octet)
  )!;
  text[at + 7] ^= 1;
  refused("ek_signature_invalid", () => verify([text, intermediate]));
  // Another certificate's signature.
  const other = authority(root, { subject: intermediate.name });
  refused("ek_signature_invalid", () => verify([leaf, other]));
});

Deno.test("verifyEk() tries all authorities of one name, and is content with one that signed", () => {
  const others = Array.from({ length: 4 }, () => authority(root, { subject: intermediate.name }));
  verify([leaf, ...others, intermediate]);
  verify([leaf], { trust: trustIn([...others, root, intermediate]) });
});

Deno.test("verifyEk() tells a certificate that is missing from a signature that is wrong, by key identifiers, in any order", () => {
  const named = (digit: number) => ({
    own: { oid: "2.5.29.14", value: der.octetString(new Uint8Array(20).fill(digit)) },
    above: { oid: "2.5.29.35", value: der.sequence(der.contextString(0, new Uint8Array(20).fill(digit))) },
  });
  const [one, other] = [named(1), named(2)];
  const right = authority(root, { extensions: [...authorityExtensions(), one.own] });
  const namesake = authority(root, {
    subject: right.name,
    extensions: [...authorityExtensions(), other.own],
  });
  const below = ekCertificate(right, { extensions: [...ekExtensions(), one.above] });
  verify([below, namesake, right]);
  // The one that signed is another of the same name: nobody made anything up.
  refused("ek_chain_incomplete", () => verify([below, namesake]));
  refused("ek_chain_incomplete", () => verify([below], { trust: trustIn([root, namesake]) }));
  // Who is named by its key did not sign: not even where a namesake is there too.
  const forged = ekCertificate({ ...right, keys: eccKeys() }, { extensions: [...ekExtensions(), one.above] });
  refused("ek_signature_invalid", () => verify([forged, right]));
  refused("ek_signature_invalid", () => verify([forged, right, namesake]));
  refused("ek_signature_invalid", () => verify([forged, namesake, right]));
});

Deno.test("verifyEk() gives the same reason in whatever order certificates come", () => {
  const expired = authority(root, {
    subject: intermediate.name,
    keys: intermediate.keys,
    notAfterMs: testNowMs - 1_000,
  });
  const ordinary = issue(root, {
    subject: intermediate.name,
    keys: intermediate.keys,
    extensions: [basicConstraints(false), keyUsage(0)],
  });
  refused("ek_certificate_expired", () => verify([leaf, expired, ordinary]));
  refused("ek_certificate_expired", () => verify([leaf, ordinary, expired]));
});

Deno.test("verifyEk() refuses an issuer that is no authority", () => {
  const cases: readonly (readonly [string, ReturnType<typeof ekExtensions>])[] = [
    ["an ordinary certificate", [basicConstraints(false), keyUsage(0)]],
    ["no basic constraints", [keyUsage(5)]],
    ["no key usage for certificates", [basicConstraints(true), keyUsage(0, 6)]],
    ["an authority for something else", [...authorityExtensions(), extendedKeyUsage("1.3.6.1.5.5.7.3.1")]],
  ];
  for (const [what, extensions] of cases) {
    const issuer = issue(root, { extensions });
    assert.throws(() => verify([ekCertificate(issuer), issuer]), { code: "ek_issuer_not_ca" }, what);
  }
  // Another TPM's endorsement key.
  refused("ek_issuer_not_ca", () => verify([ekCertificate(leaf), leaf, intermediate]));
  const allowed = issue(root, { extensions: [...authorityExtensions(), extendedKeyUsage("2.23.133.8.1")] });
  verify([ekCertificate(allowed), allowed]);
});

Deno.test("verifyEk() holds authorities to their path length, not counting self-issued ones", () => {
  const narrow = authority(root, { extensions: authorityExtensions(0) });
  verify([ekCertificate(narrow), narrow]);
  const below = authority(narrow);
  refused("ek_path_length_exceeded", () => verify([ekCertificate(below), below, narrow]));
  const one = authority(undefined, { extensions: authorityExtensions(1) });
  const two = authority(one);
  const three = authority(two);
  verify([ekCertificate(two), two], { trust: trustIn([one]) });
  refused(
    "ek_path_length_exceeded",
    () => verify([ekCertificate(three), three, two], { trust: trustIn([one]) }),
  );
  const rollover = authority(narrow, { subject: narrow.name });
  verify([ekCertificate(rollover), rollover, narrow]);
});

Deno.test("verifyEk() refuses an authority's certificate as an EK certificate", () => {
  refused("ek_certificate_is_ca", () => verify([intermediate]));
  const both = [basicConstraints(true), ...ekExtensions(["2.5.29.19"])];
  refused("ek_certificate_is_ca", () => verify([ekCertificate(root, { extensions: both })]));
  const signs = [keyUsage(4, 5), ...ekExtensions(["2.5.29.15"])];
  refused("ek_certificate_is_ca", () => verify([ekCertificate(root, { extensions: signs })]));
});

Deno.test("verifyEk() refuses a certificate that is not for an endorsement key", () => {
  const wrong = [
    ekExtensions(["2.5.29.37"]),
    [...ekExtensions(["2.5.29.37"]), extendedKeyUsage("2.23.133.8.3")], // an attestation key's
    [...ekExtensions(["2.5.29.37"]), extendedKeyUsage("2.5.29.37.0")],
    [...ekExtensions(["2.5.29.15"]), keyUsage(0)],
  ];
  for (const extensions of wrong) {
    refused("ek_usage_wrong", () => verify([ekCertificate(root, { extensions })]));
  }
  verify([ekCertificate(root, { extensions: ekExtensions(["2.5.29.15", "2.5.29.19"]) })]);
});

Deno.test("verifyEk() refuses a certificate that does not say which TPM it is for", () => {
  const [manufacturer, model, version] = tpmAttributes;
  const names: (readonly (readonly [string, string])[])[] = [
    [],
    [manufacturer, model],
    [manufacturer, version],
    [model, version],
    [manufacturer, model, version, model],
    [manufacturer, ["2.23.133.2.2", ""], version],
    [manufacturer, ["2.23.133.2.2", "line\nbreak"], version],
    [manufacturer, ["2.23.133.2.2", "x".repeat(129)], version],
  ];
  for (const attributes of names) {
    const extensions = [...ekExtensions(["2.5.29.17"]), tpmNames(attributes)];
    refused("ek_tpm_identity_missing", () => verify([ekCertificate(root, { extensions })]));
  }
  refused(
    "ek_tpm_identity_missing",
    () => verify([ekCertificate(root, { extensions: ekExtensions(["2.5.29.17"]) })]),
  );
});

Deno.test("verifyEk() refuses what is revoked by certificate, by key, and by serial number of an issuer", () => {
  const serialOf = (one: Issued) => readCertificate(one.der).serial;
  const keyOf = (one: Issued) => sha256(spkiOf(one.keys));
  const lists = (one: Issued, issuer: Issued) => [
    { certificates: [{ sha256: sha256(one.der), note: "lost" }] },
    { certificates: [{ sha256: sha256(one.der).toUpperCase().match(/../g)!.join(":") }] },
    { keys: [{ sha256: keyOf(one) }] },
    { serials: [{ issuer_sha256: sha256(issuer.der), serials: [`00:${serialOf(one).padStart(2, "0")}`] }] },
    { serials: [{ issuer_sha256: keyOf(issuer), serials: ["ffff", serialOf(one)] }] },
  ];
  const under = (list: unknown) => trustIn([root], { version: 1, ...list as object });
  for (const list of lists(leaf, intermediate)) {
    refused("ek_certificate_revoked", () => verify([leaf, intermediate], { trust: under(list) }));
  }
  for (const list of lists(intermediate, root)) {
    refused("ek_issuer_revoked", () => verify([leaf, intermediate], { trust: under(list) }));
  }
  for (const list of lists(root, root)) {
    refused("ek_issuer_revoked", () => verify([leaf, intermediate], { trust: under(list) }));
  }
  // The same number of another issuer is another certificate.
  const other = { serials: [{ issuer_sha256: sha256(root.der), serials: [serialOf(leaf)] }] };
  if (serialOf(leaf) !== serialOf(intermediate)) verify([leaf, intermediate], { trust: under(other) });
});

Deno.test("verifyEk() refuses a revoked intermediate that has a second certificate for its key", () => {
  const again = authority(root, { subject: intermediate.name, keys: intermediate.keys });
  const byCertificate = trustIn([root], { version: 1, certificates: [{ sha256: sha256(intermediate.der) }] });
  verify([leaf, intermediate, again], { trust: byCertificate });
  const byKey = trustIn([root], { version: 1, keys: [{ sha256: sha256(spkiOf(intermediate.keys)) }] });
  refused("ek_issuer_revoked", () => verify([leaf, intermediate, again], { trust: byKey }));
});

Deno.test("verifyEk() refuses what is not valid yet and what has expired, anywhere in the chain, to the second", () => {
  const [from, to] = [testNowMs, testNowMs + 86_400_000];
  const span = { notBeforeMs: from, notAfterMs: to };
  const shortLeaf = [ekCertificate(root, span)];
  const narrow = authority(root, span);
  const shortRoot = authority(undefined, span);
  const chains: [readonly Issued[], EkTrust][] = [
    [shortLeaf, trust],
    [[ekCertificate(narrow), narrow], trust],
    [[ekCertificate(shortRoot)], trustIn([shortRoot])],
  ];
  for (const [chain, trust] of chains) {
    refused("ek_certificate_not_yet_valid", () => verify(chain, { trust, nowMs: from - 1 }));
    verify(chain, { trust, nowMs: from });
    verify(chain, { trust, nowMs: to + 999 });
    refused("ek_certificate_expired", () => verify(chain, { trust, nowMs: to + 1_000 }));
  }
  const forever = ekCertificate(root, { notAfterMs: Date.UTC(9999, 11, 31, 23, 59, 59) });
  verify([forever], { nowMs: Date.UTC(2055, 0, 1) });
});

Deno.test("verifyEk() refuses unknown critical extensions, and passes over unknown ones that are not", () => {
  const odd = (critical: boolean) => ({ oid: "1.3.6.1.4.1.99999.1", critical, value: utf8("x") });
  verify([ekCertificate(root, { extensions: [...ekExtensions(), odd(false)] })]);
  refused(
    "ek_extension_unknown",
    () => verify([ekCertificate(root, { extensions: [...ekExtensions(), odd(true)] })]),
  );
  const constrained = { oid: "2.5.29.30", critical: true, value: der.sequence() };
  const issuer = authority(root, { extensions: [...authorityExtensions(), constrained] });
  refused("ek_extension_unknown", () => verify([ekCertificate(issuer), issuer]));
});

Deno.test("verifyEk() refuses an extension that is there twice, known or not", () => {
  const odd = { oid: "1.3.6.1.4.1.99999.1", value: utf8("x") };
  for (const twice of [[odd, odd], [extendedKeyUsage("2.23.133.8.1")], [basicConstraints(false)]]) {
    const extensions = [...ekExtensions(), ...twice];
    refused("ek_extension_duplicate", () => verify([ekCertificate(root, { extensions })]));
  }
});

Deno.test("verifyEk() refuses weak keys: RSA below 2048 bits, small exponents, points off the curve", () => {
  const rsa = { template: "rsa2048" };
  refused("ek_key_weak", () => verify([ekCertificate(root, { keys: rsaKeys(1024) })], { claim: rsa }));
  refused("ek_key_weak", () => verify([ekCertificate(root, { keys: rsaKeys(2048, 3) })], { claim: rsa }));
  const off = spkiOf(eccKeys());
  off[off.length - 1] ^= 1;
  refused("ek_key_weak", () => verify([ekCertificate(root, { spki: off })]));
  const weak = authority(root, { keys: rsaKeys(1024) });
  refused("ek_key_weak", () => verify([ekCertificate(weak, { signing: "rsa-sha256" }), weak]));
});

Deno.test("verifyEk() refuses RSA keys of the flawed library of CVE-2017-15361", () => {
  // Any number that is a power of 65537 modulo the product of the small primes has the fingerprint.
  const primes = [
    3,
    5,
    7,
    11,
    13,
    17,
    19,
    23,
    29,
    31,
    37,
    41,
    43,
    47,
    53,
    59,
    61,
    67,
    71,
    73,
    79,
    83,
    89,
    97,
    101,
    103,
    107,
  ];
  const product = [...primes, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167].reduce(
    (all, one) => all * BigInt(one),
    2n,
  );
  let modulus = 65_537n ** 33n % product;
  modulus += product * ((1n << 2047n) / product + 1n);
  const octets = Uint8Array.fromHex(modulus.toString(16));
  assert.equal(octets.length, 256);
  const spki = der.sequence(
    der.sequence(der.objectIdentifier("1.2.840.113549.1.1.1"), der.element(der.TAG.null)),
    der.bitString(der.sequence(der.integer(...octets), der.integer(1, 0, 1))),
  );
  refused("ek_key_weak", () => verify([ekCertificate(root, { spki })], { claim: { template: "rsa2048" } }));
});

Deno.test("verifyEk() refuses signatures with SHA-1, and takes RSA, RSA-PSS and ECDSA with SHA-2", () => {
  const rsaRoot = authority(undefined, { keys: rsaKeys(), signing: "rsa-sha256" });
  const trust = trustIn([root, rsaRoot]);
  refused("ek_algorithm_weak", () => verify([ekCertificate(root, { signing: "ecdsa-sha1" })], { trust }));
  refused("ek_algorithm_weak", () => verify([ekCertificate(rsaRoot, { signing: "rsa-sha1" })], { trust }));
  const weakLink = authority(root, { signing: "ecdsa-sha1" });
  refused("ek_algorithm_weak", () => verify([ekCertificate(weakLink), weakLink], { trust }));
  verify([ekCertificate(root, { signing: "ecdsa-sha384" })], { trust });
  verify([ekCertificate(rsaRoot, { signing: "rsa-sha256" })], { trust });
  verify([ekCertificate(rsaRoot, { signing: "rsa-pss-sha256" })], { trust });
  const big = authority(undefined, { keys: eccKeys("P-521"), signing: "ecdsa-sha384" });
  verify([ekCertificate(big, { signing: "ecdsa-sha384" })], { trust: trustIn([big]) });
  const anchored = ekTrustOf([], noRevocations, [readCertificate(weakLink.der)]);
  verify([ekCertificate(weakLink), weakLink], { trust: anchored });
  // A root's own signature vouches for nothing: it may be an old one.
  const old = authority(undefined, { signing: "ecdsa-sha1" });
  verify([ekCertificate(old)], { trust: trustIn([old]) });
  // ECDSA is claimed, the issuer's key is RSA.
  refused("ek_signature_invalid", () => verify([ekCertificate({ ...rsaRoot, keys: root.keys })], { trust }));
});

Deno.test("verifyEk() refuses keys and signatures of kinds that it does not know", () => {
  const odd = (oid: string) =>
    der.sequence(der.sequence(der.objectIdentifier(oid)), der.bitString(new Uint8Array(32)));
  refused("ek_algorithm_unsupported", () => verify([ekCertificate(root, { spki: odd("1.3.101.112") })]));
  const curve = der.sequence(
    der.sequence(der.objectIdentifier("1.2.840.10045.2.1"), der.objectIdentifier("1.3.132.0.10")),
    der.bitString(Uint8Array.of(4, ...new Uint8Array(64))),
  );
  refused("ek_algorithm_unsupported", () => verify([ekCertificate(root, { spki: curve })]));
  const unknown = leaf.der.slice();
  const oid = Uint8Array.fromHex("2a8648ce3d040302");
  for (let at = 0; at < unknown.length - oid.length; at++) {
    if (oid.every((octet, i) => unknown[at + i] === octet)) unknown[at + oid.length - 1] = 0x7e;
  }
  refused("ek_algorithm_unsupported", () => verify([unknown, intermediate]));
  assert.ok(pssParameters(20).length > 0);
});

Deno.test("verifyEk() takes an RSA key that is certified for OAEP only, as the same key", () => {
  const keys = rsaKeys();
  const spki = spkiOf(keys);
  const bits = new der.DerReader(spki).enter();
  bits.read();
  const oaep = der.sequence(
    der.sequence(der.objectIdentifier("1.2.840.113549.1.1.7"), der.sequence()),
    bits.read().whole,
  );
  const certificate = ekCertificate(root, {
    spki: oaep,
    extensions: [...ekExtensions(["2.5.29.15"]), keyUsage(2)],
  });
  assert.deepEqual(verify([certificate], { claim: { template: "rsa2048" } }).ekSpki, spki);
});

Deno.test("verifyEk() refuses long chains, many certificates and long ones", () => {
  const chain = [root];
  while (chain.length < maxChainCertificates) chain.unshift(authority(chain[0]));
  const [lowest, ...above] = chain;
  verify([ekCertificate(above[0]), ...above]);
  refused("ek_chain_too_long", () => verify([ekCertificate(lowest), ...chain.slice(0, -1)]));
  refused("ek_chain_too_long", () => verify(Array.from({ length: maxChainCertificates + 1 }, () => leaf)));
  const long = followedBy(leaf.der, new Uint8Array(maxCertificateBytes));
  refused("ek_certificate_oversized", () => verify([long, intermediate]));
  refused("ek_certificate_oversized", () => verify([leaf, long]));
});

Deno.test("verifyEk() ends when authorities vouch for each other in circles", () => {
  const keys = Array.from({ length: 3 }, () => eccKeys());
  const names = ["circle a", "circle b", "circle c"];
  const issuers = names.map((name, i) => ({ name, keys: keys[i], der: new Uint8Array() }));
  const circle = issuers.flatMap((issuer) =>
    issuers.map(({ name, keys }) => authority(issuer, { subject: name, keys }))
  );
  const inCircle = ekCertificate(issuers[0]);
  assert.throws(
    () => verify([inCircle, ...circle.slice(0, 7)]),
    (error: { code: string }) => /^ek_chain_(untrusted|incomplete|too_long)$/.test(error.code),
  );
  const namesakes = Array.from({ length: 40 }, () => authority(root, { subject: names[0] }));
  const crowded = {
    ...trust,
    intermediates: [...circle, ...namesakes].map((one) => readCertificate(one.der)),
  };
  refused("ek_chain_too_long", () => verify([inCircle], { trust: crowded }));
});

Deno.test("verifyEk() refuses what is no certificate, and certificates that are not as strict as DER", () => {
  const bad: readonly Uint8Array[] = [
    new Uint8Array(0),
    utf8("-----BEGIN CERTIFICATE-----"),
    Uint8Array.of(0x30),
    Uint8Array.of(0x30, 0x80, 0, 0),
    leaf.der.subarray(0, leaf.der.length - 1),
    leaf.der.subarray(1),
    followedBy(Uint8Array.of(0x30, 0x83, 0, leaf.der[2], leaf.der[3]), leaf.der.subarray(4)),
  ];
  for (const bytes of bad) refused("ek_certificate_malformed", () => verify([bytes]));
  refused("ek_certificate_malformed", () => verify([]));
  const fields = new der.DerReader(leaf.der).enter();
  const [body, algorithm, signature] = [fields.read().whole, fields.read().whole, fields.read().whole];
  const other = der.sequence(der.objectIdentifier("1.2.840.10045.4.3.3"));
  refused("ek_certificate_malformed", () => verify([der.sequence(body, other, signature), intermediate]));
  refused(
    "ek_certificate_malformed",
    () => verify([der.sequence(body, algorithm, signature, other), intermediate]),
  );
});

Deno.test("verifyEk() refuses a template that does not exist, and one that the certificate's key is not from", () => {
  for (const template of ["", "rsa1024", "toString", "P256"]) {
    refused("ek_template_unsupported", () => verify([leaf, intermediate], { claim: { template } }));
  }
  for (const template of ["rsa2048", "p384"]) {
    refused("ek_template_mismatch", () => verify([leaf, intermediate], { claim: { template } }));
  }
  const large = ekCertificate(root, { keys: rsaKeys(3072) });
  refused("ek_template_mismatch", () => verify([large], { claim: { template: "rsa2048" } }));
});

Deno.test("verifyEk() refuses the certificate of another key, and a public area that is not the template's", () => {
  const { ekPublic } = verify([leaf, intermediate]);
  verify([leaf, intermediate], { claim: { ekPublic } });
  const other = verify([ekCertificate(root)]).ekPublic;
  refused("ek_key_mismatch", () => verify([leaf, intermediate], { claim: { ekPublic: other } }));
  const altered = [
    { ...ekPublic, attributes: ekPublic.attributes & ~(1 << 16) },
    { ...ekPublic, authPolicy: new Uint8Array(0) },
    { ...ekPublic, symmetric: { keyBits: 256 } as const },
    { ...ekPublic, nameAlg: "sha384" as const },
  ];
  for (const area of altered) {
    refused("ek_template_altered", () => verify([leaf, intermediate], { claim: { ekPublic: area } }));
  }
});
