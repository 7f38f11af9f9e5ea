import assert from "node:assert/strict";
import { systemClock, systemRandom } from "../src/driver/mod.ts";
import { StateDirectory } from "../src/state_directory.ts";
import { TempDir } from "./support/temp_dir.ts";

Deno.test("StateDirectory keeps key and name, for this user only", async () => {
  await using folder = await TempDir.make("state");
  const path = `${folder.path}/deep/state`;
  const first = await StateDirectory.open(path);
  const key = await first.edgeStatic(systemRandom);
  const name = await first.edgeId(systemRandom);
  await first.writeManagementToken("token");
  const second = await StateDirectory.open(path);
  assert.deepEqual(await second.edgeStatic(systemRandom), key);
  assert.equal(await second.edgeId(systemRandom), name);
  assert.equal(await Deno.readTextFile(second.tokenPath), "token\n");
  assert.equal((await Deno.stat(path)).mode! & 0o777, 0o700);
  for await (const entry of Deno.readDir(path)) {
    assert.equal((await Deno.stat(`${path}/${entry.name}`)).mode! & 0o777, 0o600, entry.name);
  }
});

Deno.test("StateDirectory.hold() keeps other edges out until it is over, and lets a successor in", async () => {
  await using folder = await TempDir.make("state");
  const state = await StateDirectory.open(folder.path);
  const other = await StateDirectory.open(folder.path);
  const alone = { isSuccessor: false, clock: systemClock };
  {
    using _held = await state.hold(alone);
    await assert.rejects(other.hold(alone), { code: "state_directory_in_use" });
    using _beside = await other.hold({ isSuccessor: true, clock: systemClock });
  }
  using _again = await other.hold(alone);
});

Deno.test("StateDirectory takes rights away that others had", async () => {
  await using folder = await TempDir.make("state");
  await Deno.chmod(folder.path, 0o755);
  await StateDirectory.open(folder.path);
  assert.equal((await Deno.stat(folder.path)).mode! & 0o777, 0o700);
});

Deno.test("StateDirectory refuses a path that is a file, and a damaged key, with state_directory_unusable", async () => {
  await using folder = await TempDir.make("state");
  await folder.write("file", "x");
  await assert.rejects(StateDirectory.open(folder.file("file")), { code: "state_directory_unusable" });
  const state = await StateDirectory.open(folder.file("state"));
  await Deno.writeTextFile(`${state.path}/edge.key`, "no key\n", { mode: 0o600 });
  await assert.rejects(state.edgeStatic(systemRandom), { code: "state_directory_unusable" });
  await Deno.chmod(`${state.path}/edge.key`, 0o644);
  await assert.rejects(state.edgeStatic(systemRandom), { code: "secret_file_permissions" });
});

Deno.test("StateDirectory leaves a directory alone that is open to others and is not its own", async () => {
  await using folder = await TempDir.make("state");
  await folder.write("theirs", "x");
  await Deno.chmod(folder.path, 0o777);
  await assert.rejects(StateDirectory.open(folder.path), { code: "state_directory_foreign" });
  assert.equal((await Deno.stat(folder.path)).mode! & 0o777, 0o777);
  await Deno.chmod(folder.path, 0o755);
  await assert.rejects(StateDirectory.open(folder.path), { code: "state_directory_unusable" });
});

Deno.test("StateDirectory refuses what its group may write to, and what belongs to another user", async () => {
  await using folder = await TempDir.make("state");
  await Deno.chmod(folder.path, 0o770);
  await assert.rejects(StateDirectory.open(folder.path), { code: "state_directory_foreign" });
  await Deno.chmod(folder.path, 0o700);
  if (Deno.uid() !== 0) return; // only root gives files away
  await Deno.chown(folder.path, 12_345, null);
  await assert.rejects(StateDirectory.open(folder.path), { code: "state_directory_foreign" });
});
