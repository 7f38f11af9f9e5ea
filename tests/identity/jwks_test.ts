import assert from "node:assert/strict";
import { exportJWK, generateKeyPair } from "jose";
import { readHmacSecrets, readJwks } from "../../src/identity/mod.ts";
import { refusedWith } from "./support.ts";

async function publicJwk(alg: string): Promise<Record<string, unknown>> {
  const { publicKey } = await generateKeyPair(alg, { extractable: true });
  return { ...await exportJWK(publicKey) };
}

Deno.test("readJwks() pins each key to the algorithm of its curve, and passes over what is for something else", async () => {
  const ed = await publicJwk("EdDSA");
  const ec = await publicJwk("ES256");
  const keys = await readJwks({
    keys: [
      { ...ed, kid: "ed" },
      { ...ec, kid: "ec", alg: "ES256", use: "sig", key_ops: ["verify"], x5t: "ignored" },
      { ...ed, kid: "enc", use: "enc" },
      { ...ed, kid: "ops", key_ops: ["deriveBits"] },
      { ...ec, kid: "other", alg: "ES384" },
      { ...ed }, // no id
      { ...await publicJwk("RS256"), kid: "rsa" },
      { ...await publicJwk("ES384"), kid: "p384" },
    ],
  });
  assert.deepEqual([...keys].map(([kid, { alg }]) => [kid, alg]), [["ed", "EdDSA"], ["ec", "ES256"]]);
});

Deno.test("readJwks() refuses what is no set, secret keys, ids that are there twice and sets without a key: jwks_invalid", async () => {
  const ed = { x: "", ...await publicJwk("EdDSA"), kid: "ed" };
  const many = Array.from({ length: 65 }, (_, index) => ({ ...ed, kid: `k${index}` }));
  const { privateKey } = await generateKeyPair("EdDSA", { extractable: true });
  const bad: unknown[] = [
    undefined,
    null,
    [],
    {},
    { keys: ed },
    { keys: [] },
    { keys: [1] },
    { keys: many },
    { keys: [ed, ed] },
    { keys: [{ ...await exportJWK(privateKey), kid: "private" }] },
    { keys: [ed, { kty: "oct", k: "c2VjcmV0", kid: "shared" }] },
    { keys: [{ ...ed, x: `${ed.x}A` }] },
    { keys: [{ ...ed, x: "_".repeat(43) }] },
  ];
  for (const set of bad) await refusedWith("jwks_invalid", readJwks(set));
});

Deno.test("readHmacSecrets() takes one to four lines of at least 32 bytes, and names no secret: hmac_secret_weak", async () => {
  const secret = "s".repeat(32);
  assert.equal((await readHmacSecrets(`\n  ${secret}\r\n${secret}2\n`)).length, 2);
  assert.equal((await readHmacSecrets("ü".repeat(16))).length, 1, "bytes count");
  for (const text of ["", "\n", "s".repeat(31), `${secret}\nshort`, `${secret}\n`.repeat(5)]) {
    await assert.rejects(readHmacSecrets(text), (error: Error) => {
      assert.equal((error as Error & { code: string }).code, "hmac_secret_weak");
      assert.ok(!error.message.includes("short") && !error.message.includes("sss"), error.message);
      return true;
    });
  }
});
