import assert from "node:assert/strict";
import { Process } from "../support/process.ts";

/** It waits for three re-attestations. */
const timeoutMs = 180_000;

for (
  const [flags, last] of [[[], "The demo works."], [["--attested"], "The attested demo works."], [[
    "--cluster",
  ], "The cluster demo works."], [["--private"], "The private demo works."]] as const
) {
  Deno.test(`the demo with ${["--check", ...flags].join(" ")} passes every check`, async () => {
    const { code, stdout, stderr } = await Process.run(Deno.execPath(), {
      args: ["run", "-A", "--no-check", "tools/demo.ts", "--check", ...flags],
      timeoutMs,
    });
    assert.equal(code, 0, `${stdout}${stderr}`);
    const lines = stdout.trimEnd().split("\n");
    assert.equal(lines.pop(), last);
    assert.ok(lines.length >= 6 && lines.every((line) => line.startsWith("PASS  ")), stdout);
  });
}

Deno.test("the demo refuses a flag that it does not know", async () => {
  const { code, stderr } = await Process.run(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "tools/demo.ts", "--attest"],
    timeoutMs,
  });
  assert.equal(code, 2);
  assert.match(
    stderr,
    /unknown flag --attest \(known: --attested, --check, --cluster, --private, --verbose\)/,
  );
});
