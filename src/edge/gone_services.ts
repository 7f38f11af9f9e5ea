/** Frees the metrics of services that are gone for good, so that new ones get series of their own. */
import type { Metrics } from "../telemetry/mod.ts";

/** Time that a name has to be without a route: an agent that is restarted or moved keeps its counters. */
export const FORGET_SERVICE_MS = 600_000;

/** Series that stand for no service. */
const COLLECTIVE: ReadonlySet<string> = new Set(["unknown", "other"]);

export class GoneServices {
  readonly #metrics: Pick<Metrics, "serviceNames" | "forgetService">;
  /** Monotonic time at which a name was first seen without a route. */
  readonly #goneSince = new Map<string, number>();

  constructor(metrics: Pick<Metrics, "serviceNames" | "forgetService">) {
    this.#metrics = metrics;
  }

  /** Looks at all names; call now and then. */
  sweep(hasRoute: (name: string) => boolean, now: number): void {
    for (const name of [...this.#metrics.serviceNames()]) {
      if (COLLECTIVE.has(name)) continue;
      if (hasRoute(name)) {
        this.#goneSince.delete(name);
        continue;
      }
      const since = this.#goneSince.get(name);
      if (since === undefined) this.#goneSince.set(name, now);
      else if (now - since >= FORGET_SERVICE_MS) {
        this.#goneSince.delete(name);
        this.#metrics.forgetService(name);
      }
    }
  }
}
