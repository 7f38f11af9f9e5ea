import assert from "node:assert/strict";
import { Progress } from "../../../tools/test/progress.ts";

Deno.test("Progress.line() hides what passed and shows failures, skips and uncaught files", () => {
  const shown: string[] = [];
  const progress = new Progress((line) => shown.push(line));
  progress.line("running 3 tests from ./tests/a_test.ts");
  progress.line("./tests/a_test.ts => one ... \x1b[32mok\x1b[0m (335µs)");
  progress.line("./tests/a_test.ts => two ... ignored (0ms)");
  progress.line("./tests/a_test.ts => three ... FAILED (2ms)");
  progress.line("Uncaught error from ./tests/b_test.ts FAILED");
  assert.equal(shown.length, 3);
  assert.deepEqual(progress.counts, { passed: 1, failed: 1, skipped: 1 });
  assert.deepEqual(progress.uncaughtFiles, ["tests/b_test.ts"]);
});

Deno.test("Progress.line() gives a sign of life every hundred passed tests", () => {
  const shown: string[] = [];
  const progress = new Progress((line) => shown.push(line));
  for (let i = 0; i < 250; i++) progress.line(`./tests/a_test.ts => ${i} ... ok (1ms)`);
  assert.deepEqual(shown, ["  100 ok so far", "  200 ok so far"]);
});

Deno.test("Progress.line() never takes what a test wrote for a result", () => {
  const shown: string[] = [];
  const progress = new Progress((line) => shown.push(line));
  for (const kind of ["output", "post-test output"]) {
    progress.line(`------- ${kind} -------`);
    progress.line("x ... FAILED (1ms)");
    progress.line("Uncaught error from ./x_test.ts FAILED");
    progress.line(`half a line----- ${kind} end -----`);
  }
  progress.line("a ... FAILED (1ms)");
  assert.equal(shown.length, 9);
  assert.deepEqual(progress.counts, { passed: 0, failed: 1, skipped: 0 });
  assert.deepEqual(progress.uncaughtFiles, []);
});
