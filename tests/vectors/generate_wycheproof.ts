/**
 * Writes tests/vectors/wycheproof_*.json: small files in Wycheproof's schemas, made by node:crypto and the noble libraries.
 * Run with `deno run -A tests/vectors/generate_wycheproof.ts`. All bytes come from labels, so the files are reproducible.
 */
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { x25519 } from "@noble/curves/ed25519.js";
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";
import { hkdf } from "npm:@noble/hashes@2.4.0/hkdf.js";
import { sha256 } from "npm:@noble/hashes@2.4.0/sha2.js";
import { createHash } from "node:crypto";
import { toHex } from "../../src/bytes/mod.ts";

type Test = { comment: string; result: "valid" | "invalid" | "acceptable"; [field: string]: unknown };

/** Bytes that depend on the label only. */
function derived(label: string, bytes: number): Uint8Array {
  const parts = Array.from(
    { length: Math.ceil(bytes / 32) },
    (_, i) => createHash("sha256").update(`wycheproof vectors: ${label} ${i}`).digest(),
  );
  return new Uint8Array(parts.flatMap((part) => [...part])).subarray(0, bytes);
}

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = bytes.slice();
  copy[bit >> 3] ^= 1 << (bit & 7);
  return copy;
}

function write(name: string, algorithm: string, group: object, tests: Test[]): void {
  const file = {
    algorithm,
    numberOfTests: tests.length,
    testGroups: [{ ...group, tests: tests.map((test, i) => ({ tcId: i + 1, flags: [], ...test })) }],
  };
  const path = new URL(`./wycheproof_${name}.json`, import.meta.url);
  Deno.writeTextFileSync(path, `${JSON.stringify(file, null, 2)}\n`);
}

function aead(length: number, adLength: number, change: Partial<Record<"bit" | "iv", number>> = {}): Test {
  const label = `aead ${length} ${adLength}`;
  const [key, msg, aad] = [
    derived(`${label} key`, 32),
    derived(`${label} msg`, length),
    derived(label, adLength),
  ];
  const iv = derived(`${label} iv`, 12);
  const sealed = chacha20poly1305(key, iv, aad).encrypt(msg);
  const tag = sealed.subarray(length);
  return {
    comment: `${length} bytes`,
    key: toHex(key),
    iv: toHex(change.iv === undefined ? iv : derived(label, change.iv)),
    aad: toHex(aad),
    msg: toHex(msg),
    ct: toHex(sealed.subarray(0, length)),
    tag: toHex(change.bit === undefined ? tag : flipped(tag, change.bit)),
    result: change.bit === undefined && change.iv === undefined ? "valid" : "invalid",
  };
}

write(
  "chacha20_poly1305",
  "CHACHA20-POLY1305",
  { type: "AeadTest", ivSize: 96, keySize: 256, tagSize: 128 },
  [
    ...[0, 1, 16, 63, 64, 65, 200, 256, 512, 1025].map((length) => aead(length, length % 33)),
    ...[0, 31, 64, 127].map((bit) => aead(20, 5, { bit })),
    ...[0, 8, 24].map((iv) => aead(20, 5, { iv })),
  ],
);

write(
  "x25519",
  "XDH",
  { type: "XdhComp", curve: "curve25519" },
  [0, 1, 2, 3].map((i): Test => {
    const [own, peer] = [
      derived(`x25519 own ${i}`, 32),
      x25519.getPublicKey(derived(`x25519 peer ${i}`, 32)),
    ];
    return {
      comment: "normal",
      public: toHex(peer),
      private: toHex(own),
      shared: toHex(x25519.getSharedSecret(own, peer)),
      result: "valid",
    };
  }).concat([0, 1].map((low): Test => ({
    comment: "low order",
    public: toHex(Uint8Array.of(low, ...new Uint8Array(31))),
    private: toHex(derived("x25519 low", 32)),
    shared: "00".repeat(32),
    result: "acceptable",
  }))),
);

write("hkdf_sha256", "HKDF-SHA-256", { type: "HkdfTest", keySize: 256 }, [
  ...[1, 32, 33, 100, 8160].map((size, i): Test => {
    const [ikm, salt, info] = [derived("ikm", 32), derived("salt", 8 * i), derived("info", 11 * i)];
    return {
      comment: `${size} bytes`,
      ikm: toHex(ikm),
      salt: toHex(salt),
      info: toHex(info),
      size,
      okm: toHex(hkdf(sha256, ikm, salt, info, size)),
      result: "valid",
    };
  }),
  { comment: "too long", ikm: "00".repeat(32), salt: "", info: "", size: 8161, okm: "", result: "invalid" },
]);

const seed = derived("ml-kem", 64);
const { publicKey, secretKey } = ml_kem768.keygen(seed);
const message = derived("ml-kem message", 32);
const { cipherText, sharedSecret } = ml_kem768.encapsulate(publicKey, message);
const kem = { seed: toHex(seed), ek: toHex(publicKey), c: toHex(cipherText), K: toHex(sharedSecret) };
const other = flipped(cipherText, 100);

write("mlkem_768", "ML-KEM", { type: "MLKEMTest", parameterSet: "ML-KEM-768" }, [
  { comment: "normal", ...kem, result: "valid" },
  {
    comment: "implicit rejection",
    ...kem,
    c: toHex(other),
    K: toHex(ml_kem768.decapsulate(other, secretKey)),
    result: "valid",
  },
  { comment: "short ciphertext", ...kem, c: kem.c.slice(2), result: "invalid" },
  { comment: "short seed", ...kem, seed: kem.seed.slice(2), result: "invalid" },
]);

write("mlkem_768_encaps", "ML-KEM", { type: "MLKEMEncapsTest", parameterSet: "ML-KEM-768" }, [
  { comment: "normal", ek: kem.ek, m: toHex(message), c: kem.c, K: kem.K, result: "valid" },
  {
    comment: "not reduced",
    ek: `ffffff${kem.ek.slice(6)}`,
    m: toHex(message),
    c: "",
    K: "",
    result: "invalid",
  },
  { comment: "short", ek: kem.ek.slice(2), m: toHex(message), c: "", K: "", result: "invalid" },
]);

write("mlkem_768_keygen", "ML-KEM", { type: "MLKEMKeyGen", parameterSet: "ML-KEM-768" }, [
  { comment: "normal", seed: kem.seed, ek: kem.ek, dk: toHex(secretKey), result: "valid" },
]);
