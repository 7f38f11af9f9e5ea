import assert from "node:assert/strict";
import { parseJunit } from "../../../tools/test/junit.ts";

const report = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="deno test" tests="8" failures="2" errors="0" time="0.250">
    <testsuite name="./tests/a_test.ts" tests="6" disabled="1" errors="0" failures="2">
        <testcase name="ok" classname="./tests/a_test.ts" time="0.250" line="1" col="6">
        </testcase>
        <testcase name="a &gt; b" classname="./tests/a_test.ts" time="0.500" line="1" col="6">
        </testcase>
        <testcase name="left out" classname="./tests/a_test.ts" time="0.000" line="2" col="11">
            <skipped/>
        </testcase>
        <testcase name="fails &lt;x&gt; &amp; &quot;y&quot;" classname="./tests/a_test.ts" time="0.001" line="3" col="6">
            <failure message="Uncaught Error: &lt;testcase&gt;">Error: no &lt;skipped/&gt;</failure>
        </testcase>
        <testcase name="steps" classname="./tests/a_test.ts" time="0.001" line="4" col="6">
            <failure message="1 test step failed">1 test step failed.</failure>
        </testcase>
        <testcase name="steps &gt; s1" classname="./tests/a_test.ts" time="9.000" line="4" col="43">
        </testcase>
        <testcase name="steps &gt; s2" classname="./tests/a_test.ts" time="0.001" line="4" col="73">
            <failure message="Uncaught Error: x">Error: x</failure>
        </testcase>
    </testsuite>
    <testsuite name="ext:deno_node/testing.ts" tests="1" disabled="0" errors="0" failures="0">
        <testcase name="d &gt; x" classname="ext:deno_node/testing.ts" time="0.000" line="1" col="23191">
        </testcase>
    </testsuite>
</testsuites>
`;

Deno.test("parseJunit() counts tests, not their steps, and reads escaped text as text", () => {
  const [file, ...others] = parseJunit(report);
  assert.deepEqual(others, []);
  assert.equal(file.file, "tests/a_test.ts");
  assert.deepEqual([file.passed, file.failed, file.skipped], [2, 2, 1]);
  assert.ok(Math.abs(file.seconds - 0.752) < 1e-9);
});

Deno.test("parseJunit() tells what failed with what it threw, steps too", () => {
  assert.deepEqual(parseJunit(report)[0].failures, [
    { name: 'fails <x> & "y"', message: "Uncaught Error: <testcase>" },
    { name: "steps", message: "1 test step failed" },
    { name: "steps > s2", message: "Uncaught Error: x" },
  ]);
});

Deno.test("parseJunit() of a report without tests is empty", () => {
  assert.deepEqual(
    parseJunit(`<testsuites name="deno test" tests="0" failures="0" errors="0" time="0.0"/>`),
    [],
  );
});

Deno.test("parseJunit() refuses a report that is cut off or is none", () => {
  assert.throws(() => parseJunit(report.slice(0, -20)), SyntaxError);
  assert.throws(() => parseJunit(""), SyntaxError);
});
