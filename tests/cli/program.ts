/** The real program: in a process of its own, or (a second sooner) its command line in this one. */
import { runCommandLine } from "../../cli/run.ts";

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const root = new URL("../../", import.meta.url).pathname;

/** Runs `postern WORDS` to its end, with only these variables (and what Deno itself needs). */
export async function postern(words: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-prompt", `${root}cli/main.ts`, ...words],
    clearEnv: true,
    env: { ...inherited(), ...env },
    stdin: "null",
  }).output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: decode(stdout), stderr: decode(stderr) };
}

/** As {@link postern}, without a process. */
export async function posternHere(
  words: readonly string[],
  env: Record<string, string> = {},
): Promise<Ended> {
  let [stdout, stderr] = ["", ""];
  const code = await runCommandLine(words, { ...inherited(), ...env }, {
    out: (text) => void (stdout += text),
    err: (text) => void (stderr += text),
    live: false,
    color: false,
    columns: () => 80,
  });
  return { code, stdout, stderr };
}

function inherited(): Record<string, string> {
  const names = ["PATH", "HOME", "DENO_DIR", "XDG_CACHE_HOME"];
  return Object.fromEntries(names.flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value]];
  }));
}
