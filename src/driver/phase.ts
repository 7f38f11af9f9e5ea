import { PosternError } from "../errors/mod.ts";
import type { Clock } from "../ports/mod.ts";

/** One step of making a connection: bounded in time, and ended by the caller's signal. */
export interface Phase {
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** Ends what the step waits for: closes its socket. */
  stop(): void;
  /** What to throw when time is up. */
  late(): Error;
}

/** Runs the step. When time is up or the signal aborts it is stopped, and its own outcome no longer matters. */
export function within<T>(phase: Phase, step: () => Promise<T>): Promise<T> {
  const { clock, signal } = phase;
  return new Promise((resolve, reject) => {
    let cancel = () => {};
    const settle = () => {
      cancel();
      signal?.removeEventListener("abort", giveUp);
    };
    const giveUp = () => {
      settle();
      phase.stop();
      reject(
        new PosternError("connect_aborted", "Cannot connect: the attempt was given up", {
          cause: signal?.reason,
        }),
      );
    };
    if (signal?.aborted) return giveUp();
    signal?.addEventListener("abort", giveUp, { once: true });
    cancel = clock.schedule(clock.now() + phase.timeoutMs, () => {
      settle();
      const error = phase.late();
      phase.stop();
      reject(error);
    });
    step().then(resolve, reject).finally(settle);
  });
}
