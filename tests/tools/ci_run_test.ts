import assert from "node:assert/strict";
import { Process } from "../support/process.ts";
import { TempDir } from "../support/temp_dir.ts";

const script = new URL("../../.ci/run", import.meta.url).pathname;

/** Runs .ci/run with an npx that acts out `cases`: a shell pattern over its arguments and what to do then. */
async function ci(cases: Record<string, string>): Promise<{ code: number; last: string; stdout: string }> {
  await using folder = await TempDir.make("ci");
  const arms = Object.entries(cases).map(([pattern, action]) => `  ${pattern}) ${action} ;;`).join("\n");
  await folder.write("npx", `#!/bin/sh\ncase "$*" in\n${arms}\n  *) ;;\nesac\n`, 0o755);
  const { code, stdout, stderr } = await Process.run(script, {
    env: { PATH: `${folder.path}:${Deno.env.get("PATH")}`, CI: "true" },
  });
  assert.equal(stderr, "");
  return { code, last: stdout.trimEnd().split("\n").at(-1) ?? "", stdout };
}

const tests = (line: string, code = 0) => ({ '*" task test"': `echo "noise"; echo "${line}"; exit ${code}` });

Deno.test(".ci/run ends with the line of the test command when everything holds", async () => {
  const { code, last, stdout } = await ci(tests("12 passed, 0 failed, 1 skipped"));
  assert.equal(code, 0, stdout);
  assert.equal(last, "12 passed, 0 failed, 1 skipped");
  assert.match(stdout, /ci: formatting: holds\n.*ci: lint: holds\n/s);
});

Deno.test(".ci/run counts each gate that does not hold as failed, shows why, and still runs the tests", async () => {
  const { code, last, stdout } = await ci({
    '*" lint"': 'echo "no-console in x.ts" >&2; exit 1',
    '*" build:wasm --check"': "exit 1",
    ...tests("12 passed, 1 failed", 1),
  });
  assert.equal(code, 1);
  assert.equal(last, "12 passed, 3 failed");
  assert.match(stdout, /ci: lint: FAILED \(deno lint\)\nno-console in x\.ts/);
});

Deno.test(".ci/run never passes on a test command that fails or says no result", async () => {
  assert.deepEqual(await ci(tests("12 passed, 0 failed", 3)).then(({ code, last }) => [code, last]), [
    1,
    "12 passed, 1 failed",
  ]);
  assert.deepEqual(await ci(tests("Segmentation fault", 139)).then(({ code, last }) => [code, last]), [
    1,
    "0 passed, 1 failed",
  ]);
});

Deno.test(".ci/run without a runtime says so", async () => {
  const { code, last } = await ci({ '*" --version"': "exit 1" });
  assert.deepEqual([code, last], [1, "0 passed, 1 failed"]);
});
