/** The management token that an edge keeps in a file for who runs it. */
import { type ControlDeps, issueManagementToken } from "./control/mod.ts";
import { codeOf } from "./errors/mod.ts";
import type { Clock, Log } from "./ports/mod.ts";
import type { StateDirectory } from "./state_directory.ts";

/** Its owner, and its role. */
const OPERATOR = "operator";

export interface OperatorTokenOptions {
  readonly deps: ControlDeps;
  readonly state: Pick<StateDirectory, "writeManagementToken">;
  readonly clock: Clock;
  readonly log: Log;
  /** How often it is replaced. */
  readonly everyMs: number;
}

export class OperatorToken {
  readonly #options: OperatorTokenOptions;
  #cancel = () => {};

  constructor(options: OperatorTokenOptions) {
    this.#options = options;
  }

  /** Throws what control and the file system do. */
  async write(): Promise<void> {
    const { deps, state } = this.#options;
    await state.writeManagementToken((await issueManagementToken(deps, OPERATOR, "operator")).token);
  }

  /** Replaces it from now on, at every interval. */
  start(): void {
    const { clock, everyMs } = this.#options;
    this.#cancel = clock.schedule(clock.now() + everyMs, () => {
      this.#replace();
      this.start();
    });
  }

  /** Tokens of this owner were revoked, or of some family: its own may be among them. */
  onRevoked(owner: string | undefined): void {
    if (owner !== undefined && owner !== OPERATOR) return;
    // A revocation counts for the whole millisecond in which it was made, so the token in its place has to be of a later one.
    const { clock } = this.#options;
    clock.schedule(clock.now() + 2, () => this.#replace());
  }

  stop(): void {
    this.#cancel();
  }

  #replace(): void {
    const { log } = this.#options;
    void this.write().catch((error) => log("error", "management token kept", { code: codeOf(error) }));
  }
}
