import assert from "node:assert/strict";
import { createPrivate, readPrivate, replacePrivate } from "../../src/driver/mod.ts";
import { codeOf } from "../../src/errors/mod.ts";
import { TempDir } from "../support/temp_dir.ts";

const hasCode = (code: string) => (error: unknown) => codeOf(error) === code;
const namesIn = (path: string) => [...Deno.readDirSync(path)].map(({ name }) => name);

Deno.test("replacePrivate() makes the directory, replaces in one step for this user only, and leaves nothing beside", async () => {
  await using folder = await TempDir.make("private");
  const path = folder.file("deep/secret");
  await replacePrivate(path, "one");
  await Deno.chmod(path, 0o644);
  await replacePrivate(path, "two");
  assert.equal(await readPrivate(path, 10), "two");
  assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
  assert.equal((await Deno.stat(folder.file("deep"))).mode! & 0o777, 0o700);
  assert.deepEqual(namesIn(folder.file("deep")), ["secret"]);
});

Deno.test("replacePrivate() keeps the old file when the new one cannot be put in its place: state_unwritable", async () => {
  await using folder = await TempDir.make("private");
  await folder.write("full/kept", "x");
  await assert.rejects(replacePrivate(folder.file("full"), "new"), hasCode("state_unwritable"));
  assert.deepEqual(namesIn(folder.path), ["full"]);
});

Deno.test("createPrivate() never replaces: of two at once one wins", async () => {
  await using folder = await TempDir.make("private");
  const path = folder.file("key");
  const won = await Promise.all([createPrivate(path, "a"), createPrivate(path, "b")]);
  assert.deepEqual(won.toSorted(), [false, true]);
  assert.equal(await readPrivate(path, 10), won[0] ? "a" : "b");
  assert.deepEqual(namesIn(folder.path), ["key"]);
});

Deno.test("readPrivate() refuses what is open to others, too long, or no file", async () => {
  await using folder = await TempDir.make("private");
  assert.equal(await readPrivate(folder.file("absent"), 10), undefined);
  await createPrivate(folder.file("key"), "0123456789a");
  await assert.rejects(readPrivate(folder.file("key"), 10), hasCode("secret_file_unreadable"));
  await assert.rejects(readPrivate(folder.path, 10_000), hasCode("secret_file_unreadable"));
  await Deno.chmod(folder.file("key"), 0o640);
  await assert.rejects(readPrivate(folder.file("key"), 100), hasCode("secret_file_permissions"));
});
