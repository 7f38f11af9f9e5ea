/** Time as an argument: cores take `now`, shells take a {@link Clock}; tests drive a virtual one. */
export interface Clock {
  /** Monotonic milliseconds; only differences mean anything. Does not jump with the wall clock. */
  now(): number;
  /** Wall-clock milliseconds since the Unix epoch: for tokens, certificates and logs only. */
  wall(): number;
  /** Runs `task` once, when `now()` has reached `atMs` or later. Returns what cancels it. */
  schedule(atMs: number, task: () => void): () => void;
}
