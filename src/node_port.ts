/** Where connectors and tunnelers come to an edge's control. */
import type { EdgeConfig } from "./config/mod.ts";
import { type ControlDeps, NodeDesk } from "./control/mod.ts";
import { codeOf } from "./errors/mod.ts";
import type { Clock } from "./ports/mod.ts";
import type { Metrics } from "./telemetry/mod.ts";

type Deps = ControlDeps & { readonly clock: Clock };

export class NodePort {
  readonly #config: Pick<EdgeConfig, "nodes">;
  readonly #controlId: string;
  readonly #metrics: Metrics;
  #deps: Deps | undefined;
  #desk: NodeDesk | undefined;

  constructor(config: Pick<EdgeConfig, "nodes">, controlId: string, metrics: Metrics) {
    this.#config = config;
    this.#controlId = controlId;
    this.#metrics = metrics;
  }

  /** Undefined while it is off. */
  get port(): number | undefined {
    return this.#desk?.port;
  }

  /** @param undo runs before it throws. Throws `ca_unavailable`, `listen_failed`. */
  async open(deps: Deps, undo: () => Promise<void>): Promise<void> {
    const { listen, maxConnected } = this.#config.nodes;
    const metrics = this.#metrics;
    this.#deps = deps;
    if (listen === null) return;
    try {
      this.#desk = await NodeDesk.open({
        listen,
        controlId: this.#controlId,
        deps,
        maxNodes: maxConnected,
        onHandshake: (result) => metrics.nodeHandshakes.inc({ result }),
        onHeartbeat: (role) => metrics.nodeHeartbeats.inc({ role, result: "ok" }),
        onRenewal: (result) => metrics.nodeRenewals.inc({ result }),
      });
    } catch (error) {
      await undo();
      throw error;
    }
  }

  /** Somebody was revoked, or an authority changed: it is read again, here or by another edge's word. Never rejects. */
  async changed(): Promise<void> {
    if (this.#desk !== undefined) return await this.#desk.changed();
    // What is opened later reads it by itself.
    const { identities, log } = this.#deps ?? {};
    await identities?.refresh(0).catch((error) =>
      log?.("warn", "authorities not read", { code: codeOf(error) })
    );
  }

  async close(): Promise<void> {
    await this.#desk?.close();
  }
}
