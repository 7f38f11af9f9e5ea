/** What is counted for each datagram of a service, in plain numbers: a flood must not cost a look-up of labels each. */
import { Counter, type Registry } from "prom-client";

/**
 * How a flow ended: the origin had answered or not; `lost`: the far side ended it, or the channel under it; `evicted`: for
 * a new one.
 */
export type FlowResult = "answered" | "unanswered" | "lost" | "evicted";

export class DatagramSeries {
  /** Datagrams from viewers, and to them. */
  in = 0;
  out = 0;
  /** By `DatagramDrop` of src/driver. */
  readonly drops = new Map<string, number>();
  readonly flows = new Map<FlowResult, number>();

  dropped(reason: string): void {
    this.drops.set(reason, (this.drops.get(reason) ?? 0) + 1);
  }

  flowEnded(result: FlowResult): void {
    this.flows.set(result, (this.flows.get(result) ?? 0) + 1);
  }
}

/** Shows the series of all services in the registry. */
export function registerDatagramSeries(
  registers: Registry[],
  all: () => Iterable<readonly [service: string, series: DatagramSeries]>,
): void {
  new Counter({
    name: "postern_udp_datagrams_total",
    help: "Datagrams that passed, by direction (in: from viewers) and service.",
    labelNames: ["direction", "service"],
    registers,
    collect() {
      this.reset();
      for (const [service, series] of all()) {
        this.inc({ direction: "in", service }, series.in);
        this.inc({ direction: "out", service }, series.out);
      }
    },
  });
  new Counter({
    name: "postern_udp_drops_total",
    help: "Datagrams that were dropped, by reason and service.",
    labelNames: ["reason", "service"],
    registers,
    collect() {
      this.reset();
      for (const [service, { drops }] of all()) {
        for (const [reason, count] of drops) this.inc({ reason, service }, count);
      }
    },
  });
  new Counter({
    name: "postern_udp_flows_total",
    help: "Flows of udp services that ended, by result and service.",
    labelNames: ["result", "service"],
    registers,
    collect() {
      this.reset();
      for (const [service, { flows }] of all()) {
        for (const [result, count] of flows) this.inc({ result, service }, count);
      }
    },
  });
}
