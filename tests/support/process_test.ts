import assert from "node:assert/strict";
import { accepts, freePort } from "./ports.ts";
import { Process, requireBinary } from "./process.ts";

Deno.test("Process.run() gives exit code, output and input through", async () => {
  const result = await Process.run("sh", { args: ["-c", "cat; echo err >&2; exit 7"], stdin: "in" });
  assert.deepEqual(result, { code: 7, signal: null, stdout: "in", stderr: "err\n" });
});

Deno.test("Process.waitFor() resolves as soon as the line was printed, and signal() reaches the program", async () => {
  await using process = Process.start("sh", {
    args: ["-c", "trap 'echo got it; exit 3' USR1; echo ready on 42; while :; do sleep 0.02; done"],
  });
  assert.equal((await process.waitFor(/ready on (\d+)/))[1], "42");
  process.signal("SIGUSR1");
  const { code, stdout } = await process.finished();
  assert.equal(code, 3);
  assert.match(stdout, /got it/);
});

Deno.test("Process.waitFor() of a program that ends before shows what it printed", async () => {
  await using process = Process.start("sh", { args: ["-c", "echo broken >&2; exit 4"] });
  await assert.rejects(process.waitFor(/ready/), /ended with 4[^]*broken/);
});

Deno.test("Process is ended by its scope with everything that it started", async () => {
  let grandchild: number;
  {
    await using process = Process.start("sh", {
      args: ["-c", "trap '' TERM; sleep 600 & echo $!; wait; sleep 600"],
    });
    grandchild = Number((await process.waitFor(/(\d+)\n/))[1]);
    await process.stop("SIGKILL");
    assert.ok(process.hasEnded);
  }
  const state = await Deno.readTextFile(`/proc/${grandchild}/stat`).catch(() => "gone (x) Z");
  assert.match(state, /\) [ZX]/);
});

Deno.test("requireBinary() names the Debian package of a missing program", () => {
  assert.match(requireBinary("sh"), /^\//);
  assert.throws(() => requireBinary("no-such-program-of-postern"), /not installed/);
});

Deno.test("freePort() gives a port on which nobody answers yet", async () => {
  const port = freePort();
  assert.equal(await accepts(port), false);
  using _listener = Deno.listen({ hostname: "127.0.0.1", port });
  assert.equal(await accepts(port), true);
});
