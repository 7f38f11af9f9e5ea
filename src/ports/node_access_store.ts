/** Who may come to whom among nodes: what no rule allows is refused. */
import type { Revised } from "./revised.ts";

/** Tunnelers that may come to connectors. Both are selectors, as `parseNodeSelector` of the policy module reads them. */
export interface NodeRule {
  readonly connector: string;
  readonly tunneler: string;
  readonly addedBy: string;
  readonly addedAtMs: number;
}

export interface LabelledNode {
  readonly role: string;
  readonly nodeId: string;
  readonly labels: readonly string[];
}

export interface NodeAccessRecord {
  /** By connector and tunneler. */
  readonly rules: readonly NodeRule[];
  /** Nodes that have a label at all. */
  readonly labelled: readonly LabelledNode[];
}

export interface NodeAccessStore {
  /** Counts up with every change of rules, and of labels. */
  nodeAccessRevision(): Promise<number>;
  nodeAccess(): Promise<Revised<NodeAccessRecord>>;
  /** False when there is such a rule. Throws `node_rules_full`. */
  allowNodes(rule: NodeRule): Promise<boolean>;
  /** False when there was none. */
  disallowNodes(connector: string, tunneler: string): Promise<boolean>;
}
