/** What every kind of vector file is reduced to. */
export interface VectorResult {
  /** Which vector, for people. */
  readonly name: string;
  readonly outcome: "passed" | "failed" | "skipped";
  /** Why it failed or was skipped. */
  readonly reason?: string;
}

/** A file format: whether it knows the parsed JSON as its own, and how to run it. */
export interface VectorFormat {
  readonly title: string;
  recognises(file: object): boolean;
  /** Throws {@link MalformedVectors}. */
  run(file: object): Iterable<VectorResult>;
}

/** The file cannot be run: it is no fault of the implementation under test. */
export class MalformedVectors extends Error {
  override name = "MalformedVectors";
}
