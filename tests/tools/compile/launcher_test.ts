import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { buildLauncher } from "../../../tools/compile/launcher.ts";
import { Process, type ProcessOptions } from "../../support/process.ts";
import { TempDir } from "../../support/temp_dir.ts";

const { imports } = JSON.parse(await Deno.readTextFile(new URL("../../../deno.json", import.meta.url)));

// The package is CommonJS and asks for built-in modules: it has to work without a package folder.
const program = `
import { parse } from "${imports.yaml}";
if (Deno.args[0] === "exit") Deno.exit(Number(Deno.args[1]));
else if (Deno.args[0] === "cat") await Deno.stdin.readable.pipeTo(Deno.stdout.writable);
else if (Deno.args[0] === "wait") {
  Deno.addSignalListener("SIGTERM", () => Deno.exit(9));
  console.log("pid", Deno.pid);
  setInterval(() => {}, 1_000);
} else if (Deno.args[0] === "yaml") console.log((await import("./lazy.ts")).text(parse("[1, two]")));
else if (Deno.args[0] === "upgrade") {
  console.log((await Deno.permissions.query({ name: "run" })).state, Deno.env.get("POSTERN_PROGRAM"));
} else if (Deno.args[0] === "run") {
  console.log((await Deno.permissions.query({ name: "run" })).state);
} else console.log(JSON.stringify([Deno.args, Deno.cwd(), import.meta.main, Deno.umask()]));
`;

/** A first start reads, verifies and unpacks 100 MB, while other tests do the same. */
const launchTimeoutMs = 120_000;

let folder: TempDir;
let binary: string;

Deno.test.beforeAll(async () => {
  folder = await TempDir.make("launcher");
  const entry = await folder.write("main.ts", program);
  await folder.write("lazy.ts", "export const text = (value: unknown) => JSON.stringify(value);");
  binary = folder.file("with space/postern");
  await Deno.mkdir(folder.file("with space"));
  const runtime = await Deno.realPath(Deno.execPath());
  await buildLauncher({
    entry,
    output: binary,
    flags: ["--allow-read", "--allow-write", "--allow-sys", "--allow-env"],
    version: "0.0.0",
    runtime,
  });
});

Deno.test.afterAll(() => folder[Symbol.asyncDispose]());

/** Starts the built file with a home of its own and nothing else of this environment. */
function start(args: readonly string[], options: ProcessOptions & { home?: string } = {}): Process {
  const { home = folder.file("home"), env, ...rest } = options;
  const base = {
    PATH: Deno.env.get("PATH") ?? "",
    TMPDIR: folder.file("tmp"),
    ...(home ? { HOME: home } : {}),
  };
  return Process.start(binary, { args, clearEnv: true, env: { ...base, ...env }, ...rest });
}

async function run(args: readonly string[], options: ProcessOptions & { home?: string } = {}) {
  await Deno.mkdir(folder.file("tmp"), { recursive: true });
  await using process = start(args, options);
  return await process.finished(launchTimeoutMs);
}

/** The one directory below a home that holds the unpacked files. */
function unpackedIn(home: string): string {
  const cache = `${home}/.cache/postern`;
  const names = [...Deno.readDirSync(cache)].map((entry) => entry.name);
  assert.equal(names.length, 1);
  return `${cache}/${names[0]}`;
}

const mode = (path: string) => Deno.statSync(path).mode! & 0o777;

Deno.test("launcher: arguments, working directory and umask reach the program unchanged", async () => {
  const cwd = folder.file("with space");
  const args = ["", "a b", "*", "$HOME", "'\"", "--help"];
  for (let round = 0; round < 2; round++) {
    const { code, stdout, stderr } = await run(args, { cwd });
    assert.equal(code, 0, stderr);
    assert.deepEqual(JSON.parse(stdout), [args, cwd, true, Deno.umask()]);
  }
});

Deno.test("launcher: standard input and exit codes pass through", async () => {
  assert.equal((await run(["cat"], { stdin: "from outside" })).stdout, "from outside");
  assert.equal((await run(["exit", "37"])).code, 37);
});

Deno.test("launcher: packages and modules that are imported late are inside", async () => {
  const { stdout, stderr } = await run(["yaml"]);
  assert.equal(stdout, '[1,"two"]\n', stderr);
});

Deno.test("launcher: the program has the pid that was started, so signals reach it", async () => {
  await using process = start(["wait"]);
  const [, pid] = await process.waitFor(/pid (\d+)/);
  assert.equal(Number(pid), process.pid);
  process.signal("SIGTERM");
  assert.equal((await process.finished()).code, 9);
});

Deno.test("launcher: the program has the permissions it was built with and is never asked for more", async () => {
  assert.equal((await run(["run"])).stdout, "prompt\n");
  const { code, stderr } = await run(["cat"], { stdin: "", env: { DENO_NO_PROMPT: "" } });
  assert.equal(code, 0, stderr);
});

Deno.test("launcher: only an upgrade may start programs, and it knows the file that it replaces", async () => {
  assert.equal((await run(["upgrade"])).stdout, `granted ${binary}\n`);
  assert.equal((await run(["run", "upgrade"])).stdout, "prompt\n", "the first word decides");
});

Deno.test("launcher: it starts by PATH, by a link and by a relative path", async () => {
  const bin = folder.file("with space");
  const link = folder.file("link");
  await Deno.symlink(binary, link);
  for (
    const command of [
      "PATH=$1:$PATH; postern exit 3",
      "cd $1/..; ./link exit 3",
      'cd "$1"; sh postern exit 3',
    ]
  ) {
    const script = command.replaceAll("$1", `'${bin}'`).replaceAll(`"'`, "'").replaceAll(`'"`, "'");
    const { code, stderr } = await Process.run("sh", {
      args: ["-c", script],
      env: { HOME: folder.file("home") },
    });
    assert.equal(code, 3, `${command}: ${stderr}`);
  }
});

Deno.test("launcher: it unpacks to a directory that only the user enters, and leaves nothing else there", async () => {
  const home = folder.file("home");
  await run(["exit", "0"]);
  const unpacked = unpackedIn(home);
  assert.equal(mode(`${home}/.cache/postern`), 0o700);
  assert.equal(mode(unpacked), 0o700);
  assert.equal(mode(`${unpacked}/deno`), 0o500);
  const names = [...Deno.readDirSync(unpacked)].map((entry) => entry.name).sort();
  assert.deepEqual(names.filter((name) => name !== "runtime"), ["deno", "main.js"]);
});

Deno.test("launcher: a changed program or runtime is never run, but unpacked anew", async () => {
  const home = folder.file("home");
  await run(["exit", "0"]);
  const unpacked = unpackedIn(home);
  for (const name of ["main.js", "deno"]) {
    const path = `${unpacked}/${name}`;
    const good = await Deno.readFile(path);
    await Deno.remove(path);
    await Deno.writeTextFile(path, "#!/bin/sh\necho tampered\n", { mode: 0o500 });
    const { code, stdout } = await run(["exit", "5"]);
    assert.equal(code, 5);
    assert.equal(stdout, "");
    assert.ok(Buffer.from(await Deno.readFile(path)).equals(good));
  }
});

Deno.test("launcher: a cache that others may enter, or that is a link, is not used", async () => {
  for (const kind of ["open", "link"]) {
    const home = folder.file(`home-${kind}`);
    await run(["exit", "0"], { home });
    const unpacked = unpackedIn(home);
    if (kind === "open") await Deno.chmod(unpacked, 0o777);
    else {
      await Deno.rename(unpacked, `${home}/elsewhere`);
      await Deno.symlink(`${home}/elsewhere`, unpacked);
    }
    await Deno.remove(`${unpacked}/main.js`);
    assert.equal((await run(["exit", "6"], { home })).code, 6);
    await assert.rejects(Deno.stat(`${unpacked}/main.js`), Deno.errors.NotFound);
    assert.deepEqual([...Deno.readDirSync(folder.file("tmp"))], []);
  }
});

Deno.test("launcher: without a home it unpacks for one start and leaves nothing behind", async () => {
  const { code, stderr } = await run(["exit", "4"], { home: "" });
  assert.equal(code, 4, stderr);
  assert.deepEqual([...Deno.readDirSync(folder.file("tmp"))], []);
});

Deno.test("launcher: first starts at the same time do not disturb each other", async () => {
  const home = folder.file("home-crowd");
  const results = await Promise.all([1, 2, 3].map((code) => run(["exit", `${code}`], { home })));
  assert.deepEqual(results.map((result) => result.code), [1, 2, 3]);
  await run(["exit", "0"], { home });
  const names = [...Deno.readDirSync(unpackedIn(home))].map((entry) => entry.name);
  assert.ok(!names.some((name) => name.startsWith("unpack.")), names.join(" "));
});

Deno.test("launcher: a damaged file says so and runs nothing", async () => {
  const bytes = await Deno.readFile(binary);
  bytes[bytes.length >> 1] ^= 1;
  const damaged = await folder.write("damaged", bytes, 0o700);
  const { code, stdout, stderr } = await Process.run(damaged, {
    args: ["exit", "0"],
    env: { HOME: folder.file("home-damaged"), TMPDIR: folder.file("tmp") },
    timeoutMs: launchTimeoutMs,
  });
  assert.equal(code, 1);
  assert.equal(stdout, "");
  assert.match(stderr, /^Cannot start postern: .*damaged/);
});

Deno.test("buildLauncher() refuses a runtime that is a script, and says why a program cannot be bundled", async () => {
  const script = await folder.write("deno.sh", "#!/bin/sh\n");
  const options = { output: folder.file("none"), flags: [], version: "0.0.0" };
  const entry = folder.file("main.ts");
  await assert.rejects(buildLauncher({ ...options, entry, runtime: script }), /no ELF executable/);
  const broken = await folder.write("broken.ts", `import "./nowhere.ts";`);
  await assert.rejects(
    buildLauncher({ ...options, entry: broken, runtime: Deno.execPath() }),
    /Cannot bundle.*nowhere/s,
  );
  await assert.rejects(Deno.stat(options.output), Deno.errors.NotFound);
});
