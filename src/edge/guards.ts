/** The guards of all services that this edge serves or waits for, by tunnel. */
import type { Revised } from "../ports/mod.ts";
import { HashQueue } from "./hash_queue.ts";
import { seedOf } from "./seed.ts";
import type { RuleDeps } from "./held_rules.ts";
import { ServiceGuard } from "./service_guard.ts";

/** How long a guard stays that no session and no route uses: longer than it takes to read a tunnel and go online. */
const UNUSED_MS = 120_000;

interface Kept {
  readonly guard: ServiceGuard;
  /** Monotonic time. */
  usedAt: number;
}

export class Guards {
  readonly #deps: RuleDeps;
  readonly #kept = new Map<string, Kept>();

  constructor(deps: Omit<RuleDeps, "hashes">) {
    this.#deps = { ...deps, hashes: new HashQueue(seedOf(deps.random)) };
  }

  get size(): number {
    return this.#kept.size;
  }

  /** The tunnel's guard, holding these rules unless it has newer ones. @throws PosternError `rules_unusable` */
  put(tunnelId: string, stored: Revised<string> | undefined): ServiceGuard {
    let kept = this.#kept.get(tunnelId);
    if (kept === undefined) {
      this.#kept.set(tunnelId, kept = { guard: new ServiceGuard(this.#deps), usedAt: 0 });
    }
    kept.usedAt = this.#deps.clock.now();
    kept.guard.adopt(stored);
    return kept.guard;
  }

  /** Forgets what nobody has used for a while. */
  forgetUnused(isUsed: (guard: ServiceGuard) => boolean): void {
    const now = this.#deps.clock.now();
    for (const [tunnelId, kept] of this.#kept) {
      if (isUsed(kept.guard)) kept.usedAt = now;
      else if (now - kept.usedAt > UNUSED_MS) this.#kept.delete(tunnelId);
    }
  }
}
