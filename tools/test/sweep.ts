/** Ends programs that a crashed test process left behind. */

/**
 * Kills every process whose working directory, command line or environment names `folder`, the temporary folder that
 * only the tests of this phase know.
 */
export async function killLeftovers(folder: string): Promise<number> {
  let killed = 0;
  for (const entry of Deno.readDirSync("/proc")) {
    const pid = Number(entry.name);
    if (!Number.isInteger(pid) || pid === Deno.pid || !await names(pid, folder)) continue;
    try {
      Deno.kill(pid, "SIGKILL");
      killed++;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return killed;
}

async function names(pid: number, folder: string): Promise<boolean> {
  const reads = [
    Deno.readLink(`/proc/${pid}/cwd`),
    Deno.readTextFile(`/proc/${pid}/cmdline`),
    Deno.readTextFile(`/proc/${pid}/environ`),
  ];
  // A process may end while it is looked at, and those of other users do not show everything.
  const texts = await Promise.allSettled(reads);
  return texts.some((text) => text.status === "fulfilled" && text.value.includes(folder));
}
