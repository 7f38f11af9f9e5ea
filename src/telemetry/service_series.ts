/**
 * What is counted for each request, in plain numbers: a look-up of labels for every count costs more than a small
 * header. The registry asks for them when its page is read.
 */
import { Histogram, type HistogramConfiguration, type MetricType } from "prom-client";
import { DatagramSeries } from "./datagram_series.ts";
import { statusClasses } from "./label.ts";

/** 1 ms to 60 s: a local request takes the lowest, a long poll the highest. */
export const requestBuckets: readonly number[] = Object.freeze(
  [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
);

/** Counts of one service since the process started. */
export class ServiceSeries {
  /** Payload bytes from viewers. */
  bytesIn = 0;
  /** Payload bytes to viewers. */
  bytesOut = 0;
  /** Observations by bucket, not summed up; the last one is beyond all bounds. */
  readonly buckets = new Float64Array(requestBuckets.length + 1);
  /** Sum of all observations. */
  seconds = 0;
  readonly #requests = new Float64Array(statusClasses.length);
  #datagrams: DatagramSeries | undefined;

  /** What only udp services have; made when it is asked for. */
  get datagrams(): DatagramSeries {
    return this.#datagrams ??= new DatagramSeries();
  }
  get hasDatagrams(): boolean {
    return this.#datagrams !== undefined;
  }

  /** An answered request. */
  answered(status: number): void {
    const index = Math.floor(status / 100) - 1;
    this.#requests[index >= 0 && index < 5 ? index : 5]++;
  }

  /** Time from a request to its response head. */
  observe(seconds: number): void {
    this.seconds += seconds;
    let bucket = 0;
    while (bucket < requestBuckets.length && seconds > requestBuckets[bucket]) bucket++;
    this.buckets[bucket]++;
  }

  /** Classes of statuses that occurred, with their counts. */
  *requests(): Iterable<readonly [status: string, count: number]> {
    for (const [index, status] of statusClasses.entries()) {
      if (this.#requests[index] > 0) yield [status, this.#requests[index]];
    }
  }
}

/** The histogram of all series' observations, made when it is read. */
export class SeriesHistogram extends Histogram<"service"> {
  readonly #series: ReadonlyMap<string, ServiceSeries>;
  readonly #facts: { name: string; help: string };

  constructor(
    options: Omit<HistogramConfiguration<"service">, "labelNames" | "buckets">,
    series: ReadonlyMap<string, ServiceSeries>,
  ) {
    super({ ...options, labelNames: ["service"], buckets: [...requestBuckets] });
    this.#series = series;
    this.#facts = options;
  }

  /** What the registry's page is made of, in the shape of prom-client's own. */
  getForPromString(): ReturnType<Histogram<"service">["get"]> {
    return this.get();
  }

  override get(): ReturnType<Histogram<"service">["get"]> {
    const { name, help } = this.#facts;
    const values = [...this.#series].flatMap(([service, { buckets, seconds }]) => {
      let count = 0;
      const at = (le: number | string) => ({ service, le } as { service: string });
      const lines = [...buckets].map((bucket, index) => {
        count += bucket;
        return { metricName: `${name}_bucket`, labels: at(requestBuckets[index] ?? "+Inf"), value: count };
      });
      return count === 0 ? [] : [
        ...lines,
        { metricName: `${name}_sum`, labels: { service }, value: seconds },
        { metricName: `${name}_count`, labels: { service }, value: count },
      ];
    });
    const type = "histogram" as unknown as MetricType; // an enum in its types, a word at run time
    return Promise.resolve({ name, help, type, aggregator: "sum", collect() {}, values });
  }
}
