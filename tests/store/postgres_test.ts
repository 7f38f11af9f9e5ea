import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { codeOf } from "../../src/errors/mod.ts";
import type { Store } from "../../src/ports/mod.ts";
import { openPostgresStore, openSqliteStore, type PostgresOptions } from "../../src/store/mod.ts";
import { adminStoreContract } from "../contract/admin_store.ts";
import { attestationStoreContract } from "../contract/attestation_store.ts";
import { edgeStoreContract } from "../contract/edge_store.ts";
import { grantStoreContract } from "../contract/grant_store.ts";
import { identityStoreContract } from "../contract/identity_store.ts";
import { machineStoreContract } from "../contract/machine_store.ts";
import { privateTunnelContract } from "../contract/private_tunnels.ts";
import { policyStoreContract } from "../contract/policy_store.ts";
import { routeStoreContract } from "../contract/route_store.ts";
import { contractLimits, storeContract, type StoreHarness } from "../contract/store.ts";
import { Postgres } from "../support/postgres.ts";
import { TempDir } from "../support/temp_dir.ts";

let server: Postgres;
let schemas = 0;

Deno.test.beforeAll(async () => {
  server = await Postgres.start({ max_connections: "200" });
});
Deno.test.afterAll(() => server[Symbol.asyncDispose]());

const freshSchema = () => `test_${++schemas}`;
const open = (options: PostgresOptions = {}) =>
  openPostgresStore(server.url, { maxConnections: 3, schema: freshSchema(), ...options });
const codeOfOpen = (url: string, options: PostgresOptions = {}) =>
  openPostgresStore(url, options).then((store) => store.close().then(() => "opened"), codeOf);

// deno-lint-ignore require-await -- the stores are opened later
async function inPostgres(): Promise<StoreHarness> {
  let wallMs = 0;
  const stores: Store[] = [];
  const schema = freshSchema();
  return {
    shared: true,
    announces: true,
    async open() {
      const store = await open({ ...contractLimits, schema, wall: () => wallMs });
      stores.push(store);
      return store;
    },
    setWall: (ms) => void (wallMs = ms),
    async [Symbol.asyncDispose]() {
      for (const store of stores) await store.close();
    },
  };
}
for (
  const contract of [
    storeContract,
    machineStoreContract,
    identityStoreContract,
    policyStoreContract,
    attestationStoreContract,
    routeStoreContract,
    adminStoreContract,
    edgeStoreContract,
    grantStoreContract,
    privateTunnelContract,
  ]
) {
  contract("postgres", inPostgres);
}

Deno.test("openPostgresStore() keeps what was written, and lets several open a new schema at once", async () => {
  const schema = freshSchema();
  const stores = await Promise.all(Array.from({ length: 5 }, () => open({ schema })));
  await stores[0].putSetting("a", "1");
  for (const store of stores) {
    assert.equal(await store.setting("a"), "1");
    await store.close();
  }
  const again = await open({ schema });
  assert.equal(await again.setting("a"), "1");
  await again.close();
});

Deno.test("openPostgresStore() leaves a newer layout alone: store_too_new", async () => {
  const schema = freshSchema();
  await (await open({ schema })).close();
  await server.psql(`UPDATE ${schema}.layout SET version = 999`);
  assert.equal(await codeOfOpen(server.url, { schema }), "store_too_new");
});

Deno.test("openPostgresStore() says what it cannot use: database_url_invalid, store_unavailable, store_unreachable, store_failed", async () => {
  assert.equal(await codeOfOpen("mysql://localhost/x"), "database_url_invalid");
  assert.equal(await codeOfOpen(server.url, { schema: "a b" }), "store_unavailable");
  assert.equal(await codeOfOpen("postgresql://postern@127.0.0.1:1/postgres"), "store_unreachable");
  assert.equal(await codeOfOpen(server.url.replace(/\/postgres$/, "/nobody_made_this")), "store_failed");
});

Deno.test("a transaction that waits for another one too long gives up: store_busy", async () => {
  const schema = freshSchema();
  const store = await open({ schema, lockMs: 50 });
  const holder = server.psql("SELECT pg_advisory_lock(x'7073746e'::int), pg_sleep(1)");
  while (await server.psql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") === "0");
  await assert.rejects(
    store.consumeOnce("stage0", "a", Date.UTC(2999, 0, 1)),
    (error) => (assert.equal(codeOf(error), "store_busy"), true),
  );
  await holder;
  assert.equal(await store.consumeOnce("stage0", "a", Date.UTC(2999, 0, 1)), true);
  await store.close();
});

Deno.test("a hundred spend one id through five stores at once: one gets it", async () => {
  const schema = freshSchema();
  const stores = await Promise.all(Array.from({ length: 5 }, () => open({ schema })));
  const spent = await Promise.all(
    Array.from({ length: 100 }, (_, n) => stores[n % 5].consumeOnce("stage0", "a", Date.UTC(2999, 0, 1))),
  );
  assert.equal(spent.filter((won) => won).length, 1);
  for (const store of stores) await store.close();
});

Deno.test("a store goes on when its server was killed and is back, and nothing that was acknowledged is lost", async () => {
  await using own = await Postgres.start({ fsync: "on" });
  const store = await openPostgresStore(own.url, { maxConnections: 2 });
  await store.putSetting("a", "1");
  await own.restart("SIGKILL", async () => {
    assert.equal(await store.setting("a").then(() => "answered", codeOf), "store_unreachable");
  });
  assert.equal(await store.setting("a"), "1");
  await store.putSetting("a", "2");
  assert.equal(await store.setting("a"), "2");
  await store.close();
});

Deno.test("the layouts of PostgreSQL and SQLite have the same tables and columns", async () => {
  const schema = freshSchema();
  await (await open({ schema })).close();
  const columns = await server.psql(
    `SELECT table_name || '.' || column_name FROM information_schema.columns
      WHERE table_schema = '${schema}' AND table_name <> 'layout'`,
  );
  await using folder = await TempDir.make("layout");
  const path = folder.file("postern.db");
  await openSqliteStore(path).close();
  using database = new DatabaseSync(path);
  const rows = database.prepare(
    `SELECT tables.name || '.' || columns.name AS name FROM sqlite_schema AS tables, pragma_table_info(tables.name) AS columns
      WHERE tables.type = 'table' AND tables.name NOT LIKE 'sqlite_%'`,
  ).all();
  assert.deepEqual(columns.split("\n").sort(), rows.map(({ name }) => String(name)).sort());
});
