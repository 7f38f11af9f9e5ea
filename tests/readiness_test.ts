import assert from "node:assert/strict";
import { PosternError } from "../src/errors/mod.ts";
import { Readiness } from "../src/readiness.ts";
import { openSqliteStore } from "../src/store/mod.ts";
import { TempDir } from "./support/temp_dir.ts";
import { VirtualClock } from "./support/virtual_clock.ts";

Deno.test("Readiness asks the store for a write every five seconds, however often it is asked itself", async () => {
  const clock = new VirtualClock();
  let probes = 0;
  let works = true;
  const warnings: string[] = [];
  const readiness = new Readiness({
    edge: { isReady: true },
    clock,
    warnings: () => warnings,
    store: {
      probe() {
        probes++;
        return works ? Promise.resolve() : Promise.reject(new PosternError("store_failed"));
      },
    },
  });
  const statuses = await Promise.all([1, 2, 3].map(async () => (await readiness.answer()).status));
  assert.deepEqual([statuses, probes], [[200, 200, 200], 1]);
  works = false;
  assert.equal((await readiness.answer()).status, 200);
  clock.advance(5_000);
  const answer = await readiness.answer();
  assert.equal(answer.status, 503);
  assert.deepEqual(await answer.json(), { status: "not ready", checks: { edge: true, store: false } });
  works = true;
  clock.advance(5_000);
  assert.equal((await readiness.answer()).status, 200);
  assert.equal(probes, 3);
  warnings.push("ca_expires_soon");
  const warned = await readiness.answer();
  assert.equal(warned.status, 200, "what ends soon works until then");
  assert.deepEqual((await warned.json()).warnings, ["ca_expires_soon"]);
});

Deno.test("Readiness gives a store two seconds", async () => {
  const clock = new VirtualClock();
  const store = { probe: () => new Promise<void>(() => {}) };
  const answer = new Readiness({ edge: { isReady: true }, store, clock, warnings: () => [] }).answer();
  await clock.advanceAsync(2_000);
  assert.equal((await answer).status, 503);
});

Deno.test("Readiness says that a store is not ready that another writer holds", async () => {
  await using folder = await TempDir.make("readiness");
  const store = openSqliteStore(folder.file("postern.db"), { busyTimeoutMs: 1 });
  const { DatabaseSync } = await import("node:sqlite");
  const other = new DatabaseSync(folder.file("postern.db"));
  const clock = new VirtualClock();
  const readiness = new Readiness({ edge: { isReady: true }, store, clock, warnings: () => [] });
  other.exec("BEGIN IMMEDIATE");
  assert.equal((await readiness.answer()).status, 503);
  other.exec("ROLLBACK");
  clock.advance(5_000);
  assert.equal((await readiness.answer()).status, 200);
  other.close();
  await store.close();
});

/** A file system of this size at the path, which takes root; undefined where the system does not allow it. */
async function mounted(path: string, bytes: number): Promise<AsyncDisposable | undefined> {
  const run = async (command: string, ...args: string[]) =>
    (await new Deno.Command(command, { args, stdout: "null", stderr: "null" }).output()).success;
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return undefined;
  await Deno.mkdir(path);
  if (!await run("mount", "-t", "tmpfs", "-o", `size=${bytes},mode=700`, "tmpfs", path)) return undefined;
  return { [Symbol.asyncDispose]: async () => void await run("umount", "-l", path) };
}

Deno.test("Readiness says that a store is not ready while the disk is full", async (test) => {
  await using folder = await TempDir.make("readiness");
  const path = folder.file("disk");
  await using disk = await mounted(path, 2 * 1024 * 1024);
  // Without root the test above stands for it: the store refuses a write.
  await test.step({ name: "on a small file system", ignore: disk === undefined, fn: () => fillDisk(path) });
});

async function fillDisk(path: string): Promise<void> {
  const clock = new VirtualClock();
  const store = openSqliteStore(`${path}/postern.db`);
  const readiness = new Readiness({ edge: { isReady: true }, store, clock, warnings: () => [] });
  const status = async () => (await readiness.answer()).status;
  assert.equal(await status(), 200);
  const filler = await Deno.open(`${path}/filler`, { write: true, create: true });
  await assert.rejects(async () => {
    for (;;) await filler.write(new Uint8Array(4_096));
  });
  filler.close();
  clock.advance(5_000);
  assert.equal(await status(), 503);
  await Deno.remove(`${path}/filler`);
  clock.advance(5_000);
  assert.equal(await status(), 200);
  await store.close();
}
