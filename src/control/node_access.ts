/** Who may come to whom among nodes, as it was read last; and the changes that operators make. */
import { PosternError } from "../errors/mod.ts";
import { matchesNodeId, parseNodeSelector, tunnelersOf } from "../policy/mod.ts";
import type { NodeAccessRecord, NodeRule, Revised, Store } from "../ports/mod.ts";
import type { ControlDeps } from "./config.ts";

export class NodeAccessBook {
  readonly #store: Pick<Store, "nodeAccess" | "nodeAccessRevision">;
  #read: Revised<NodeAccessRecord> = { revision: -1, value: { rules: [], labelled: [] } };
  /** By connector; emptied whenever something was read. */
  readonly #patterns = new Map<string, readonly string[]>();

  constructor(store: Pick<Store, "nodeAccess" | "nodeAccessRevision">) {
    this.#store = store;
  }

  /** Reads what changed, here or at another control; true when something did. */
  async refresh(): Promise<boolean> {
    if (await this.#store.nodeAccessRevision() === this.#read.revision) return false;
    this.#read = await this.#store.nodeAccess();
    this.#patterns.clear();
    return true;
  }

  /** Patterns of ids; nobody's when no rule names the connector. */
  tunnelersOf(connectorId: string): readonly string[] {
    let patterns = this.#patterns.get(connectorId);
    if (patterns === undefined) {
      patterns = tunnelersOf(this.#read.value, connectorId);
      this.#patterns.set(connectorId, patterns);
    }
    return patterns;
  }

  allows(connectorId: string, tunnelerId: string): boolean {
    return this.tunnelersOf(connectorId).some((pattern) => matchesNodeId(pattern, tunnelerId));
  }
}

type Change = Pick<NodeRule, "connector" | "tunneler">;

/** False when there is such a rule. Throws `request_invalid`, `node_rules_full`. */
export async function allowNodes(deps: ControlDeps, actor: string, change: Change): Promise<boolean> {
  checkSelectors(change);
  const atMs = deps.clock.wall();
  const isNew = await deps.store.allowNodes({ ...change, addedBy: actor, addedAtMs: atMs });
  if (isNew) await changed(deps, actor, "nodes.allow", change, atMs);
  return isNew;
}

/** False when there was none. Whoever is connected by it alone is cut. Throws `request_invalid`. */
export async function disallowNodes(deps: ControlDeps, actor: string, change: Change): Promise<boolean> {
  checkSelectors(change);
  const wasThere = await deps.store.disallowNodes(change.connector, change.tunneler);
  if (wasThere) await changed(deps, actor, "nodes.disallow", change, deps.clock.wall());
  return wasThere;
}

async function changed(
  { store, events }: ControlDeps,
  actor: string,
  action: string,
  { connector, tunneler }: Change,
  atMs: number,
): Promise<void> {
  await store.appendAudit({
    atMs,
    actor,
    action,
    subject: `tunneler ${tunneler} to connector ${connector}`,
    outcome: "ok",
    detail: {},
  });
  events.onNodeTrustChanged?.();
}

function checkSelectors(change: Change): void {
  for (const name of ["connector", "tunneler"] as const) {
    if (parseNodeSelector(change[name]) !== undefined) continue;
    throw new PosternError(
      "request_invalid",
      `Cannot change the rules of nodes: ${name} is no id, pattern or label=NAME`,
    );
  }
}
