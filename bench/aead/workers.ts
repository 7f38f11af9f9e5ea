/** Whether two Workers seal twice as much as one: each has a core of its own, and they share nothing. */
import { median } from "../tunnel/load/statistics.ts";
import type { Results } from "./measure.ts";

const WARM_UP_MS = 150;
const SLICE_MS = 100;

/** GB/s of two Workers together, as `postern`, and of one alone. In turn, medians. */
export async function measureWorkers(rounds: number): Promise<Results> {
  const workers = [0, 1].map(() => new Worker(new URL("./worker.ts", import.meta.url), { type: "module" }));
  try {
    await Promise.all(workers.map((worker) => rate(worker, WARM_UP_MS)));
    const alone: number[] = [];
    const together: number[] = [];
    for (let i = 0; i < 5 * rounds; i++) {
      alone.push(await rate(workers[i % 2], SLICE_MS));
      const rates = await Promise.all(workers.map((worker) => rate(worker, SLICE_MS)));
      together.push(rates[0] + rates[1]);
    }
    return new Map([[
      "seal_16384_two_workers",
      new Map([["postern", median(together)], ["one worker", median(alone)]]),
    ]]);
  } finally {
    for (const worker of workers) worker.terminate();
  }
}

function rate(worker: Worker, ms: number): Promise<number> {
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<number>) => resolve(data);
    worker.onerror = (event) => reject(new Error(event.message));
    worker.postMessage(ms);
  });
}
