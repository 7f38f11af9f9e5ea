/** Samples of all rounds, and what follows from them. */
import { median } from "./load/statistics.ts";
import { type Metric, METRICS } from "./metrics.ts";
import type { Values } from "./cells.ts";

/** One comparison, as a line of `--json`. `ratio` is postern / peer; null where the peer's value is 0. */
export interface Comparison {
  readonly metric: string;
  readonly postern: number;
  readonly peer: string;
  readonly peer_value: number;
  readonly ratio: number | null;
}

export class Results {
  /** Peer, then metric id, then one value a round. */
  readonly #samples = new Map<string, Map<string, number[]>>();
  /** Cells that did not succeed, as sentences. */
  readonly failures: string[] = [];
  /** What was left out on purpose, and why. */
  readonly omissions = new Set<string>();

  add(peer: string, values: Values): void {
    let metrics = this.#samples.get(peer);
    if (metrics === undefined) this.#samples.set(peer, metrics = new Map());
    for (const [id, value] of Object.entries(values)) {
      const samples = metrics.get(id);
      if (samples === undefined) metrics.set(id, [value]);
      else samples.push(value);
    }
  }

  /** The median of all rounds; undefined when nothing was measured. */
  value(peer: string, id: string): number | undefined {
    if (id === "echo.added") return this.#added(peer);
    const samples = this.#samples.get(peer)?.get(id);
    return samples === undefined ? undefined : median(samples);
  }

  /** Rows that at least one of `peers` has a value for. */
  rows(peers: readonly string[]): Metric[] {
    return METRICS.filter(({ id }) => peers.some((peer) => this.value(peer, id) !== undefined));
  }

  /**
   * Postern beside each of `peers`, metric by metric; then Postern over TLS, whose metrics begin with `wss.`.
   */
  comparisons(peers: readonly string[]): Comparison[] {
    const others = peers.filter((peer) => peer !== "postern");
    return [
      ...this.#compared("postern", "", others),
      ...this.#compared("postern-wss", "wss.", others.filter((peer) => peer !== "postern-wss")),
    ];
  }

  #compared(own: string, prefix: string, peers: readonly string[]): Comparison[] {
    const found: Comparison[] = [];
    for (const { id } of METRICS) {
      const postern = this.value(own, id);
      if (postern === undefined) continue;
      for (const peer of peers) {
        const value = this.value(peer, id);
        if (value === undefined) continue;
        found.push({
          metric: `${prefix}${id}`,
          postern: rounded(postern),
          peer,
          peer_value: rounded(value),
          ratio: value === 0 ? null : rounded(postern / value),
        });
      }
    }
    return found;
  }

  #added(peer: string): number | undefined {
    const own = this.value(peer, "echo.p50");
    const direct = this.value("direct", "echo.p50");
    return peer === "direct" || own === undefined || direct === undefined ? undefined : own - direct;
  }
}

/** Four significant digits: more would be noise. */
function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
