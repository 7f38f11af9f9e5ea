/** Resident memory of processes under test. */
import assert from "node:assert/strict";
import type { StackProcesses } from "./stack_processes.ts";

const MiB = 1_048_576;
const sampleMs = 50;

/** Resident memory of a process. */
async function residentBytes(pid: number): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) * 1_024;
}

/** Runs the work and asserts that neither edge nor agent grows by more than `growthBytes` while it does. */
export async function flat(
  stack: StackProcesses,
  growthBytes: number,
  work: () => Promise<void>,
): Promise<void> {
  const watched = [["edge", stack.edge.pid], ["agent", stack.agent.pid]] as const;
  const idle = await Promise.all(watched.map(([, pid]) => residentBytes(pid)));
  const most = [...idle];
  let done = false;
  const sample = async () => {
    while (!done) {
      for (const [at, [, pid]] of watched.entries()) most[at] = Math.max(most[at], await residentBytes(pid));
      await new Promise((resolve) => setTimeout(resolve, sampleMs));
    }
  };
  const sampling = sample();
  try {
    await work();
  } finally {
    done = true;
    await sampling;
  }
  for (const [at, [name]] of watched.entries()) {
    const grown = most[at] - idle[at];
    assert.ok(
      grown < growthBytes,
      `${name} grew by ${Math.round(grown / MiB)} MiB from ${Math.round(idle[at] / MiB)}`,
    );
  }
}
