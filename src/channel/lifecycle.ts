/**
 * The states of every channel and the steps between them:
 *
 * ```
 * idle -> connecting -> handshaking -> authenticating -> authorizing -> established <-> revalidating
 *                                                                            |    ^         |
 *                                                                            v    |         v
 *                                                                          degraded <-------+
 *   established | revalidating | degraded -> draining -> closing -> closed
 *   any state that is not terminal -> failed
 * ```
 * `closed` and `failed` are terminal: a channel is never used again.
 */
import type { ErrorCode } from "../errors/mod.ts";

export type ChannelState =
  | "idle"
  | "connecting"
  | "handshaking"
  | "authenticating"
  | "authorizing"
  | "established"
  | "revalidating"
  | "degraded"
  | "draining"
  | "closing"
  | "closed"
  | "failed";

const STEPS: Readonly<Record<ChannelState, readonly ChannelState[]>> = {
  idle: ["connecting"],
  connecting: ["handshaking", "closing"],
  handshaking: ["authenticating", "closing"],
  authenticating: ["authorizing", "closing"],
  authorizing: ["established", "closing"],
  established: ["revalidating", "degraded", "draining", "closing"],
  revalidating: ["established", "degraded", "draining", "closing"],
  degraded: ["established", "revalidating", "draining", "closing"],
  draining: ["closing"],
  closing: ["closed"],
  closed: [],
  failed: [],
};

/** States in which bytes of streams may flow. */
export function carriesTraffic(state: ChannelState): boolean {
  return state === "established" || state === "revalidating" || state === "degraded" || state === "draining";
}

/** States in which new streams may be opened. */
export function takesNewStreams(state: ChannelState): boolean {
  return state === "established" || state === "revalidating";
}

export function isTerminal(state: ChannelState): boolean {
  return state === "closed" || state === "failed";
}

/** Holds the state of one channel and refuses steps that the diagram does not have. */
export class Lifecycle {
  #state: ChannelState = "idle";
  #reason: ErrorCode | undefined;
  readonly #onChange: (state: ChannelState, before: ChannelState) => void;

  constructor(onChange: (state: ChannelState, before: ChannelState) => void) {
    this.#onChange = onChange;
  }

  get state(): ChannelState {
    return this.#state;
  }
  /** Why the channel failed. */
  get reason(): ErrorCode | undefined {
    return this.#reason;
  }

  to(next: ChannelState): void {
    if (!STEPS[this.#state].includes(next)) {
      throw new TypeError(`no step from ${this.#state} to ${next} in a channel's life`);
    }
    this.#enter(next);
  }

  /** Ends the channel with a reason; without effect on one that has already ended. */
  fail(reason: ErrorCode): void {
    if (isTerminal(this.#state)) return;
    this.#reason = reason;
    this.#enter("failed");
  }

  #enter(next: ChannelState): void {
    const before = this.#state;
    this.#state = next;
    this.#onChange(next, before);
  }
}
