/**
 * Keeps the agent's management token fresh: at half of its life the file gets another one of the same family. The file may
 * be shared, or written by somebody else: it is read again before each step, and a token that is young enough is left alone.
 */
import { codeOf } from "../src/errors/mod.ts";
import type { Clock, Log } from "../src/ports/mod.ts";
import type { ControlClient } from "./control_client.ts";
import type { TokenFile } from "./token_file.ts";
import { tokenTimes } from "./token_times.ts";

/** Shortest time between two looks at the file. */
const MIN_WAIT_MS = 30_000;
/** Longest: a file that was replaced is noticed within it. */
const MAX_WAIT_MS = 3_600_000;

export interface TokenRenewalOptions {
  readonly file: Pick<TokenFile, "path" | "read" | "write">;
  readonly control: Pick<ControlClient, "refreshToken">;
  readonly clock: Clock;
  readonly log: Log;
}

export class TokenRenewal {
  readonly #options: TokenRenewalOptions;
  readonly #abort = new AbortController();
  #cancel: () => void = () => {};
  /** What was said last, so that it is said once. */
  #told: string | undefined;

  /** Looks at the file soon, and from then on whenever it is due. */
  constructor(options: TokenRenewalOptions) {
    this.#options = options;
    this.#schedule(0);
  }

  stop(): void {
    this.#abort.abort();
    this.#cancel();
  }

  #schedule(waitMs: number): void {
    const { clock } = this.#options;
    this.#cancel = clock.schedule(clock.now() + waitMs, async () => {
      const nextMs = await this.#step();
      if (!this.#abort.signal.aborted) this.#schedule(Math.min(Math.max(nextMs, MIN_WAIT_MS), MAX_WAIT_MS));
    });
  }

  /** Renews the token if it is due; milliseconds until the next look. */
  async #step(): Promise<number> {
    const { file, control, log } = this.#options;
    const { path } = file;
    try {
      const dueMs = this.#dueMs(await file.read());
      if (dueMs > 0) return dueMs;
      const { management_token: fresh, expires_at } = await control.refreshToken(this.#abort.signal);
      await file.write(`${fresh}\n`);
      this.#told = undefined;
      log("info", "management token renewed", { path, expires_at });
      return this.#dueMs(fresh);
    } catch (error) {
      const code = codeOf(error);
      if (!this.#abort.signal.aborted && this.#told !== code) {
        this.#told = code;
        log("warn", "management token is not renewed: put a fresh one into its file before it expires", {
          path,
          code,
        });
      }
      // What may go away by itself is tried again soon; anything else when the file may have changed.
      return code === "control_unreachable" || code === "control_timeout" ? MIN_WAIT_MS : MAX_WAIT_MS;
    }
  }

  #dueMs(token: string): number {
    const times = tokenTimes(token);
    if (times === undefined) return MAX_WAIT_MS;
    return (times.issuedAtMs + times.expiresAtMs) / 2 - this.#options.clock.wall();
  }
}
