/** Races between controls that share one PostgreSQL, over HTTP. Those of the stores alone are in tests/contract. */
import assert from "node:assert/strict";
import { fromBase64Url, toBase64Url } from "../../src/bytes/mod.ts";
import { makeCsr, readNodeCertificate } from "../../src/pki/mod.ts";
import { makeKeys } from "../support/made_cluster.ts";
import { Postgres } from "../support/postgres.ts";
import { framesOf, hello, RunningNodes, sClient } from "../support/running_nodes.ts";

/** Each from an address of its own, so that no limit of one address is what decides. */
async function enroll(nodes: RunningNodes, token: string, from: number) {
  const keys = await makeKeys();
  const response = await fetch(`http://127.0.0.1:${nodes.edge.port}/v1/identity/enroll`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-forwarded-for": `10.0.0.${from}` },
    body: JSON.stringify({ token, csr: toBase64Url(await makeCsr(keys)) }),
  });
  return { keys, status: response.status, answer: await response.json() };
}

Deno.test("two controls on one PostgreSQL: a hundred uses of a token are one identity, and rotations at both are one", async () => {
  await using server = await Postgres.start();
  const settings = { trusted_proxies: "127.0.0.1/32", "identity.publish": "1s" };
  const withDatabase = async (other?: RunningNodes) => {
    const own = await Deno.makeTempFile();
    await Deno.writeTextFile(own, `${server.url}\n`, { mode: 0o600 });
    await Deno.chmod(own, 0o600);
    try {
      return await RunningNodes.start({ ...settings, database_url_file: own }, async (folder) => {
        if (other === undefined) return;
        // Both have the root's key, and each issues by a CA of its own.
        for await (const { name } of Deno.readDir(other.folder.file("edge/ca"))) {
          if (name.startsWith("issuing")) continue;
          await folder.write(`edge/ca/${name}`, await Deno.readFile(other.folder.file(`edge/ca/${name}`)));
        }
        await Deno.chmod(folder.file("edge"), 0o700);
        await Deno.chmod(folder.file("edge/ca"), 0o700);
      });
    } finally {
      await Deno.remove(own);
    }
  };
  await using one = await withDatabase();
  await using other = await withDatabase(one);
  const both = [one, other];

  const token = await one.token("tunneler", "t1");
  const uses = await Promise.all(Array.from({ length: 100 }, (_, n) => enroll(both[n % 2], token, n)));
  const letIn = uses.filter(({ status }) => status === 200);
  assert.equal(letIn.length, 1);
  for (const { status, answer } of uses) {
    if (status !== 200) assert.deepEqual([status, answer.code], [403, "enrollment_token_refused"]);
  }
  assert.equal(await server.psql("SELECT count(*) FROM postern.node_identities"), "1");
  assert.equal(await server.psql("SELECT count(*) FROM postern.node_certificates"), "1");
  // The same key may come again, at either of them: its answer may have been lost.
  const [{ keys }] = letIn;
  const csr = toBase64Url(await makeCsr(keys));
  await other.api("POST", "/v1/identity/enroll", { token, csr });

  const tokens = await Promise.all(Array.from({ length: 8 }, (_, n) => one.token("connector", `c${n}`)));
  // Whoever comes second takes up the one that runs, or is told so.
  const rotations = Promise.all(
    both.map((nodes) =>
      nodes.api("POST", "/api/admin/ca/rotate", { what: "issuing" }).then(
        ({ rotation }) => String(rotation.id),
        (error: Error) => /ca_rotation_running/.exec(error.message)?.[0] ?? error.message,
      )
    ),
  );
  const enrolled = await Promise.all(tokens.map((token, n) => enroll(both[n % 2], token, n)));
  assert.deepEqual(enrolled.map(({ status, answer }) => answer.code ?? status), Array(8).fill(200));
  const started = new Set((await rotations).filter((id) => id !== "ca_rotation_running"));
  assert.equal(started.size, 1, JSON.stringify(await rotations));
  // Each of them is believed at both: it comes in by mutual TLS where it was not enrolled.
  for (const [n, { keys, answer }] of enrolled.slice(0, 2).entries()) {
    const chain = answer.certificate_chain.map(fromBase64Url);
    assert.equal(readNodeCertificate(chain[0]).extensions.uris[0], `spiffe://localhost/connector/c${n}`);
    const { files } = await one.filesOf(chain, keys);
    await using client = sClient(both[(n + 1) % 2].port, files, framesOf(hello));
    await client.waitFor(/"welcome"/);
  }
});
