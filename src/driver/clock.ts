import type { Clock } from "../ports/mod.ts";

/** Longest delay of setTimeout; beyond it fires at once. */
const MAX_TIMEOUT_MS = 0x7fff_ffff;

/** The machine's clocks. The only place of this program that sets real timers for its cores. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  schedule(atMs, task) {
    let timer: ReturnType<typeof setTimeout>;
    // Timers may fire a fraction of a millisecond early, and long ones are reached in steps.
    const arm = () => {
      const delayMs = Math.ceil(atMs - performance.now());
      timer = setTimeout(
        () => atMs > performance.now() ? arm() : task(),
        Math.min(Math.max(0, delayMs), MAX_TIMEOUT_MS),
      );
    };
    arm();
    return () => clearTimeout(timer);
  },
};
