/** Real programs as counterparts: found, started, awaited by what they print, and ended with their scope. */
import { findBinary, PACKAGES } from "../../tools/test/packages.ts";

/** How long a program may take to become ready before its test gives up, in milliseconds. */
export const readyTimeoutMs = 90_000;
const stopGraceMs = 5_000;
const pollMs = 20;
const busyAttempts = 100;
/** Characters of output kept for a failure message. */
const keptOutputChars = 64 * 1024;

export interface ProcessOptions {
  readonly args?: readonly string[];
  readonly cwd?: string;
  /** Added to the environment of the test; with `clearEnv` the whole of it. */
  readonly env?: Record<string, string>;
  readonly clearEnv?: boolean;
  /** Run as another user: only root can. */
  readonly uid?: number;
  readonly gid?: number;
  /** Text for standard input, which is then closed; without it there is none. */
  readonly stdin?: string | Uint8Array<ArrayBuffer>;
}

/** What a program that ran to its end left behind. */
export interface Finished {
  readonly code: number;
  readonly signal: Deno.Signal | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Absolute path of a program, or an error that names the Debian package. */
export function requireBinary(name: string): string {
  const path = findBinary(name);
  if (path) return path;
  const row = PACKAGES.find((row) => row.binary === name);
  throw new Error(
    `Cannot start ${name}: it is not installed${row ? ` (apt-get install ${row.package})` : ""}`,
  );
}

/**
 * A running program. `await using` ends it: SIGTERM, then SIGKILL, to its whole process group, so nothing that it
 * started outlives the test.
 */
export class Process implements AsyncDisposable {
  readonly name: string;
  readonly #child: Deno.ChildProcess;
  readonly #pipes: Promise<unknown>;
  readonly #waiting = new Set<() => void>();
  #stdout = "";
  #stderr = "";
  #status: Deno.CommandStatus | undefined;
  readonly #ended: Promise<Deno.CommandStatus>;

  private constructor(name: string, child: Deno.ChildProcess) {
    this.name = name;
    this.#child = child;
    this.#pipes = Promise.all([
      this.#collect(child.stdout, (text) => this.#stdout = (this.#stdout + text).slice(-keptOutputChars)),
      this.#collect(child.stderr, (text) => this.#stderr = (this.#stderr + text).slice(-keptOutputChars)),
    ]);
    this.#ended = child.status.then((status) => {
      this.#status = status;
      this.#wake();
      return status;
    });
  }

  /** Starts `program`: a name that {@link requireBinary} knows, or an absolute path. */
  static start(program: string, options: ProcessOptions = {}): Process {
    const { args = [], stdin, ...rest } = options;
    const path = program.startsWith("/") ? program : requireBinary(program);
    const child = new Deno.Command(path, {
      ...rest,
      args: [...args],
      stdin: stdin === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
      detached: true,
    }).spawn();
    const process = new Process(program.slice(program.lastIndexOf("/") + 1), child);
    if (stdin !== undefined) process.#feed(stdin);
    return process;
  }

  /** Runs `program` to its end. Throws only when it does not end within `timeoutMs`. */
  static async run(
    program: string,
    options: ProcessOptions & { timeoutMs?: number } = {},
  ): Promise<Finished> {
    await using process = await Process.#startWritten(program, options);
    return await process.finished(options.timeoutMs);
  }

  /**
   * Starts a program that was perhaps written a moment ago: another test of this process that forks right then holds the
   * file open for writing until it has become its own program, and nobody may run it before (execve(2), ETXTBSY).
   */
  static async #startWritten(program: string, options: ProcessOptions): Promise<Process> {
    for (let attempt = 0;; attempt++) {
      try {
        return Process.start(program, options);
      } catch (error) {
        const isBusy = error instanceof Error && /Text file busy|ETXTBSY/.test(error.message);
        if (!isBusy || attempt === busyAttempts) throw error;
        await new Promise((resolve) => setTimeout(resolve, pollMs));
      }
    }
  }

  get pid(): number {
    return this.#child.pid;
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Whether it has ended, whoever ended it. */
  get hasEnded(): boolean {
    return this.#status !== undefined;
  }

  /** To the program alone, not to what it started. */
  signal(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Waits until standard output or standard error holds a match. Throws with its output when it ends before. */
  async waitFor(pattern: RegExp, timeoutMs = readyTimeoutMs): Promise<RegExpExecArray> {
    let match: RegExpExecArray | null = null;
    await this.#until(`print ${pattern}`, timeoutMs, () => {
      match = pattern.exec(this.#stdout) ?? pattern.exec(this.#stderr);
      return match !== null;
    });
    return match!;
  }

  /** Asks `ready` again and again until it is true: for sockets that the program is to open. */
  async waitUntil(ready: () => Promise<boolean>, timeoutMs = readyTimeoutMs): Promise<void> {
    const endMs = performance.now() + timeoutMs;
    while (!await ready()) {
      if (this.#status) throw this.#failure(`it ended with ${this.#status.code} before it was ready`);
      if (performance.now() > endMs) throw this.#failure(`it was not ready within ${timeoutMs} ms`);
      await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
  }

  /** Waits for its end by itself. */
  async finished(timeoutMs = readyTimeoutMs): Promise<Finished> {
    await this.#until("end", timeoutMs, () => this.#status !== undefined);
    killGroup(this.pid, "SIGKILL");
    await this.#pipes;
    const { code, signal } = this.#status!;
    return { code, signal, stdout: this.#stdout, stderr: this.#stderr };
  }

  /** Ends it and everything it started. Idempotent. */
  async stop(signal: Deno.Signal = "SIGTERM"): Promise<void> {
    if (!this.#status) killGroup(this.pid, signal);
    const last = setTimeout(() => killGroup(this.pid, "SIGKILL"), stopGraceMs);
    await this.#ended;
    clearTimeout(last);
    killGroup(this.pid, "SIGKILL");
    await this.#pipes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** An error that shows what the program printed. */
  #failure(state: string): Error {
    const output = [this.#stdout, this.#stderr].map((text) => text.trim()).filter(Boolean).join("\n");
    return new Error(`Cannot use ${this.name}: ${state}\n${output}`);
  }

  async #until(what: string, timeoutMs: number, done: () => boolean): Promise<void> {
    const endMs = performance.now() + timeoutMs;
    while (!done()) {
      if (this.#status) {
        await this.#pipes;
        if (done()) return;
        throw this.#failure(`it ended with ${this.#status.code}, but had to ${what}`);
      }
      const leftMs = endMs - performance.now();
      if (leftMs <= 0) throw this.#failure(`it did not ${what} within ${timeoutMs} ms`);
      await new Promise<void>((resolve) => {
        const wake = () => {
          clearTimeout(timer);
          this.#waiting.delete(wake);
          resolve();
        };
        const timer = setTimeout(wake, leftMs);
        this.#waiting.add(wake);
      });
    }
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  async #collect(
    stream: ReadableStream<Uint8Array<ArrayBuffer>>,
    add: (text: string) => void,
  ): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      add(text);
      this.#wake();
    }
  }

  #feed(input: string | Uint8Array<ArrayBuffer>): void {
    const writer = this.#child.stdin.getWriter();
    const bytes = typeof input === "string" ? new TextEncoder().encode(input) : input;
    // A program may end without reading its input: that is its test's business.
    writer.write(bytes).then(() => writer.close()).catch(() => {});
  }
}

function killGroup(leader: number, signal: Deno.Signal): void {
  try {
    Deno.kill(-leader, signal);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
