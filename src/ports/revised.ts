/** Writing without locks: who writes names the revision that it has seen. */

/** A stored value with the revision that the next writer must name. */
export interface Revised<T> {
  readonly revision: number;
  readonly value: T;
}
