import assert from "node:assert/strict";
import { verifyEkChain } from "../../src/attestation/ek/mod.ts";
import { EkTrustStore } from "../../src/driver/mod.ts";
import { authority, ekCertificate, pemOf, testNowMs } from "../support/hostile_authority.ts";
import { TempDir } from "../support/temp_dir.ts";

const root = authority();
const intermediate = authority(root);
const leaf = ekCertificate(intermediate);
const emptyList = `{"version":1}`;

const load = (folder: TempDir, list: string | null = null) =>
  EkTrustStore.load({ rootsDirectory: folder.file("roots"), revocationsFile: list && folder.file(list) });

Deno.test("EkTrustStore reads certificates in PEM and DER, in directories and through links, and nothing else", async () => {
  await using folder = await TempDir.make("ek-trust");
  await folder.write("roots/Acme/RootCA/root.CER", root.der);
  await folder.write("roots/Acme/IntermediateCA/all.pem", pemOf(intermediate, root));
  await folder.write("roots/README.md", "from the makers");
  await folder.write("roots/.cache/x.pem", "never read");
  const elsewhere = authority();
  await folder.write("elsewhere.pem", pemOf(elsewhere));
  await Deno.symlink(folder.file("elsewhere.pem"), folder.file("roots/linked.pem"));
  const store = await load(folder);
  assert.equal(store.trust.roots.length, 2);
  assert.equal(store.trust.intermediates.length, 1);
  assert.deepEqual(store.ignored, [folder.file("roots/README.md")]);
});

Deno.test("EkTrustStore takes what lies in a directory called anchors for roots, whoever signed it", async () => {
  await using folder = await TempDir.make("ek-trust");
  await folder.write("roots/acme/anchors/intermediate.pem", pemOf(intermediate));
  await folder.write("roots/anchors.pem", pemOf(leaf));
  const { trust } = await load(folder);
  assert.equal(trust.roots.length, 1);
  assert.equal(verifyEkChain([leaf.der], trust, testNowMs).root.sha256, trust.roots[0].sha256);
});

Deno.test("EkTrustStore is empty for an empty directory", async () => {
  await using folder = await TempDir.make("ek-trust");
  await Deno.mkdir(folder.file("roots"));
  const { trust } = await load(folder);
  assert.deepEqual([trust.roots, trust.intermediates], [[], []]);
});

Deno.test("EkTrustStore names what it cannot read: directories and certificates by ek_roots_unusable", async () => {
  await using folder = await TempDir.make("ek-trust");
  const refused = (path: string) =>
    assert.rejects(load(folder), (error: { code: string; message: string }) => {
      assert.equal(error.code, "ek_roots_unusable");
      assert.ok(error.message.includes(folder.file(path)), error.message);
      return true;
    });
  await refused("roots");
  await folder.write("roots", "a file");
  await refused("roots");
  await Deno.remove(folder.file("roots"));
  await folder.write("roots/bad.pem", "no certificate");
  await refused("roots/bad.pem");
  await Deno.remove(folder.file("roots/bad.pem"));
  await Deno.symlink(folder.file("gone"), folder.file("roots/gone.pem"));
  await refused("roots/gone.pem");
  await Deno.remove(folder.file("roots/gone.pem"));
  await Deno.symlink("/dev/zero", folder.file("roots/endless.pem"));
  await refused("roots/endless.pem");
  await Deno.remove(folder.file("roots/endless.pem"));
  await folder.write("roots/large.der", new Uint8Array(1_048_577));
  await refused("roots/large.der");
  await Deno.remove(folder.file("roots/large.der"));
  await Deno.symlink(folder.file("roots"), folder.file("roots/circle"));
  await refused("roots/circle");
});

Deno.test("EkTrustStore names a revocation list that it cannot read by ek_revocations_unusable", async () => {
  await using folder = await TempDir.make("ek-trust");
  await folder.write("roots/root.pem", pemOf(root));
  await assert.rejects(load(folder, "list.json"), {
    code: "ek_revocations_unusable",
    message: /does not exist/,
  });
  await folder.write("list.json", "{");
  await assert.rejects(load(folder, "list.json"), { code: "ek_revocations_unusable" });
  await folder.write("list.json", new Uint8Array(4 * 1_048_576 + 1));
  await assert.rejects(load(folder, "list.json"), { code: "ek_revocations_unusable" });
  await folder.write("list.json", emptyList);
  await load(folder, "list.json");
});

Deno.test("EkTrustStore.reload() takes all files or none, the last call counts", async () => {
  await using folder = await TempDir.make("ek-trust");
  await folder.write("roots/root.pem", pemOf(root));
  await folder.write("list.json", emptyList);
  const store = await load(folder, "list.json");
  const before = store.trust;
  await folder.write("roots/leaf.pem", pemOf(leaf));
  await folder.write("list.json", "broken");
  const kept = await store.reload();
  assert.equal(kept.outcome === "kept" && kept.error.code, "ek_revocations_unusable");
  assert.equal(store.trust, before);
  await folder.write("list.json", JSON.stringify({ version: 1, keys: [{ sha256: "ab".repeat(32) }] }));
  const both = [store.reload(), store.reload()];
  assert.deepEqual(await Promise.all(both), [{ outcome: "reloaded" }, { outcome: "reloaded" }]);
  assert.equal(store.trust.intermediates.length, 1);
  assert.equal(store.trust.revocations.keys.size, 1);
});
