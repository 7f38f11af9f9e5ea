import assert from "node:assert/strict";
import { runPhase } from "../../../tools/test/run.ts";
import { TempDir } from "../../support/temp_dir.ts";

async function phase(
  sources: Record<string, string>,
  options: { parallel?: boolean; timeoutMs?: number } = {},
) {
  await using folder = await TempDir.make();
  const files: string[] = [];
  for (const [name, source] of Object.entries(sources)) {
    files.push(`${folder.path}/${name}_test.ts`);
    await Deno.writeTextFile(files[files.length - 1], source);
  }
  const { parallel = false, timeoutMs = 60_000 } = options;
  return await runPhase({ name: "fixture", files, parallel, timeoutMs, say: () => {} });
}

const passing = `Deno.test("a", () => {}); Deno.test.ignore("b", () => {});`;

Deno.test("runPhase() counts passed, failed and ignored tests over all files", async () => {
  const result = await phase(
    {
      one: passing,
      two: `Deno.test("c", async (t) => { await t.step("s", () => { throw new Error("no"); }); });`,
    },
    { parallel: true },
  );
  assert.deepEqual([result.passed, result.failed, result.skipped], [1, 1, 1]);
  assert.equal(result.files.length, 2);
});

Deno.test("runPhase() counts a file that throws while loading as failed", async () => {
  const result = await phase({ one: passing, two: `throw new Error("no module");` });
  assert.deepEqual([result.passed, result.failed, result.skipped], [1, 1, 1]);
});

Deno.test("runPhase() counts a test process that dies as failed, and ends what that left behind", async () => {
  await using folder = await TempDir.make();
  const note = folder.file("pid");
  const result = await phase({
    one: `Deno.test("a", () => {
      const { pid } = new Deno.Command("sleep", { args: ["600"], detached: true }).spawn();
      Deno.writeTextFileSync(${JSON.stringify(note)}, String(pid));
      Deno.kill(Deno.pid, "SIGKILL");
    });`,
  });
  assert.deepEqual([result.passed, result.failed], [0, 1]);
  const state = await Deno.readTextFile(`/proc/${await Deno.readTextFile(note)}/stat`).catch(() =>
    "gone (x) Z"
  );
  assert.match(state, /\) [ZX]/);
});

Deno.test("runPhase() ends a test that never ends, together with what it started", async () => {
  const hang = `Deno.test("hangs", async () => {
    new Deno.Command("sleep", { args: ["600"] }).spawn();
    await new Promise((resolve) => setTimeout(resolve, 600_000));
  });`;
  const result = await phase({ one: hang }, { timeoutMs: 1_500 });
  assert.deepEqual([result.passed, result.failed], [0, 1]);
});

Deno.test("runPhase() without files does nothing", async () => {
  assert.deepEqual(await phase({}), { passed: 0, failed: 0, skipped: 0, files: [] });
});
