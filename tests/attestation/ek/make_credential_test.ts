import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createECDH, createPrivateKey } from "node:crypto";
import { EK_TEMPLATES, makeCredential, noRevocations, verifyEk } from "../../../src/attestation/ek/mod.ts";
import { ekTrustOf, readCertificateFile } from "../../../src/attestation/ek/mod.ts";
import {
  decodeTpm,
  encodeTpm,
  tpmName,
  type TpmPublic,
  TPMT_PUBLIC,
} from "../../../src/attestation/tpm/mod.ts";
import { concat, toBase64Url } from "../../../src/bytes/mod.ts";
import { systemRandom } from "../../../src/driver/mod.ts";
import { activateCredential } from "../../reference/activate_credential.ts";
import { Swtpm } from "../../support/swtpm.ts";
import { eccKeys, rsaKeys } from "../../support/hostile_authority.ts";

const kinds = ["rsa2048", "p256", "p384"] as const;
/** Private keys whose public points have an x with leading zeros. */
const shortX = { p256: [379, 552], p384: [197, 234] } as const;
/** Randomness that makes this private key. */
const scalar = (value: number) => (bytes: number) => {
  const out = new Uint8Array(bytes);
  new DataView(out.buffer).setUint32(bytes - 4, value);
  return out;
};
const nothing = new Uint8Array(0);
const name = concat(Uint8Array.of(0, 0x0b), new Uint8Array(32).fill(7));

function areaOf(kind: (typeof kinds)[number]): TpmPublic {
  const { area } = EK_TEMPLATES[kind];
  if (area.type === "rsa") {
    const { n } = rsaKeys().publicKey.export({ format: "jwk" });
    return { ...area, modulus: Uint8Array.fromBase64(n!, { alphabet: "base64url" }) };
  }
  const { x, y } = eccKeys(area.curve === "p256" ? "P-256" : "P-384").publicKey.export({ format: "jwk" });
  const decode = (text: string) => Uint8Array.fromBase64(text, { alphabet: "base64url" });
  return { ...area, x: decode(x!), y: decode(y!) };
}

Deno.test("makeCredential() refuses secrets and names that no TPM takes, and keys that are none", () => {
  for (const kind of kinds) {
    const area = areaOf(kind);
    const most = kind === "p384" ? 48 : 32;
    for (const bytes of [0, most + 1]) {
      assert.throws(() => makeCredential(area, name, new Uint8Array(bytes), systemRandom), RangeError);
    }
    for (const wrong of [nothing, name.subarray(1, 34), new Uint8Array(67)]) {
      assert.throws(() => makeCredential(area, wrong, new Uint8Array(1), systemRandom), RangeError);
    }
    const { area: template } = EK_TEMPLATES[kind];
    assert.throws(() => makeCredential(template, name, new Uint8Array(1), systemRandom), {
      code: kind === "rsa2048" ? "tpm_key_invalid" : "tpm_key_off_curve",
    });
    assert.throws(
      () => makeCredential({ ...area, symmetric: null }, name, new Uint8Array(1), systemRandom),
      RangeError,
    );
  }
});

Deno.test("makeCredential() draws an ephemeral key again that is out of range, a few times", () => {
  const area = areaOf("p256");
  let draws = 0;
  makeCredential(
    area,
    name,
    new Uint8Array(32),
    (bytes) => new Uint8Array(bytes).fill(draws++ < 2 ? 0xff : 1),
  );
  assert.equal(draws, 3);
  assert.throws(
    () => makeCredential(area, name, new Uint8Array(32), (bytes) => new Uint8Array(bytes)),
    RangeError,
  );
});

Deno.test("makeCredential() gives the same for the same ephemeral key, and hides the secret's bytes", () => {
  const area = areaOf("p384");
  const secret = new Uint8Array(48).fill(0x55);
  const make = (fill: number) =>
    makeCredential(area, name, secret, (bytes) => new Uint8Array(bytes).fill(fill));
  assert.deepEqual(make(1), make(1));
  assert.notDeepEqual(make(1), make(2));
  assert.equal(make(1).credentialBlob.toHex().includes("5555"), false);
  // TPM2B of the integrity, then the encrypted TPM2B of the secret; a point of two coordinates.
  assert.equal(make(1).credentialBlob.length, 2 + 48 + 2 + 48);
  assert.equal(make(1).encryptedSecret.length, 2 + 48 + 2 + 48);
});

Deno.test("makeCredential() pads coordinates to the width of the field: what it makes opens by the letter of the standard", () => {
  for (const kind of ["p256", "p384"] as const) {
    const [bytes, curve] = kind === "p256" ? [32, "P-256"] as const : [48, "P-384"] as const;
    const [first, second] = shortX[kind];
    // The EK, the ephemeral key, and what both agree on (first times one) have an x with leading zeros.
    for (const [own, ephemeral] of [[first, second], [1, first], [first, 1], [5, 7]]) {
      const ecdh = createECDH(kind === "p256" ? "prime256v1" : "secp384r1");
      ecdh.setPrivateKey(Buffer.from(scalar(own)(bytes)));
      const point = new Uint8Array(ecdh.getPublicKey());
      const [x, y] = [point.slice(1, 1 + bytes), point.slice(1 + bytes)];
      const jwk = {
        kty: "EC",
        crv: curve,
        x: toBase64Url(x),
        y: toBase64Url(y),
        d: toBase64Url(scalar(own)(bytes)),
      };
      const privateKey = createPrivateKey({ key: jwk, format: "jwk" });
      const area = { ...EK_TEMPLATES[kind].area, x, y } as TpmPublic;
      const secret = systemRandom(bytes);
      const credential = makeCredential(area, name, secret, scalar(ephemeral));
      assert.equal(activateCredential({ privateKey, curve }, name, credential).toHex(), secret.toHex());
      assert.throws(
        () => activateCredential({ privateKey, curve }, name.with(5, 1), credential),
        /INTEGRITY/,
      );
    }
  }
});

for (const kind of kinds) {
  Deno.test(`a TPM activates what makeCredential() makes for its ${kind} key, and only that`, async () => {
    await using tpm = await Swtpm.start({ eks: [kind] });
    const trust = ekTrustOf(
      (await Promise.all(
        ["root.pem", "intermediate.pem"].map(async (file) =>
          readCertificateFile(await Deno.readFile(`${tpm.rootsDirectory}/${file}`), file)
        ),
      )).flat(),
      noRevocations,
    );
    const nowMs = Date.now();
    const ek = verifyEk({ certificates: [tpm.certificates[kind]!], template: kind }, trust, nowMs);
    assert.match(ek.manufacturer, /^id:/);
    assert.equal(ek.model, "swtpm");

    await makeEk(tpm, kind);
    await tpm.tool("readpublic", "-c", "ek.ctx", "-o", "ek.tpmt", "-f", "tpmt");
    const own = decodeTpm(TPMT_PUBLIC, await Deno.readFile(tpm.file("ek.tpmt")));
    assert.deepEqual(encodeTpm(TPMT_PUBLIC, ek.ekPublic), encodeTpm(TPMT_PUBLIC, own));
    const said = { certificates: [tpm.certificates[kind]!], template: kind, ekPublic: own };
    assert.equal(verifyEk(said, trust, nowMs).ekSha256, ek.ekSha256);

    await tpm.tool(
      ...["createprimary", "-C", "e", "-G", "ecc256:ecdsa-sha256:null", "-c", "ak.ctx"] as const,
      ...["-a", "restricted|sign|fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda"],
    );
    await tpm.tool("readpublic", "-c", "ak.ctx", "-o", "ak.tpmt", "-f", "tpmt", "-n", "ak.name");
    const akName = tpmName(decodeTpm(TPMT_PUBLIC, await Deno.readFile(tpm.file("ak.tpmt"))));
    assert.deepEqual(akName, new Uint8Array(await Deno.readFile(tpm.file("ak.name"))));
    await tpm.tool("flushcontext", "-t");

    const most = kind === "p384" ? 48 : 32;
    for (const bytes of [1, 32, most]) {
      const secret = systemRandom(bytes);
      await write(tpm, makeCredential(ek.ekPublic, akName, secret, systemRandom));
      assert.deepEqual(await activate(tpm, kind), secret);
    }

    if (kind !== "rsa2048") {
      const secret = systemRandom(most);
      await write(tpm, makeCredential(ek.ekPublic, akName, secret, scalar(shortX[kind][0])));
      assert.deepEqual(await activate(tpm, kind), secret, "a coordinate with leading zeros");
    }

    const secret = systemRandom(32);
    const good = makeCredential(ek.ekPublic, akName, secret, systemRandom);
    const otherName = akName.slice();
    otherName[40 % otherName.length] ^= 1;
    const flip = (bytes: Uint8Array<ArrayBuffer>) => bytes.with(bytes.length - 1, bytes.at(-1)! ^ 1);
    const bad = [
      makeCredential(ek.ekPublic, otherName, secret, systemRandom),
      makeCredential(areaOf(kind), akName, secret, systemRandom),
      { ...good, credentialBlob: flip(good.credentialBlob) },
      { ...good, encryptedSecret: flip(good.encryptedSecret) },
    ];
    for (const credential of bad) {
      await write(tpm, credential);
      await assert.rejects(activate(tpm, kind), /activatecredential/);
    }
    await write(tpm, good);
    assert.deepEqual(await activate(tpm, kind), secret);

    // The tools' own maker has the same form, and the same lengths.
    await Deno.writeFile(tpm.file("secret"), secret);
    await tpm.tool("readpublic", "-c", "ek.ctx", "-o", "ek.tss");
    await tpm.tool(
      ...[
        "makecredential",
        "-u",
        "ek.tss",
        "-s",
        "secret",
        "-n",
        akName.toHex(),
        "-o",
        "credential",
      ] as const,
    );
    assert.deepEqual(await activate(tpm, kind), secret);
    const theirs = await Deno.readFile(tpm.file("credential"));
    await write(tpm, good);
    assert.equal(theirs.length, (await Deno.readFile(tpm.file("credential"))).length);
  });
}

/** The endorsement key at `ek.ctx`. */
async function makeEk(tpm: Swtpm, kind: (typeof kinds)[number]): Promise<void> {
  if (kind !== "p384") {
    await tpm.tool("createek", "-G", kind === "p256" ? "ecc" : "rsa", "-c", "ek.ctx");
  } else {
    await Deno.writeFile(tpm.file("policy"), EK_TEMPLATES.p384.area.authPolicy);
    await tpm.tool(
      ...["createprimary", "-C", "e", "-g", "sha384", "-G", "ecc384:null:aes256cfb", "-L", "policy"] as const,
      ...["-c", "ek.ctx", "-a"],
      "restricted|decrypt|fixedtpm|fixedparent|sensitivedataorigin|userwithauth|adminwithpolicy",
    );
  }
  await tpm.tool("flushcontext", "-t");
}

/** In the file format of tpm2-tools: magic, version, TPM2B_ID_OBJECT, TPM2B_ENCRYPTED_SECRET. */
async function write(
  tpm: Swtpm,
  { credentialBlob, encryptedSecret }: ReturnType<typeof makeCredential>,
): Promise<void> {
  const sized = (bytes: Uint8Array) => concat(Uint8Array.of(bytes.length >> 8, bytes.length & 0xff), bytes);
  const header = Uint8Array.fromHex("badcc0de00000001");
  await Deno.writeFile(tpm.file("credential"), concat(header, sized(credentialBlob), sized(encryptedSecret)));
}

async function activate(tpm: Swtpm, kind: (typeof kinds)[number]): Promise<Uint8Array> {
  const auth: string[] = [];
  if (EK_TEMPLATES[kind].needsPolicy) {
    await tpm.tool("startauthsession", "--policy-session", "-S", "session.ctx");
    await tpm.tool("policysecret", "-S", "session.ctx", "-c", "e");
    auth.push("-P", "session:session.ctx");
  }
  try {
    await tpm.tool(
      "activatecredential",
      "-c",
      "ak.ctx",
      "-C",
      "ek.ctx",
      "-i",
      "credential",
      "-o",
      "opened",
      ...auth,
    );
    return new Uint8Array(await Deno.readFile(tpm.file("opened")));
  } finally {
    if (auth.length > 0) await tpm.tool("flushcontext", "session.ctx");
    await tpm.tool("flushcontext", "-t");
  }
}
