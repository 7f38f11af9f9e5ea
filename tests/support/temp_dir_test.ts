import assert from "node:assert/strict";
import { TempDir } from "./temp_dir.ts";

Deno.test("TempDir.make() makes a private directory that its scope removes", async () => {
  let path: string;
  {
    await using folder = await TempDir.make();
    path = folder.path;
    assert.equal((await Deno.stat(path)).mode! & 0o777, 0o700);
    const file = await folder.write("deep/er/x.txt", "text");
    assert.equal(await Deno.readTextFile(file), "text");
    assert.equal((await Deno.stat(file)).mode! & 0o777, 0o600);
  }
  await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
});
