import assert from "node:assert/strict";
import { concat, toHex } from "../../../src/bytes/mod.ts";
import {
  checkAkPublic,
  encodeTpm,
  endorsementHierarchy,
  qualifiedName,
  type TpmEccPublic,
  tpmHash,
  tpmName,
  TpmObject,
  type TpmPublic,
  type TpmRsaPublic,
  TPMT_PUBLIC,
} from "../../../src/attestation/tpm/mod.ts";
import type { ErrorCode } from "../../../src/errors/mod.ts";
import { RogueTpm } from "../../support/rogue_tpm.ts";

const ecc = new RogueTpm().publicArea as TpmEccPublic;
const rsa = new RogueTpm({ algorithm: "rsapss" }).publicArea as TpmRsaPublic;

function refuses(key: TpmPublic, code: ErrorCode): void {
  assert.throws(() => checkAkPublic(encodeTpm(TPMT_PUBLIC, key)), { code });
}

Deno.test("checkAkPublic() accepts each supported scheme and gives name, scheme and key", () => {
  for (const algorithm of ["ecdsa", "rsassa", "rsapss"] as const) {
    for (const hash of ["sha256", "sha384", "sha512"] as const) {
      const tpm = new RogueTpm({ algorithm, hash, curve: hash === "sha256" ? "p256" : "p384" });
      const ak = checkAkPublic(tpm.akPublic);
      assert.deepEqual(ak.publicArea, tpm.publicArea);
      assert.deepEqual(ak.scheme, { algorithm, hash });
      assert.equal(toHex(ak.name), `000b${toHex(tpmHash("sha256", tpm.akPublic))}`);
      assert.equal(ak.key.asymmetricKeyType, algorithm === "ecdsa" ? "ec" : "rsa");
    }
  }
});

Deno.test("checkAkPublic() asks for each attribute of an attestation key", () => {
  const demands: [number, ErrorCode][] = [
    [TpmObject.restricted, "ak_not_restricted"],
    [TpmObject.sign, "ak_not_signing"],
    [TpmObject.decrypt, "ak_can_decrypt"],
    [TpmObject.fixedTPM, "ak_not_fixed_tpm"],
    [TpmObject.fixedParent, "ak_not_fixed_parent"],
    [TpmObject.sensitiveDataOrigin, "ak_origin_unknown"],
  ];
  for (const [bit, code] of demands) {
    for (const key of [ecc, rsa]) refuses({ ...key, attributes: key.attributes ^ bit }, code);
  }
});

Deno.test("checkAkPublic() does not ask how a key is authorized", () => {
  const { userWithAuth, adminWithPolicy, noDA, stClear } = TpmObject;
  for (const bit of [userWithAuth, adminWithPolicy, noDA, stClear]) {
    checkAkPublic(encodeTpm(TPMT_PUBLIC, { ...ecc, attributes: ecc.attributes ^ bit }));
  }
});

Deno.test("checkAkPublic() refuses a key with a cipher or without a scheme", () => {
  refuses({ ...ecc, symmetric: { keyBits: 128 } }, "ak_can_decrypt");
  refuses({ ...ecc, scheme: null }, "ak_scheme_missing");
  refuses({ ...rsa, scheme: null }, "ak_scheme_missing");
});

Deno.test("checkAkPublic() refuses RSA-1024, exponents other than 65537, and a modulus that is none", () => {
  refuses(new RogueTpm({ algorithm: "rsassa", keyBits: 1024 }).publicArea, "ak_modulus_short");
  refuses(new RogueTpm({ algorithm: "rsassa", exponent: 3 }).publicArea, "ak_exponent_weak");
  for (const exponent of [1, 3, 17, 65_539]) refuses({ ...rsa, exponent }, "ak_exponent_weak");
  checkAkPublic(encodeTpm(TPMT_PUBLIC, { ...rsa, exponent: 65_537 }));
  refuses({ ...rsa, modulus: rsa.modulus.slice(1) }, "tpm_key_invalid");
  refuses({ ...rsa, modulus: new Uint8Array(256) }, "tpm_key_invalid");
});

Deno.test("checkAkPublic() refuses points that are not on their curve, before they are used", () => {
  const y = ecc.y.slice();
  y[0] ^= 1;
  refuses({ ...ecc, y }, "tpm_key_off_curve");
  refuses({ ...ecc, x: new Uint8Array(), y: new Uint8Array() }, "tpm_key_off_curve");
  refuses({ ...ecc, curve: "p384" }, "tpm_key_off_curve");
});

Deno.test("checkAkPublic() refuses SHA-1, bytes behind the key, and a key cut short", () => {
  const bytes = encodeTpm(TPMT_PUBLIC, ecc);
  assert.throws(() => checkAkPublic(concat(bytes, Uint8Array.of(0))), { code: "tpm_structure_trailing" });
  assert.throws(() => checkAkPublic(bytes.subarray(0, -1)), { code: "tpm_structure_truncated" });
  assert.throws(() => checkAkPublic(new Uint8Array()), { code: "tpm_structure_truncated" });
  const sha1Scheme = bytes.slice();
  sha1Scheme[15] = 4;
  assert.throws(() => checkAkPublic(sha1Scheme), { code: "tpm_hash_weak" });
});

Deno.test("qualifiedName() of a primary key joins the hierarchy's handle and the key's name", () => {
  assert.equal(toHex(endorsementHierarchy()), "4000000b");
  const joined = tpmHash("sha256", endorsementHierarchy(), tpmName(ecc));
  assert.equal(toHex(qualifiedName(ecc, endorsementHierarchy())), `000b${toHex(joined)}`);
});
