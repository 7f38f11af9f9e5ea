import assert from "node:assert/strict";
import { codeOf } from "../../src/errors/mod.ts";
import { postern } from "../cli/program.ts";
import { Postgres } from "../support/postgres.ts";
import { eventually, startStack } from "../support/stack.ts";
import { TempDir } from "../support/temp_dir.ts";

Deno.test("an edge over PostgreSQL serves on while its database is away, says so, and goes on when it is back", async () => {
  await using server = await Postgres.start();
  await using folder = await TempDir.make("database");
  await using origin = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response("hello"),
  );
  const database_url_file = await Postgres.urlFile(folder, server.url);
  await using stack = await startStack({ edge: { database_url_file } });
  await stack.addAgent([{ name: "shop", target: `127.0.0.1:${origin.addr.port}` }]);
  const page = async () => await (await stack.fetch("shop")).text();
  assert.equal(await page(), "hello");

  await server.restart("SIGKILL", async () => {
    assert.equal(await page(), "hello", "what stands does not ask the database");
    const ready = await fetch(`http://127.0.0.1:${stack.edge.adminPort}/readyz`);
    assert.deepEqual([ready.status, (await ready.json()).checks], [503, { edge: true, store: false }]);
    const env = {
      POSTERN_CONTROL: `http://127.0.0.1:${stack.port}`,
      POSTERN_TOKEN_FILE: stack.edge.tokenPath,
    };
    const { stderr } = await postern(["token", "--owner", "alice"], env);
    assert.ok(stderr.includes("store_unreachable"), stderr);
  });
  await stack.addAgent([{ name: "late", target: `127.0.0.1:${origin.addr.port}` }]);
  await eventually("the new service is online", async () => {
    const response = await stack.fetch("late");
    return (await response.text()) === "hello";
  });
  assert.match(await server.psql("SELECT name FROM postern.tunnels ORDER BY name"), /^late\nshop$/);
});

Deno.test("two edges over one database know the same names, tokens and audit log", async () => {
  await using server = await Postgres.start();
  await using folder = await TempDir.make("database");
  const database_url_file = await Postgres.urlFile(folder, server.url);
  await using one = await startStack({ edge: { database_url_file } });
  await using other = await startStack({ edge: { database_url_file } });
  const ask = (stack: typeof one, ...words: string[]) =>
    postern(words, {
      POSTERN_CONTROL: `http://127.0.0.1:${stack.port}`,
      POSTERN_TOKEN_FILE: one.edge.tokenPath,
    });
  const issued = await ask(other, "token", "--owner", "alice", "--out", folder.file("alice.token"));
  assert.equal(issued.code, 0, issued.stderr);
  assert.match((await ask(one, "audit")).stdout, /token\.issue {2}alice {2}ok\n$/);

  const create = async (stack: typeof one, requested_name: string, token: string) => {
    const response = await fetch(`http://127.0.0.1:${stack.port}/tunnels/create`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
      body: JSON.stringify({ requested_name }),
    });
    const { code } = await response.json();
    return code ?? response.status;
  };
  const alice = (await Deno.readTextFile(folder.file("alice.token"))).trim();
  const operator = (await Deno.readTextFile(one.edge.tokenPath)).trim();
  assert.equal(await create(one, "shop", alice), 200);
  assert.equal(await create(other, "shop", operator), "name_taken");
  assert.equal(await create(other, "shop", alice), 200);
  assert.equal((await ask(one, "token", "revoke", "--owner", "alice")).code, 0);
  assert.equal(await create(other, "other", alice), "token_revoked");
});

Deno.test("what a service demands of its agents at one edge cuts those at the other one: tier_too_weak", async () => {
  await using server = await Postgres.start();
  await using folder = await TempDir.make("database");
  await using origin = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response("hello"),
  );
  const database_url_file = await Postgres.urlFile(folder, server.url);
  await using one = await startStack({ edge: { database_url_file } });
  await using other = await startStack({ edge: { database_url_file } });
  const agent = await one.addAgent([{ name: "vault", target: `127.0.0.1:${origin.addr.port}` }], {
    token_file: one.edge.tokenPath,
  });
  assert.equal(await (await one.fetch("vault")).text(), "hello");
  const operator = (await Deno.readTextFile(one.edge.tokenPath)).trim();
  const response = await fetch(`http://127.0.0.1:${other.port}/tunnels/create`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${operator}` },
    body: JSON.stringify({ requested_name: "vault", require_tier: "tpm" }),
  });
  assert.equal((await response.json()).require_tier, "tpm");
  assert.equal(codeOf(await agent.done), "tier_too_weak");
});

Deno.test("an edge does not start without its database, and never tells its URL: store_unreachable", async () => {
  await using folder = await TempDir.make("database");
  const database_url_file = await Postgres.urlFile(
    folder,
    "postgresql://postern:hunter2@127.0.0.1:1/postern",
  );
  const started = startStack({ edge: { database_url_file } });
  const error = await started.then(() => undefined, (error) => error);
  assert.equal(codeOf(error), "store_unreachable");
  assert.equal(Deno.inspect(error, { depth: 9 }).includes("hunter2"), false);
});

Deno.test("what one edge deletes or revokes is cut at the other one, also after it missed an announcement", async () => {
  await using server = await Postgres.start();
  await using folder = await TempDir.make("database");
  await using origin = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response("hello"),
  );
  const database_url_file = await Postgres.urlFile(folder, server.url);
  await using one = await startStack({ edge: { database_url_file } });
  await using other = await startStack({ edge: { database_url_file } });
  const target = `127.0.0.1:${origin.addr.port}`;
  const operator = (await Deno.readTextFile(one.edge.tokenPath)).trim();
  const isCut = async (name: string) =>
    await eventually(`${name} is cut`, async () => {
      const response = await one.fetch(name);
      await response.body?.cancel();
      return response.status !== 200;
    });
  const remove = async (tunnel_id: string) => {
    const response = await fetch(`http://127.0.0.1:${other.port}/tunnels/delete`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${operator}` },
      body: JSON.stringify({ tunnel_id }),
    });
    assert.equal(response.status, 200, await response.text());
  };
  const idOf = (name: string) => server.psql(`SELECT tunnel_id FROM postern.tunnels WHERE name = '${name}'`);

  await one.addAgent([{ name: "shop", target }, { name: "news", target }], {
    token_file: one.edge.tokenPath,
  });
  assert.equal(await (await one.fetch("shop")).text(), "hello");
  await remove(await idOf("shop"));
  await isCut("shop");
  assert.equal(await (await one.fetch("news")).text(), "hello");

  // Whoever listens is thrown out, and what is announced meanwhile is heard by nobody.
  await server.psql(`
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ILIKE 'listen %' AND pid <> pg_backend_pid()
  `);
  await remove(await idOf("news"));
  await isCut("news");
});
