/** Follows the whole chain of the audit log when somebody asks, one walk at a time, and remembers what was found. */
import { type AuditFault, type AuditSummary, AuditWalk, openAuditHasher } from "../audit/mod.ts";
import type { AuditStore, Clock } from "../ports/mod.ts";

/** Lines that are read at once. */
const linesPerRead = 1_000;
/** A walk is not repeated sooner: it reads every line. */
const walkEveryMs = 10_000;

export interface AuditVerdict {
  readonly atMs: number;
  readonly found: AuditFault | AuditSummary;
}

export class AuditCheck {
  readonly #store: AuditStore;
  readonly #clock: Pick<Clock, "now" | "wall">;
  #verdict: AuditVerdict | undefined;
  #walking: Promise<void> | undefined;
  #walkedAtMs = -Infinity;

  constructor(store: AuditStore, clock: Pick<Clock, "now" | "wall">) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Of the last walk; undefined before the first. */
  get verdict(): AuditVerdict | undefined {
    return this.#verdict;
  }

  /** Walks now, unless one has just ended; who comes while one is under way waits for that. */
  async run(): Promise<void> {
    if (this.#clock.now() - this.#walkedAtMs < walkEveryMs) return;
    await (this.#walking ??= this.#walk().finally(() => {
      this.#walkedAtMs = this.#clock.now();
      this.#walking = undefined;
    }));
  }

  async #walk(): Promise<void> {
    const walk = new AuditWalk(await openAuditHasher());
    let after = 0;
    for (;;) {
      // Read before the lines: whatever is appended meanwhile is behind it.
      const head = await this.#store.auditHead();
      const lines = await this.#store.auditLines(linesPerRead, after);
      for (const line of lines) {
        const fault = walk.take(line);
        if (fault !== undefined) return this.#remember(fault);
        after = line.id;
      }
      if (lines.length < linesPerRead) return this.#remember(walk.end(head));
    }
  }

  #remember(found: AuditFault | AuditSummary): void {
    this.#verdict = { atMs: this.#clock.wall(), found };
  }
}
