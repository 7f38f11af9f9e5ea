/** Which tunnelers may come to which connectors. */

/** `CONNECTOR/TUNNELER`, either of them `*`. */
export class TunnelerPairs {
  readonly #pairs: readonly (readonly [connector: string, tunneler: string])[];

  /** @param pairs as the setting `nodes.pairs` has them */
  constructor(pairs: readonly string[]) {
    this.#pairs = pairs.map((pair) => {
      const [connector, tunneler = "*"] = pair.split("/", 2);
      return [connector, tunneler];
    });
  }

  /** Ids, or `*` for any of the cluster. */
  tunnelersOf(connector: string): readonly string[] {
    const found = this.#pairs.filter(([of]) => of === "*" || of === connector).map(([, tunneler]) =>
      tunneler
    );
    return found.includes("*") ? ["*"] : [...new Set(found)];
  }

  allows(connector: string, tunneler: string): boolean {
    const allowed = this.tunnelersOf(connector);
    return allowed.includes("*") || allowed.includes(tunneler);
  }
}
