/** Enrolled nodes that take part in mutual TLS, and when each was heard last. */

/** `connector`: accepts connections of tunnelers; `tunneler`: comes to them. */
export type PresentRole = "connector" | "tunneler";

export interface NodePresence {
  readonly role: PresentRole;
  /** Unique among those of its role. */
  readonly id: string;
  /** Where tunnelers reach a connector: an IP address, as it says itself. */
  readonly privateIp?: string;
  /** The connector that a tunneler was heard through. */
  readonly connectorId?: string;
  /** Of its program, as it says itself. */
  readonly version: string;
  readonly firstSeenMs: number;
  /** When an echo of it came back last: nothing else makes a node online. */
  readonly lastSeenMs: number;
}

export interface NodePresenceStore {
  /**
   * Remembers a heartbeat, unless a later one is remembered already. Throws `nodes_full` rather than forget a node.
   */
  seeNode(node: Omit<NodePresence, "firstSeenMs">): Promise<void>;
  /** The same for several, each node once, in one write. Throws `nodes_full` when all are remembered that may be. */
  seeNodes(nodes: readonly Omit<NodePresence, "firstSeenMs">[]): Promise<void>;
  nodePresence(role: PresentRole, id: string): Promise<NodePresence | undefined>;
  /** In the order of their ids, after `afterId` when given. */
  nodePresences(role: PresentRole, limit: number, afterId?: string): Promise<NodePresence[]>;
  /** How many there are, and how many of them were heard at that time or later. */
  countNodePresences(
    role: PresentRole,
    sinceMs: number,
  ): Promise<{ readonly total: number; readonly heard: number }>;
  /** False when there was none. */
  forgetNodePresence(role: PresentRole, id: string): Promise<boolean>;
}
