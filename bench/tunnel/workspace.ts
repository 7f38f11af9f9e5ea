/** What a run leaves behind: nothing. One folder for all its files, and no process, however it ends. */
import { childrenOf } from "./processes.ts";

/** Open files that 10,000 streams need in a process that holds both ends of each, and some more. */
const OPEN_FILES = 65_536;

/** Everything that runs; stopped at the end, also after Ctrl-C. */
export class Workspace implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();
  readonly #folder: string;
  #ending: Promise<void> | undefined;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Temporary files of this process and of those it starts are in one folder from now on. */
  static make(): Workspace {
    const folder = Deno.makeTempDirSync({ prefix: "postern-bench-" });
    // Certificates are read by nginx, whose workers may be somebody else.
    Deno.chmodSync(folder, 0o711);
    Deno.env.set("TMPDIR", folder);
    const workspace = new Workspace(folder);
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      Deno.addSignalListener(signal, () => workspace[Symbol.asyncDispose]().finally(() => Deno.exit(130)));
    }
    return workspace;
  }

  /** Whether it was told to stop. */
  get isEnding(): boolean {
    return this.#ending !== undefined;
  }

  use<T extends AsyncDisposable>(resource: T): T {
    return this.#stack.use(resource);
  }

  /** A scope that ends with the run at the latest. */
  scope(): AsyncDisposableStack {
    return this.#stack.use(new AsyncDisposableStack());
  }

  /** Idempotent. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#ending ??= this.#end();
  }

  async #end(): Promise<void> {
    try {
      await this.#stack.disposeAsync();
    } finally {
      // What was just being started belongs to no scope yet. Each is the leader of a group of its own.
      for (const pid of await childrenOf(Deno.pid)) {
        try {
          Deno.kill(-pid, "SIGKILL");
        } catch {
          // It has ended by itself.
        }
      }
      await Deno.remove(this.#folder, { recursive: true });
    }
  }
}

/** Lets this process and those it starts open as many files as the system allows; returns how many that is. */
export async function raiseOpenFiles(): Promise<number> {
  for (const most of [OPEN_FILES, await openFiles("hard")]) {
    if (await openFiles("soft") >= most) break;
    try {
      const { success } = await new Deno.Command("prlimit", {
        args: ["--pid", `${Deno.pid}`, `--nofile=${most}:${most}`],
        stdout: "null",
        stderr: "null",
      }).output();
      if (success) break;
    } catch {
      // The tool is missing: what is allowed now has to do.
      break;
    }
  }
  return await openFiles("soft");
}

async function openFiles(limit: "soft" | "hard"): Promise<number> {
  const text = await Deno.readTextFile("/proc/self/limits");
  const [, soft, hard] = /^Max open files\s+(\S+)\s+(\S+)/m.exec(text) ?? [];
  const value = limit === "soft" ? soft : hard;
  return value === "unlimited" ? OPEN_FILES : Number(value);
}
