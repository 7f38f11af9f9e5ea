import assert from "node:assert/strict";
import fc from "fast-check";
import { codeOf } from "../../src/errors/mod.ts";
import { makeCsr, maxCsrBytes, readCsr } from "../../src/pki/mod.ts";
import { makeKeys } from "../support/made_cluster.ts";
import { Process } from "../support/process.ts";
import { TempDir } from "../support/temp_dir.ts";

const id = { trustDomain: "tunnel.test", role: "connector", id: "c1" } as const;
const uri = "spiffe://tunnel.test/connector/c1";

function refused(code: string, bytes: Uint8Array): void {
  assert.throws(() => readCsr(bytes), (error) => (assert.equal(codeOf(error), code), true));
}

async function opensslCsr(folder: TempDir, ...args: string[]): Promise<Uint8Array> {
  const path = folder.file("x.csr");
  const { code, stderr } = await Process.run("openssl", {
    args: ["req", "-new", "-nodes", "-subj", "/CN=c1", "-outform", "DER", "-keyout", folder.file("x.key")]
      .concat(["-out", path, ...args]),
  });
  assert.equal(code, 0, stderr);
  return await Deno.readFile(path);
}

Deno.test("readCsr() gives the key and the asked names of requests, ours and those of openssl", async () => {
  const keys = await makeKeys();
  assert.deepEqual(readCsr(await makeCsr(keys, id)), { publicKey: keys.spki, uris: [uri] });
  assert.deepEqual(readCsr(await makeCsr(keys)).uris, []);
  await using folder = await TempDir.make("csr");
  const p256 = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
  assert.deepEqual(readCsr(await opensslCsr(folder, ...p256, "-addext", `subjectAltName=URI:${uri}`)).uris, [
    uri,
  ]);
  assert.deepEqual(readCsr(await opensslCsr(folder, ...p256)).uris, []);
  await folder.write("ours.csr", await makeCsr(keys, id));
  const { code, stdout } = await Process.run("openssl", {
    args: ["req", "-inform", "DER", "-in", folder.file("ours.csr"), "-verify", "-noout", "-text"],
  });
  assert.equal(code, 0);
  assert.match(stdout, /URI:spiffe:\/\/tunnel\.test\/connector\/c1/);
});

Deno.test("readCsr() refuses other keys, too many bytes and what is no request", async () => {
  await using folder = await TempDir.make("csr");
  refused("csr_key_unsupported", await opensslCsr(folder, "-newkey", "rsa:2048"));
  refused("csr_key_unsupported", await opensslCsr(folder, "-newkey", "ed25519"));
  refused(
    "csr_key_unsupported",
    await opensslCsr(folder, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"),
  );
  refused("csr_oversized", new Uint8Array(maxCsrBytes + 1));
  refused("csr_malformed", new Uint8Array(0));
  const csr = await makeCsr(await makeKeys());
  refused("csr_malformed", new Uint8Array([...csr, 0]));
});

Deno.test("readCsr() refuses a request for somebody else's key: csr_proof_invalid", async () => {
  const mine = await makeKeys();
  const theirs = await makeKeys();
  refused(
    "csr_proof_invalid",
    await makeCsr({ privateKey: mine.privateKey, publicKey: theirs.publicKey }, id),
  );
});

Deno.test("readCsr() refuses whatever is broken, with one of its codes", async () => {
  const csr = await makeCsr(await makeKeys(), id);
  fc.assert(
    fc.property(fc.nat(csr.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const broken = new Uint8Array(csr);
      broken[at] ^= flip;
      assert.throws(() => readCsr(broken), (error) => (assert.match(codeOf(error), /^csr_/), true));
    }),
    { numRuns: 300 },
  );
});
