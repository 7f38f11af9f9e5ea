import assert from "node:assert/strict";
import { AuthorityDirectory } from "../../src/driver/mod.ts";
import { issueAuthority, makeCsr, readCsr, readNodeCertificate, selfSigned } from "../../src/pki/mod.ts";
import { clusterNowMs, MadeCluster, makeKeys } from "../support/made_cluster.ts";
import { TempDir } from "../support/temp_dir.ts";

const validity = { notBeforeMs: clusterNowMs, notAfterMs: clusterNowMs + 86_400_000 };
const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes));

Deno.test("AuthorityDirectory keeps the key of a request until its certificate comes, and no other certificate takes it", async () => {
  await using folder = await TempDir.make("ca");
  const path = folder.file("ca");
  const vault = await AuthorityDirectory.open(path);
  const request = await vault.request((keys) => makeCsr(keys));
  assert.deepEqual(
    await (await AuthorityDirectory.open(path)).request(() => assert.fail("one waits")),
    request,
  );
  for (const name of ["request.key", "request.csr"]) {
    assert.equal((await Deno.stat(`${path}/${name}`)).mode! & 0o777, 0o600);
  }
  const cluster = await MadeCluster.make("tunnel.test");
  const certified = async (key: Uint8Array) =>
    (await issueAuthority(cluster.root, "tunnel.test", key, validity, random)).bytes;
  assert.equal(await vault.adopt(await certified((await makeKeys()).spki)), false);
  const certificate = await certified(readCsr(request).publicKey);
  assert.equal(await vault.adopt(certificate), true);
  assert.equal(await vault.adopt(certificate), true, "again");
  const { sha256 } = readNodeCertificate(certificate);
  assert.ok(await vault.privateKey("issuing", sha256));
  const names = (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name).toSorted();
  assert.deepEqual(names, [`issuing-${sha256.slice(0, 16)}.key`, `issuing-${sha256.slice(0, 16)}.pem`]);
  assert.notDeepEqual(await vault.request((keys) => makeCsr(keys)), request, "the next one is another");
});

Deno.test("AuthorityDirectory keeps keys for this user only, until they are moved away or removed", async () => {
  await using folder = await TempDir.make("ca");
  const path = folder.file("ca");
  const vault = await AuthorityDirectory.open(path);
  assert.deepEqual(await vault.certificates("root"), []);
  const certificate = await vault.make(
    "root",
    async (keys) => (await selfSigned("root", "tunnel.test", keys, validity, random)).bytes,
  );
  const { sha256 } = readNodeCertificate(certificate);
  const reopened = await AuthorityDirectory.open(path);
  assert.deepEqual(await reopened.certificates("root"), [certificate]);
  const key = await reopened.privateKey("root", sha256);
  assert.deepEqual([key?.extractable, key?.usages], [false, ["sign"]]);
  assert.equal(await reopened.privateKey("issuing", sha256), undefined);
  const names = (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name).toSorted();
  assert.deepEqual(names, [`root-${sha256.slice(0, 16)}.key`, `root-${sha256.slice(0, 16)}.pem`]);
  for (const name of names) assert.equal((await Deno.stat(`${path}/${name}`)).mode! & 0o777, 0o600);

  const keyPath = `${path}/${names[0]}`;
  const pem = await Deno.readTextFile(keyPath);
  await Deno.remove(keyPath);
  assert.deepEqual(await reopened.certificates("root"), []);
  assert.equal(await reopened.privateKey("root", sha256), undefined);
  await Deno.writeTextFile(keyPath, pem.replaceAll("A", "B"), { mode: 0o600 });
  await assert.rejects(reopened.privateKey("root", sha256), { code: "ca_state_unusable" });
  await reopened.remove("root", sha256);
  await reopened.remove("root", sha256);
  assert.deepEqual((await Array.fromAsync(Deno.readDir(path))).length, 0);
});
