/**
 * The queue before a TPM. Uses never interleave; each gets the TPM for all of its commands.
 *
 * ```
 *   use() -> waiting (limit) -> first of the row: open, unload what is left of before -> commands -> unload
 *                                    ^                                                          |
 *                                    '------ next of the row, same transport unless it failed <-'
 *   row empty -> transport closed: others may have the TPM until the next use
 * ```
 */
import type { TpmAddress } from "../../src/config/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import type { Clock } from "../../src/ports/mod.ts";
import { unloadAll } from "./capability.ts";
import { type OpenPipe, systemPipes } from "./pipe.ts";
import { TpmTransport } from "./transport.ts";
import { aborted, TpmTurn } from "./turn.ts";

/** Uses that may wait. Each is the evidence of one channel, and an agent has at most 1,024. */
const MAX_WAITING = 1_024;
/** Waits between attempts to open a TPM: one that restarts is back soon; who waits longer is the caller's supervisor. */
const OPEN_RETRY_MS = [100, 400] as const;

/** One that waits. */
interface Use {
  /** Runs it and returns what tells its outcome. */
  run(): Promise<() => void>;
  /** Tells that it cannot be run. */
  refuse(error: unknown): void;
}

export interface TpmLineOptions {
  readonly address: TpmAddress;
  readonly clock: Clock;
  /** {@link systemPipes} unless given. */
  readonly open?: OpenPipe;
}

export class TpmLine {
  readonly #address: TpmAddress;
  readonly #clock: Clock;
  readonly #open: OpenPipe;
  readonly #waiting: Use[] = [];
  #isRunning = false;
  #transport: TpmTransport | undefined;
  /** Whether objects of a use that was cut short may still be loaded. */
  #isLittered = true;

  constructor({ address, clock, open }: TpmLineOptions) {
    this.#address = address;
    this.#clock = clock;
    this.#open = open ?? systemPipes();
  }

  /** Uses that wait or run. */
  get size(): number {
    return this.#waiting.length + Number(this.#isRunning);
  }

  /**
   * Runs `work` alone with the TPM; whatever it loads is unloaded afterwards. When the signal aborts the caller is told at
   * once; a command that is under way is let finish. Throws `tpm_busy`, `tpm_aborted`, what opening throws
   * (`tpm_unavailable`, ...) and what {@link TpmTurn.run} throws.
   */
  use<T>(
    work: (turn: TpmTurn) => Promise<T>,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(aborted(signal));
      if (this.#waiting.length >= MAX_WAITING) {
        return reject(
          new PosternError("tpm_busy", `Cannot use the TPM: ${MAX_WAITING} uses wait for it already`),
        );
      }
      const giveUp = () => use.refuse(aborted(signal));
      const use: Use = {
        run: async () => {
          try {
            const value = await this.#run(work, signal);
            return () => resolve(value);
          } catch (error) {
            return () => reject(error);
          } finally {
            signal.removeEventListener("abort", giveUp);
          }
        },
        refuse: (error) => {
          const at = this.#waiting.indexOf(use);
          if (at >= 0) this.#waiting.splice(at, 1);
          signal.removeEventListener("abort", giveUp);
          reject(error);
        },
      };
      signal.addEventListener("abort", giveUp, { once: true });
      this.#waiting.push(use);
      if (!this.#isRunning) void this.#runAll();
    });
  }

  /** The TPM is let go before the last use is told its outcome. */
  async #runAll(): Promise<void> {
    this.#isRunning = true;
    for (let use = this.#waiting.shift(); use !== undefined; use = this.#waiting.shift()) {
      const settle = await use.run();
      if (this.#waiting.length === 0) {
        // Standard input and output cannot be opened again.
        if (this.#address.kind !== "stdio") this.#release();
        this.#isRunning = false;
        return settle();
      }
      settle();
    }
  }

  async #run<T>(work: (turn: TpmTurn) => Promise<T>, signal: AbortSignal): Promise<T> {
    const transport = await this.#ready(signal);
    if (signal.aborted) throw aborted(signal);
    const turn = new TpmTurn(transport, this.#clock, signal);
    try {
      return await work(turn);
    } finally {
      await turn.end();
      if (transport.isClosed) this.#isLittered = true;
    }
  }

  /** The open transport, or a new one, with nothing of ours loaded. */
  async #ready(signal: AbortSignal): Promise<TpmTransport> {
    if (this.#transport === undefined || this.#transport.isClosed) {
      try {
        this.#transport = await this.#reopen(signal);
      } catch (error) {
        // Those who wait asked while it was not there: each attempt of their own would take as long.
        if (!signal.aborted) { for (const use of [...this.#waiting]) use.refuse(error); }
        throw error;
      }
    }
    if (this.#isLittered) {
      try {
        await unloadAll(new TpmTurn(this.#transport, this.#clock, new AbortController().signal));
        this.#isLittered = false;
      } catch (error) {
        this.#release();
        throw error;
      }
    }
    return this.#transport;
  }

  async #reopen(signal: AbortSignal): Promise<TpmTransport> {
    for (const waitMs of [...OPEN_RETRY_MS, undefined]) {
      try {
        return await TpmTransport.open(this.#address, this.#open, this.#clock);
      } catch (error) {
        const mayWait = error instanceof PosternError && error.retryable && !signal.aborted;
        if (waitMs === undefined || !mayWait) throw error;
        await new Promise<void>((resolve) => this.#clock.schedule(this.#clock.now() + waitMs, resolve));
      }
    }
    throw new PosternError("tpm_unavailable");
  }

  #release(): void {
    this.#transport?.close();
    this.#transport = undefined;
  }
}
