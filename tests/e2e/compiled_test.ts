import assert from "node:assert/strict";
import { freePort } from "../support/ports.ts";
import { Process } from "../support/process.ts";
import { flagsOf, startPostern } from "../support/stack_processes.ts";
import { startStack } from "../support/stack.ts";
import { TempDir } from "../support/temp_dir.ts";

const root = new URL("../../", import.meta.url).pathname;
const compileTimeoutMs = 240_000;

Deno.test("the compiled program publishes a service, streams bodies and ends with its exit codes, like the one from its sources", async () => {
  await using folder = await TempDir.make("compiled");
  const program = folder.file("postern");
  const compiled = await Process.run(Deno.execPath(), {
    args: ["run", "-A", "--no-check", `${root}tools/compile.ts`, "--output", program],
    cwd: root,
    timeoutMs: compileTimeoutMs,
  });
  assert.equal(compiled.code, 0, compiled.stdout + compiled.stderr);

  await using origin = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    return new Response(`${request.method} ${(await request.bytes()).length}`);
  });
  await using stack = await startStack();
  const env = { XDG_CACHE_HOME: folder.file("cache") };
  const run = (words: readonly string[]) => startPostern(words, folder, [program], env);

  await using version = run(["version"]);
  assert.equal((await version.finished()).code, 0);
  assert.match(version.stdout, /\d+\.\d+\.\d+/);

  const port = freePort();
  await using edge = run([
    "edge",
    ...flagsOf({
      listen: `127.0.0.1:${port}`,
      admin_listen: "off",
      state_directory: folder.file("edge"),
      workers: "2",
    }),
  ]);
  await edge.waitFor(/edge started/);
  assert.equal((await fetch(`http://127.0.0.1:${port}/readyz`)).status, 200);
  edge.signal("SIGTERM");
  assert.equal((await edge.finished()).code, 0);

  await using agent = run([
    "http",
    `${origin.addr.port}`,
    "--name=shop",
    ...flagsOf({ control: `http://127.0.0.1:${stack.port}`, admin_listen: "127.0.0.1:0" }),
  ]);
  await agent.waitFor(/http:\/\/shop\.localhost/);
  assert.equal(await (await stack.fetch("shop")).text(), "GET 0");
  const body = new Uint8Array(3_000_000);
  assert.equal(await (await stack.fetch("shop", "/", { method: "POST", body })).text(), "POST 3000000");
  agent.signal("SIGTERM");
  assert.equal((await agent.finished()).code, 0);

  await using refused = run(["http", "9", "--name=not.a.name", "--control=http://127.0.0.1:9"]);
  assert.equal((await refused.finished()).code, 2);
});
