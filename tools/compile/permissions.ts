/** How the compiled program runs and what it may do: exactly as the `postern` task of deno.json says. One list, two uses. */

/**
 * The flags between `deno run` and the script of a task. Throws when the task is no plain `deno run <flags> <script>`,
 * or grants everything.
 */
export function flagsOfTask(task: string): string[] {
  const match = /^deno run ((?:--?[\w-]+(?:=[\w,./:=-]+)? )+)[\w./-]+\.ts$/.exec(task);
  if (!match) throw new SyntaxError(`Cannot read permissions: the task is no plain "deno run": ${task}`);
  const flags = match[1].trim().split(" ");
  if (flags.some((flag) => flag === "-A" || flag === "--allow-all")) {
    throw new SyntaxError("Cannot read permissions: the task grants everything");
  }
  return flags;
}

/** The flags of the project's own `postern` task. */
export async function programFlags(configPath: string | URL): Promise<string[]> {
  const { tasks } = JSON.parse(await Deno.readTextFile(configPath)) as { tasks: Record<string, string> };
  return flagsOfTask(tasks.postern);
}
