/** One child `deno test` over a list of files: its output as a stream, its counts as numbers. */
import { print } from "../print.ts";
import { type FileResult, parseJunit } from "./junit.ts";
import { Progress } from "./progress.ts";
import { killLeftovers } from "./sweep.ts";

/** What a phase came to. `failed` is at least 1 whenever the phase did not end well. */
export interface PhaseResult {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly files: readonly FileResult[];
}

export interface PhaseOptions {
  readonly name: string;
  readonly files: readonly string[];
  readonly parallel: boolean;
  readonly timeoutMs: number;
  /** Further arguments for `deno test`, such as `--filter=name`. */
  readonly flags?: readonly string[];
  /** Where lines go; standard output unless given. */
  readonly say?: (line: string) => void;
}

const killGraceMs = 5_000;

/** Runs the files. Never throws for a failing, crashing or hanging test process: those count as failed. */
export async function runPhase(options: PhaseOptions): Promise<PhaseResult> {
  const { name, files, parallel, timeoutMs, flags = [], say = print } = options;
  if (files.length === 0) return { passed: 0, failed: 0, skipped: 0, files: [] };
  // Also the TMPDIR of the tests: short, because paths of unix sockets end at 107 bytes.
  const folder = await Deno.makeTempDir({ prefix: "postern-" });
  // PostgreSQL runs as another user and has to pass through; nobody can list it.
  await Deno.chmod(folder, 0o711);
  const report = `${folder}/junit.xml`;
  const args = ["test", "-A", "--no-check", "--frozen=false", `--junit-path=${report}`, ...flags];
  if (parallel) args.push("--parallel");
  say(`test: ${name}: ${files.length} files${parallel ? " in parallel" : " one after the other"}`);
  try {
    const progress = new Progress(say);
    const ended = await runChild([...args, ...files], folder, timeoutMs, (line) => progress.line(line));
    if (ended.timedOut) say(`test: ${name}: stopped, no end within ${timeoutMs / 1000} s`);
    return count(name, ended.code, await readReport(report), progress, say);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function count(
  name: string,
  code: number,
  files: FileResult[] | undefined,
  progress: Progress,
  say: (line: string) => void,
): PhaseResult {
  if (!files) {
    say(`test: ${name}: the test process ended with ${code} and left no report`);
    const { passed, failed, skipped } = progress.counts;
    return { passed, failed: failed + 1, skipped, files: [] };
  }
  const sum = (key: "passed" | "failed" | "skipped") => files.reduce((total, file) => total + file[key], 0);
  let failed = sum("failed") + progress.uncaughtFiles.length;
  if (code !== 0 && failed === 0) {
    say(`test: ${name}: the test process ended with ${code} although no test failed`);
    failed = 1;
  }
  return { passed: sum("passed"), failed, skipped: sum("skipped"), files };
}

async function readReport(path: string): Promise<FileResult[] | undefined> {
  try {
    return parseJunit(await Deno.readTextFile(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The child leads a process group of its own, so that whatever its tests started ends with it. */
async function runChild(
  args: string[],
  folder: string,
  timeoutMs: number,
  onLine: (line: string) => void,
): Promise<{ code: number; timedOut: boolean }> {
  const child = new Deno.Command(Deno.execPath(), {
    args,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    detached: true,
    env: { RUST_BACKTRACE: "0", TMPDIR: folder },
  }).spawn();
  const forward = (signal: Deno.Signal) => () => killGroup(child.pid, signal);
  const onInt = forward("SIGINT"), onTerm = forward("SIGTERM");
  Deno.addSignalListener("SIGINT", onInt);
  Deno.addSignalListener("SIGTERM", onTerm);
  let timedOut = false;
  let lastResort: ReturnType<typeof setTimeout> | undefined;
  const timer = setTimeout(() => {
    timedOut = true;
    killGroup(child.pid, "SIGTERM");
    lastResort = setTimeout(() => killGroup(child.pid, "SIGKILL"), killGraceMs);
  }, timeoutMs);
  try {
    const output = Promise.all([eachLine(child.stdout, onLine), eachLine(child.stderr, onLine)]);
    const status = await child.status;
    // What tests left behind holds the pipes open: end it before waiting for the last line.
    killGroup(child.pid, "SIGKILL");
    await killLeftovers(folder);
    await output;
    return { code: status.code, timedOut };
  } finally {
    clearTimeout(timer);
    clearTimeout(lastResort);
    Deno.removeSignalListener("SIGINT", onInt);
    Deno.removeSignalListener("SIGTERM", onTerm);
  }
}

function killGroup(leader: number, signal: Deno.Signal): void {
  try {
    Deno.kill(-leader, signal);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

async function eachLine(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  onLine: (line: string) => void,
): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    lines.forEach(onLine);
  }
  if (rest) onLine(rest);
}
