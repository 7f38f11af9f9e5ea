import assert from "node:assert/strict";
import { flagsOfTask, programFlags } from "../../../tools/compile/permissions.ts";

Deno.test("flagsOfTask() takes the flags between deno run and the script", () => {
  assert.deepEqual(
    flagsOfTask(
      "deno run --v8-flags=--max-semi-space-size=4 --allow-net --allow-sys=hostname,osRelease --unstable-net cli/main.ts",
    ),
    [
      "--v8-flags=--max-semi-space-size=4",
      "--allow-net",
      "--allow-sys=hostname,osRelease",
      "--unstable-net",
    ],
  );
});

Deno.test("flagsOfTask() refuses tasks that grant everything or do more than run", () => {
  for (
    const task of [
      "deno run -A cli/main.ts",
      "deno run --allow-all x.ts",
      "deno run --allow-net x.ts && rm y",
      "x",
    ]
  ) {
    assert.throws(() => flagsOfTask(task), SyntaxError, task);
  }
});

Deno.test("programFlags() of this project grant neither subprocesses nor foreign code", async () => {
  const flags = await programFlags(new URL("../../../deno.json", import.meta.url));
  assert.ok(flags.includes("--allow-net"));
  assert.ok(!flags.some((flag) => /^--allow-(run|ffi|import|all)/.test(flag)), flags.join(" "));
});
