/**
 * Tells once that a viewer has gone. A connection has one for all of its requests and seldom needs it; the AbortSignal, for
 * who takes nothing else, is made when it is asked for.
 */
import { PosternError } from "../errors/mod.ts";

/** Who is to know that the viewer has gone. */
export interface DepartureListener {
  onGone(): void;
}

export class Departure {
  /** Told when it happens, unless it is set back to undefined before. No closure: what it holds would outlive its request. */
  listener: DepartureListener | undefined;
  #happened = false;
  #controller: AbortController | undefined;

  get happened(): boolean {
    return this.#happened;
  }

  /** Aborted with `channel_closed`. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#happened) this.#controller.abort(new PosternError("channel_closed"));
    }
    return this.#controller.signal;
  }

  /** The viewer has gone. Idempotent. */
  readonly tell = (): void => {
    if (this.#happened) return;
    this.#happened = true;
    this.#controller?.abort(new PosternError("channel_closed"));
    this.listener?.onGone();
  };
}
