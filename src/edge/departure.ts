/**
 * Tells once that a viewer has gone. A request has one and seldom needs it, so it costs one object; the AbortSignal, for
 * who takes nothing else, is made when it is asked for.
 */
import { PosternError } from "../errors/mod.ts";

export class Departure {
  /** Called when it happens; not called any more once it is set back to undefined. */
  onGone: (() => void) | undefined;
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
    this.onGone?.();
  };
}
