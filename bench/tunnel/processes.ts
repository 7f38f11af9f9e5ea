/** What the kernel counts for a process: memory and processor time, from /proc. */

/** Length of one tick of /proc/PID/stat: USER_HZ is 100 on every Linux. */
const TICK_MS = 10;

/** Resident memory in MiB. */
export async function residentMiB(pid: number): Promise<number> {
  return parseResidentMiB(await Deno.readTextFile(`/proc/${pid}/status`));
}

/** User and system time of all its threads so far, in milliseconds. */
export async function processorMs(pid: number): Promise<number> {
  return parseProcessorMs(await Deno.readTextFile(`/proc/${pid}/stat`));
}

export function parseResidentMiB(status: string): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? NaN) / 1024;
}

export function parseProcessorMs(stat: string): number {
  // The second field is a name in parentheses that may hold anything, spaces included.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** Processes that `pid` has started and that are still there. */
export async function childrenOf(pid: number): Promise<number[]> {
  const text = await Deno.readTextFile(`/proc/${pid}/task/${pid}/children`);
  return text.split(" ").filter(Boolean).map(Number);
}
