/** What somebody has who broke into one part: copies of a database, and an edge with its identity. See docs/threat-model.md. */
import assert from "node:assert/strict";
import { issueNode, readNodeCertificate } from "../../src/pki/mod.ts";
import { makeKeys } from "../support/made_cluster.ts";
import { framesOf, hello, RunningNodes, sClient } from "../support/running_nodes.ts";

let nodes: RunningNodes;
Deno.test.beforeAll(async () => {
  nodes = await RunningNodes.start();
});
Deno.test.afterAll(() => nodes[Symbol.asyncDispose]());

Deno.test("an edge's own certificate signs no other node's: peer_chain_untrusted", async () => {
  const edge = await nodes.enrolled("edge", "e1");
  const keys = await makeKeys();
  const nowMs = Date.now();
  const leaf = await issueNode(
    { certificate: readNodeCertificate(edge.chain[0]), privateKey: edge.keys.privateKey },
    { trustDomain: "localhost", role: "connector", id: "c1" },
    keys.spki,
    { notBeforeMs: nowMs - 60_000, notAfterMs: nowMs + 60_000 },
    (bytes) => crypto.getRandomValues(new Uint8Array(bytes)),
  );
  const { files } = await nodes.filesOf([leaf.bytes, ...edge.chain], keys);
  const from = nodes.logged.lines.length;
  await using client = sClient(nodes.port, files, framesOf(hello));
  await nodes.logged.waitFor(/^node refused .*"peer_chain_untrusted"/, from);
  assert.equal((await client.finished()).stdout, "");
  // The edge itself is none of those who come to this port, either.
  await using itself = sClient(nodes.port, edge.files, framesOf(hello));
  await nodes.logged.waitFor(/^node refused .*"peer_wrong_role"/, from);
  assert.equal((await itself.finished()).stdout, "");
});

Deno.test("the database of a running control holds no key of a node or an authority, and no token", async () => {
  const { node } = await nodes.node("connector", "c1");
  await nodes.online(node);
  const unused = await nodes.token("tunneler", "t9");
  const { keys } = await nodes.enrolled("tunneler", "t1");
  const management = (await Deno.readTextFile(nodes.edge.tokenPath)).trim();
  const issued = (await nodes.api("POST", "/auth/token/issue", { owner: "alice" }))
    .management_token as string;
  const created = await nodes.api("POST", "/tunnels/create", { requested_name: "shop" });

  const secrets = new Map<string, Uint8Array>();
  const text = (name: string, value: string) => secrets.set(name, new TextEncoder().encode(value));
  text("enrollment token", unused.split(".")[2]);
  text(
    "spent enrollment token",
    (await Deno.readTextFile(nodes.folder.file("c1.token"))).trim().split(".")[2],
  );
  text("management token", management.split(".")[2]);
  text("token of an owner", issued.split(".")[2]);
  text("stage 0 token", created.ephemeral_token.split(".")[2]);
  text("recreate token", created.recreate_token.split(".")[2]);
  const scalar = async (name: string, key: CryptoKey) => {
    const { d } = await crypto.subtle.exportKey("jwk", key);
    const raw = Uint8Array.fromBase64(d!, { alphabet: "base64url" });
    secrets.set(name, raw);
    text(`${name}, base64url`, d!);
    text(`${name}, hex`, raw.toHex());
  };
  await scalar("key of a node", keys.privateKey);
  const kept = JSON.parse(await Deno.readTextFile(nodes.folder.file("c1/identity.json")));
  const P256 = { name: "ECDSA", namedCurve: "P-256" };
  const keyOf = (pkcs8: Uint8Array<ArrayBuffer>) =>
    crypto.subtle.importKey("pkcs8", pkcs8, P256, true, ["sign"]);
  await scalar(
    "key of the connector",
    await keyOf(Uint8Array.fromBase64(kept.key, { alphabet: "base64url" })),
  );
  let authorities = 0;
  for await (const { name } of Deno.readDir(nodes.folder.file("edge/ca"))) {
    if (!name.endsWith(".key")) continue;
    const pem = await Deno.readTextFile(nodes.folder.file(`edge/ca/${name}`));
    await scalar(name, await keyOf(Uint8Array.fromBase64(pem.replaceAll(/-----.*?-----|\s/g, ""))));
    authorities++;
  }
  assert.equal(authorities, 3, "bootstrap, root and issuing CA");

  let bytes = 0;
  for (const file of ["postern.db", "postern.db-wal"]) {
    const content = await Deno.readFile(nodes.folder.file(`edge/${file}`)).catch(() => new Uint8Array(0));
    bytes += content.length;
    const haystack = new TextDecoder("latin1").decode(content);
    for (const [name, secret] of secrets) {
      assert.ok(!haystack.includes(new TextDecoder("latin1").decode(secret)), `${name} is in ${file}`);
    }
    // What is looked for would be found.
    if (file === "postern.db-wal") assert.ok(haystack.includes("connector") && haystack.includes("alice"));
  }
  assert.ok(bytes > 10_000);
});
