import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { codeOf } from "../../src/errors/mod.ts";
import type { Store } from "../../src/ports/mod.ts";
import { openSqliteStore } from "../../src/store/mod.ts";
import { adminStoreContract } from "../contract/admin_store.ts";
import { attestationStoreContract } from "../contract/attestation_store.ts";
import { edgeStoreContract } from "../contract/edge_store.ts";
import { grantStoreContract } from "../contract/grant_store.ts";
import { machineStoreContract, machineTokenOf } from "../contract/machine_store.ts";
import { identityStoreContract } from "../contract/identity_store.ts";
import { privateTunnelContract } from "../contract/private_tunnels.ts";
import { policyStoreContract } from "../contract/policy_store.ts";
import { routeStoreContract } from "../contract/route_store.ts";
import { contractLimits, storeContract, type StoreHarness } from "../contract/store.ts";

// deno-lint-ignore require-await -- other stores take their time
async function harnessOf(path: string, dispose: () => void): Promise<StoreHarness> {
  let wallMs = 0;
  const stores: Store[] = [];
  return {
    shared: path !== ":memory:",
    announces: false,
    // deno-lint-ignore require-await -- other stores take their time
    async open() {
      const store = openSqliteStore(path, { ...contractLimits, wall: () => wallMs });
      stores.push(store);
      return store;
    },
    setWall: (ms) => void (wallMs = ms),
    async [Symbol.asyncDispose]() {
      for (const store of stores) await store.close();
      dispose();
    },
  };
}

function withFile(use: (path: string, directory: string) => void | Promise<void>): () => Promise<void> {
  return async () => {
    const directory = Deno.makeTempDirSync({ prefix: "postern-store-" });
    try {
      await use(`${directory}/postern.db`, directory);
    } finally {
      Deno.removeSync(directory, { recursive: true });
    }
  };
}

function codeOfOpen(path: string, options = {}): string {
  try {
    void openSqliteStore(path, options).close();
    return "opened";
  } catch (error) {
    return codeOf(error);
  }
}

const inMemory = () => harnessOf(":memory:", () => {});
const inFile = () => {
  const directory = Deno.makeTempDirSync({ prefix: "postern-store-" });
  return harnessOf(`${directory}/postern.db`, () => Deno.removeSync(directory, { recursive: true }));
};
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
  contract("sqlite in memory", inMemory);
  contract("sqlite in a file", inFile);
}

Deno.test(
  "openSqliteStore() keeps what was written when it is opened again, in a file for this user only",
  withFile(async (path, directory) => {
    Deno.writeTextFileSync(path, "", { mode: 0o644 });
    const first = openSqliteStore(path);
    await first.putSetting("a", "1");
    await first.consumeOnce("stage0", "a", Date.UTC(2999, 0, 1));
    for (const entry of Deno.readDirSync(directory)) {
      assert.equal((Deno.statSync(`${directory}/${entry.name}`).mode ?? 0) & 0o777, 0o600, entry.name);
    }
    await first.close();
    const second = openSqliteStore(path);
    assert.equal(await second.setting("a"), "1");
    assert.equal(await second.consumeOnce("stage0", "a", Date.UTC(2999, 0, 1)), false);
    await second.close();
  }),
);

Deno.test(
  "openSqliteStore() writes ahead and syncs every commit",
  withFile(async (path) => {
    const store = openSqliteStore(path);
    const other = new DatabaseSync(path);
    assert.equal(Object.values(other.prepare("PRAGMA journal_mode").get() ?? {})[0], "wal");
    other.close();
    await store.close();
  }),
);

Deno.test("onWrite() of a store is called once for each transaction that writes, with its seconds", async () => {
  const seconds: number[] = [];
  const store = openSqliteStore(":memory:", {
    writes: { now: () => performance.now(), onWrite: (one) => seconds.push(one) },
  });
  await store.setting("a");
  await store.revokedIdentities();
  assert.equal(seconds.length, 0, "reading is no write");
  await store.putSetting("a", "1");
  await store.putEnrollmentToken(machineTokenOf("t1"));
  assert.equal(seconds.length, 2);
  assert.ok(seconds.every((one) => one >= 0 && one < 60));
  await store.close();
});

Deno.test(
  "openSqliteStore() refuses a directory, a missing directory and a file that is no database: store_unavailable",
  withFile((path, directory) => {
    assert.equal(codeOfOpen(directory), "store_unavailable");
    assert.equal(codeOfOpen(`${directory}/missing/postern.db`), "store_unavailable");
    Deno.writeTextFileSync(path, "this is not a database".repeat(100));
    assert.equal(codeOfOpen(path), "store_unavailable");
  }),
);

Deno.test(
  "openSqliteStore() leaves a newer layout alone: store_too_new",
  withFile((path) => {
    const newer = new DatabaseSync(path);
    newer.exec("PRAGMA user_version = 999");
    newer.close();
    assert.equal(codeOfOpen(path), "store_too_new");
  }),
);

Deno.test(
  "consumeOnce() says when another writer holds the file: store_busy",
  withFile(async (path) => {
    const store = openSqliteStore(path, { busyTimeoutMs: 1 });
    const writer = new DatabaseSync(path);
    writer.exec("BEGIN IMMEDIATE");
    await assert.rejects(
      store.consumeOnce("stage0", "a", Date.UTC(2999, 0, 1)),
      (error) => (assert.equal(codeOf(error), "store_busy"), true),
    );
    writer.exec("ROLLBACK");
    assert.equal(await store.consumeOnce("stage0", "a", Date.UTC(2999, 0, 1)), true);
    writer.close();
    await store.close();
  }),
);

Deno.test(
  "consumeOnce() gives each id to one of three threads that race on one file",
  withFile(async (path) => {
    await openSqliteStore(path).close();
    const ids = Array.from({ length: 100 }, (_, i) => `id${i}`);
    const url = new URL("./race_worker.ts", import.meta.url);
    const workers = [0, 1, 2].map(() => new Worker(url, { type: "module" }));
    try {
      const won = await Promise.all(workers.map((worker) =>
        new Promise<string[]>((resolve, reject) => {
          worker.addEventListener("message", (event: MessageEvent<string[]>) => resolve(event.data));
          worker.addEventListener("error", (event) => reject(new Error(event.message)));
          worker.postMessage({ path, ids, expiresAtMs: Date.UTC(2999, 0, 1) });
        })
      ));
      assert.deepEqual(won.flat().sort(), ids.toSorted());
    } finally {
      for (const worker of workers) worker.terminate();
    }
  }),
);
