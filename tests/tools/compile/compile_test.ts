import assert from "node:assert/strict";
import { Process } from "../../support/process.ts";
import { TempDir } from "../../support/temp_dir.ts";

const tool = new URL("../../../tools/compile.ts", import.meta.url).pathname;
const compile = (...args: string[]) =>
  Process.run(Deno.execPath(), { args: ["run", "-A", "--no-check", tool, ...args], timeoutMs: 120_000 });

Deno.test("compile --launcher makes one file and its digest, and says how large and how fast it is", async () => {
  await using folder = await TempDir.make("compile");
  const entry = await folder.write("main.ts", `if (Deno.args[0] !== "--version") Deno.exit(9);`);
  const output = folder.file("out/postern");
  const { code, stdout, stderr } = await compile("--launcher", "--entry", entry, `--output=${output}`);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /compile: [\d.]+ MB, first start \d+ ms, next start \d+ ms\n$/);
  const check = await Process.run("sha256sum", {
    args: ["--check", "postern.sha256"],
    cwd: folder.file("out"),
  });
  assert.equal(check.code, 0, check.stderr);
  assert.equal(
    (await Process.run(output, { args: ["--other"], env: { XDG_CACHE_HOME: folder.path } })).code,
    9,
  );
});

Deno.test("compile fails when the program that it made does not start", async () => {
  await using folder = await TempDir.make("compile");
  const entry = await folder.write("main.ts", `throw new Error("not today");`);
  const { code, stderr } = await compile("--launcher", "--entry", entry, "--output", folder.file("postern"));
  assert.equal(code, 1);
  assert.match(stderr, /Cannot start .*not today/s);
});

Deno.test("compile refuses arguments that it does not know with exit code 2", async () => {
  for (const args of [["--what"], ["--output"], ["--launcher=yes"]]) {
    const { code, stderr } = await compile(...args);
    assert.equal(code, 2, args.join(" "));
    assert.match(stderr, /^Cannot compile: /);
  }
});
