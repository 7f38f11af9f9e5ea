/**
 * Whether a service that did not answer is asked again: so that its outage costs a request now and then, not one for every
 * agent that knocks.
 *
 * ```
 *             OPEN_AFTER failures in a row             the pause is over
 *   closed ---------------------------------> open ----------------------> half_open
 *     ^  ^                                     ^                            |  |
 *     |  +--- any answer, while closed         +---- the probe fails -------+  |
 *     +------------------------------ the probe is answered -------------------+
 * ```
 * An answer is whatever the service says, "not valid" included: only a service that says nothing opens the breaker, or
 * whoever sends bad tokens could. Pure: time is an argument.
 */

/** Failures in a row, over all tokens, after which nothing is asked. */
export const OPEN_AFTER = 5;
/** First pause (ms); each probe that fails doubles it. */
export const FIRST_PAUSE_MS = 1_000;
/** Longest pause (ms): how long after its return a service may wait for the first question. */
export const MAX_PAUSE_MS = 30_000;

export type BreakerState =
  | { readonly name: "closed"; readonly failures: number }
  | { readonly name: "open"; readonly untilMs: number; readonly pauseMs: number }
  /** One question is on its way, and decides. */
  | { readonly name: "half_open"; readonly pauseMs: number };

/** The right to ask once; how it went has to be told, once. What is told of before the breaker last moved counts no more. */
export interface Permit {
  answered(): void;
  failed(nowMs: number): void;
}

export class Breaker {
  readonly #onState: (state: BreakerState["name"]) => void;
  #state: BreakerState = { name: "closed", failures: 0 };
  /** Counts moves: a permit of before the last one is void. */
  #turn = 0;

  constructor(onState: (state: BreakerState["name"]) => void = () => {}) {
    this.#onState = onState;
  }

  get state(): BreakerState {
    return this.#state;
  }

  /** Undefined: do not ask now. @param nowMs monotonic */
  enter(nowMs: number): Permit | undefined {
    const state = this.#state;
    switch (state.name) {
      case "closed":
        return this.#permit();
      case "open":
        if (nowMs < state.untilMs) return undefined;
        this.#move({ name: "half_open", pauseMs: state.pauseMs });
        return this.#permit();
      case "half_open":
        return undefined;
      default:
        return state satisfies never;
    }
  }

  #permit(): Permit {
    const turn = this.#turn;
    let isTold = false;
    const isVoid = () => {
      const was = isTold || turn !== this.#turn;
      isTold = true;
      return was;
    };
    return {
      answered: () => {
        if (!isVoid()) this.#answered();
      },
      failed: (nowMs) => {
        if (!isVoid()) this.#failed(nowMs);
      },
    };
  }

  #answered(): void {
    if (this.#state.name === "closed") this.#state = { name: "closed", failures: 0 };
    else this.#move({ name: "closed", failures: 0 });
  }

  #failed(nowMs: number): void {
    const state = this.#state;
    if (state.name === "half_open") {
      const pauseMs = Math.min(MAX_PAUSE_MS, state.pauseMs * 2);
      this.#move({ name: "open", untilMs: nowMs + pauseMs, pauseMs });
    } else if (state.name === "closed") {
      const failures = state.failures + 1;
      if (failures < OPEN_AFTER) this.#state = { name: "closed", failures };
      else this.#move({ name: "open", untilMs: nowMs + FIRST_PAUSE_MS, pauseMs: FIRST_PAUSE_MS });
    }
  }

  #move(state: BreakerState): void {
    this.#state = state;
    this.#turn++;
    this.#onState(state.name);
  }
}
