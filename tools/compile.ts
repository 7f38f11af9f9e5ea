/**
 * `deno task compile [--output dist/postern] [--entry cli/main.ts] [--launcher]`: Postern as one executable file.
 *
 * Takes `deno compile` where its base runtime can be had (DENORT_BIN, the cache, the network). Elsewhere, or with
 * --launcher, it packs the running deno and the bundled program behind a start script: same behaviour, somewhat larger,
 * unpacked once to a private directory and verified at every start (tools/compile/stub.sh). Writes <output>.sha256, too.
 */
import { createHash } from "node:crypto";
import { buildLauncher } from "./compile/launcher.ts";
import { programFlags } from "./compile/permissions.ts";
import { print, printError } from "./print.ts";

const root = new URL("..", import.meta.url);
/** Longest wait for `deno compile`, download of the base runtime included. */
const compileTimeoutMs = 120_000;
const smokeTimeoutMs = 60_000;
const exitUsage = 2;

interface Options {
  readonly entry: string;
  readonly output: string;
  readonly launcherOnly: boolean;
}

function parse(args: readonly string[]): Options | string {
  let entry = new URL("cli/main.ts", root).pathname;
  let output = new URL("dist/postern", root).pathname;
  let launcherOnly = false;
  for (let at = 0; at < args.length; at++) {
    const [flag, inline] = args[at].split(/=(.*)/s, 2);
    if (flag === "--launcher" && inline === undefined) {
      launcherOnly = true;
      continue;
    }
    const value = inline ?? args[++at];
    if (!["--entry", "--output", "-o"].includes(flag)) return `unknown argument ${flag}`;
    if (!value) return `${flag} needs a path`;
    if (flag === "--entry") entry = value;
    else output = value;
  }
  return { entry, output, launcherOnly };
}

async function main(args: readonly string[]): Promise<number> {
  const options = parse(args);
  if (typeof options === "string") {
    printError(`Cannot compile: ${options}`);
    printError("Usage: deno task compile [--output dist/postern] [--entry cli/main.ts] [--launcher]");
    return exitUsage;
  }
  const { entry, output, launcherOnly } = options;
  const config = new URL("deno.json", root);
  const { version } = JSON.parse(await Deno.readTextFile(config)) as { version: string };
  const flags = await programFlags(config);
  const folder = output.replace(/[^/]*$/, "");
  if (folder) await Deno.mkdir(folder, { recursive: true });
  try {
    // deno compile replaces its own executables only, not the start script of a run before.
    await Deno.remove(output).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
    if (launcherOnly || !await denoCompile(entry, output, flags)) {
      await buildLauncher({ entry, output, flags, version, runtime: await Deno.realPath(Deno.execPath()) });
      print(`compile: ${output}: start script, program and runtime in one file`);
    } else print(`compile: ${output}: by deno compile`);
  } catch (error) {
    printError(error instanceof Error ? error.message : String(error));
    return 1;
  }
  // In the form of sha256sum, for packaging/install.sh and for whoever gets the file.
  const digest = createHash("sha256").update(await Deno.readFile(output)).digest("hex");
  await Deno.writeTextFile(`${output}.sha256`, `${digest}  ${output.replace(/^.*\//, "")}\n`);
  return await measure(output);
}

/** Whether `deno compile` made the file. Says why not. */
async function denoCompile(entry: string, output: string, flags: readonly string[]): Promise<boolean> {
  const signal = AbortSignal.timeout(compileTimeoutMs);
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["compile", "--no-check", "--no-prompt", ...flags, "--output", output, entry],
    env: { NO_COLOR: "1", RUST_BACKTRACE: "0" },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    signal,
  }).output();
  if (success) return true;
  const text = new TextDecoder().decode(stderr);
  if (!/base binary|denort/i.test(text) && !signal.aborted) {
    throw new Error(`Cannot compile ${entry}: ${text.trim()}`);
  }
  const reason = signal.aborted ? `no answer within ${compileTimeoutMs / 1000} s` : "it cannot be downloaded";
  print(
    `compile: no base runtime for deno compile (${reason}; DENORT_BIN may name one): packing this deno instead`,
  );
  return false;
}

/** Starts the result twice, once with nothing unpacked and once more, and says how long that took. */
async function measure(output: string): Promise<number> {
  const cache = await Deno.makeTempDir();
  try {
    const times: string[] = [];
    for (const name of ["first", "next"]) {
      const startedMs = performance.now();
      const { success, stderr } = await new Deno.Command(await Deno.realPath(output), {
        args: ["--version"],
        env: { XDG_CACHE_HOME: cache },
        stdin: "null",
        stdout: "null",
        stderr: "piped",
        signal: AbortSignal.timeout(smokeTimeoutMs),
      }).output();
      if (!success) {
        printError(`Cannot start ${output}: ${new TextDecoder().decode(stderr).trim()}`);
        return 1;
      }
      times.push(`${name} start ${Math.round(performance.now() - startedMs)} ms`);
    }
    const { size } = await Deno.stat(output);
    print(`compile: ${(size / 1e6).toFixed(1)} MB, ${times.join(", ")}`);
    return 0;
  } finally {
    await Deno.remove(cache, { recursive: true });
  }
}

Deno.exit(await main(Deno.args));
