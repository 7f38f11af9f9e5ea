/** One page out of the metrics of several threads: counts and gauges are added up. */
import {
  AggregatorRegistry,
  type MetricObjectWithValues,
  type MetricValue,
  type Registry,
} from "prom-client";

/** A metric with its values, as plain data that another thread can be sent. */
export type MetricObject = Omit<MetricObjectWithValues<MetricValue<string>>, "collect">;

/** What a registry has now. */
export async function metricObjects(registry: Registry): Promise<MetricObject[]> {
  const metrics = await registry.getMetricsAsJSON() as MetricObject[];
  return metrics.map(({ name, help, type, aggregator, values }) => ({
    name,
    help,
    type,
    aggregator,
    values,
  }));
}

/** The page that Prometheus reads, of all threads together. */
export async function summedPage(threads: readonly MetricObject[][]): Promise<string> {
  // Its types say one list of metrics; it takes, and needs, one list a thread.
  return await AggregatorRegistry.aggregate(
    threads as unknown as MetricObjectWithValues<MetricValue<string>>[],
  ).metrics();
}
