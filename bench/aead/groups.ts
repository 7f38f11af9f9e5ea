/** The same tasks as `deno task bench:aead`, for `deno bench`: one group a metric, the core its baseline. */
import { type Metric, operationsPerReading } from "./metrics.ts";
import { PEERS, type Task } from "./peers/mod.ts";

/** Opening wants a record that was sealed and not yet opened: only what is inside start() and end() counts. */
export function benchGroups(metrics: readonly Metric[]): void {
  for (const metric of metrics) {
    const times = operationsPerReading(metric);
    for (const peer of PEERS.filter(({ operations }) => operations.includes(metric.operation))) {
      let task: Task | undefined;
      Deno.bench({
        name: `${peer.name}, ${times} x ${metric.bytes} B`,
        group: metric.id,
        baseline: peer.name === "postern",
        async fn(bench) {
          task ??= await peer.task(metric);
          if (task === undefined) throw new Error(`${peer.name} has no ${metric.operation} in this runtime`);
          task.prepare?.(times);
          bench.start();
          await task.run(times);
          bench.end();
        },
      });
    }
  }
}
