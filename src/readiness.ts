/** Whether everything that a viewer or an agent needs works now, and what does not. */
import type { EdgePlane } from "./edge/mod.ts";
import type { Clock, Store } from "./ports/mod.ts";

/** Time for the store to take a write. */
const PROBE_MS = 2_000;
/** How long the outcome of a probe is told: it costs a write, and anybody may ask. */
const PROBE_EVERY_MS = 5_000;

export class Readiness {
  readonly #edge: Pick<EdgePlane, "isReady">;
  readonly #store: Pick<Store, "probe">;
  readonly #clock: Clock;
  readonly #warnings: () => readonly string[];
  #probedAt = -Infinity;
  #writes: Promise<boolean> = Promise.resolve(false);

  constructor(
    parts: {
      edge: Pick<EdgePlane, "isReady">;
      store: Pick<Store, "probe">;
      clock: Clock;
      /** Codes of what an operator should look at, though everything works. */
      warnings: () => readonly string[];
    },
  ) {
    this.#warnings = parts.warnings;
    this.#edge = parts.edge;
    this.#store = parts.store;
    this.#clock = parts.clock;
  }

  /** `edge`: its listeners are open; `store`: it takes writes, of which tokens and names need some. */
  async answer(): Promise<Response> {
    const checks = { edge: this.#edge.isReady, store: await this.#storeWrites() };
    const ready = checks.edge && checks.store;
    const warnings = this.#warnings();
    const told = warnings.length === 0 ? { checks } : { checks, warnings };
    return Response.json({ status: ready ? "ready" : "not ready", ...told }, { status: ready ? 200 : 503 });
  }

  #storeWrites(): Promise<boolean> {
    const now = this.#clock.now();
    if (now - this.#probedAt >= PROBE_EVERY_MS) {
      this.#probedAt = now;
      this.#writes = this.#probe();
    }
    return this.#writes;
  }

  async #probe(): Promise<boolean> {
    let cancel = () => {};
    const late = new Promise<boolean>((resolve) => {
      cancel = this.#clock.schedule(this.#clock.now() + PROBE_MS, () => resolve(false));
    });
    const writes = await Promise.race([this.#store.probe().then(() => true, () => false), late]);
    cancel();
    return writes;
  }
}
