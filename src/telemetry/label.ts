/** Label values come from outside; each label admits a bounded number of them, so that memory stays bounded. */

/** What stands for every value past the bound. */
const otherLabel = "other";

/** Longest label value. */
const maxLabelChars = 64;

/** Lets the first `maxValues` distinct values through and answers `other` for the rest. */
export class BoundedLabel {
  readonly #seen = new Set<string>();
  readonly #maxValues: number;

  constructor(maxValues: number) {
    this.#maxValues = maxValues;
  }

  /** The value to use for the metric. */
  value(wanted: string): string {
    if (this.#seen.has(wanted)) return wanted;
    if (wanted.length > maxLabelChars || this.#seen.size >= this.#maxValues) return otherLabel;
    this.#seen.add(wanted);
    return wanted;
  }

  /** Makes room again, e.g. when a service has gone. */
  release(value: string): boolean {
    return this.#seen.delete(value);
  }
}

/** What {@link statusClass} answers, in order. */
export const statusClasses = ["1xx", "2xx", "3xx", "4xx", "5xx", otherLabel] as const;

/** 200 -> "2xx": five values instead of sixty. Anything that is no HTTP status is `other`. */
export function statusClass(status: number): string {
  return status >= 100 && status <= 599 ? `${Math.floor(status / 100)}xx` : otherLabel;
}
