/** How Postern is started: with the permissions of `deno task postern`, or as the compiled program. */
import { Process } from "../../../tests/support/process.ts";

const ROOT = new URL("../../../", import.meta.url).pathname;

/** A function that starts Postern with arguments: `binary`, or the sources with further flags of `deno run`. */
export function posternProgram(
  binary: string | undefined,
  denoFlags: readonly string[],
): (args: string[]) => Process {
  if (binary !== undefined) {
    const path = binary.startsWith("/") ? binary : `${Deno.cwd()}/${binary}`;
    return (args) => Process.start(path, { args, env: { NO_COLOR: "1" } });
  }
  const { tasks } = JSON.parse(Deno.readTextFileSync(`${ROOT}deno.json`)) as { tasks: { postern: string } };
  const [, ...task] = tasks.postern.split(" ");
  return (args) =>
    Process.start(Deno.execPath(), {
      args: [task[0], ...denoFlags, ...task.slice(1), ...args],
      cwd: ROOT,
      env: { NO_COLOR: "1" },
    });
}
