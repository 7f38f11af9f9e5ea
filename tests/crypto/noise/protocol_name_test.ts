import assert from "node:assert/strict";
import {
  NOISE_XK_25519_CHACHAPOLY_SHA256,
  NOISE_XKHFS_25519_MLKEM768_CHACHAPOLY_SHA256,
  NOISE_XXHFS_PSK3_25519_MLKEM768_CHACHAPOLY_SHA256,
  NOISE_XXPSK3_25519_CHACHAPOLY_SHA256,
  parseProtocolName,
} from "../../../src/crypto/mod.ts";
import { code, complete, pair } from "./pair.ts";

Deno.test("parseProtocolName() takes classical and hybrid names apart", () => {
  const { pattern, ...classical } = parseProtocolName("Noise_XXpsk3_448_AESGCM_BLAKE2b");
  assert.equal(pattern.name, "XXpsk3");
  assert.deepEqual(classical, {
    name: "Noise_XXpsk3_448_AESGCM_BLAKE2b",
    dh: "448",
    kem: null,
    cipher: "AESGCM",
    hash: "BLAKE2b",
  });
  const hybrid = parseProtocolName("Noise_XKhfs_25519+MLKEM768_ChaChaPoly_SHA256");
  assert.deepEqual([hybrid.dh, hybrid.kem, hybrid.pattern.hfs], ["25519", "MLKEM768", true]);
});

Deno.test("the exported protocol names can be run", () => {
  for (
    const name of [
      NOISE_XK_25519_CHACHAPOLY_SHA256,
      NOISE_XKHFS_25519_MLKEM768_CHACHAPOLY_SHA256,
      NOISE_XXHFS_PSK3_25519_MLKEM768_CHACHAPOLY_SHA256,
      NOISE_XXPSK3_25519_CHACHAPOLY_SHA256,
    ]
  ) {
    assert.equal(complete(pair(name)).length, 3);
  }
});

Deno.test("parseProtocolName() refuses malformed names", () => {
  for (
    const name of [
      "",
      "Noise",
      "Noise_XX_25519_ChaChaPoly",
      "Noise_XX_25519_ChaChaPoly_SHA256_",
      "noise_XX_25519_ChaChaPoly_SHA256",
      "Noise_XX_25519_ChaCha Poly_SHA256",
      "Noise_XX_25519_ChaChaPoly_SHA256\n",
      `Noise_XX_25519_ChaChaPoly_${"S".repeat(300)}`,
    ]
  ) {
    assert.throws(() => parseProtocolName(name), code("noise_name_malformed"), name);
  }
});

Deno.test("parseProtocolName() refuses hfs without a KEM and a KEM without hfs", () => {
  for (const name of ["Noise_XXhfs_25519_ChaChaPoly_SHA256", "Noise_XX_25519+MLKEM768_ChaChaPoly_SHA256"]) {
    assert.throws(() => parseProtocolName(name), code("noise_protocol_unsupported"));
  }
});
