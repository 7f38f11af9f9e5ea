/** Nodes of a made cluster as the program holds them. */
import { NodeIdentity, type NodeTrust } from "../../src/driver/tls/mod.ts";
import type { Authority, NodeRole } from "../../src/pki/mod.ts";
import { type MadeCluster, pemOfKey } from "./made_cluster.ts";

export interface MadeNodeOptions {
  readonly issuing?: Authority;
  readonly trustDomain?: string;
  readonly lifeMs?: number;
}

export function trustOf(cluster: MadeCluster): NodeTrust {
  return { bundle: cluster.bundle(), revocations: cluster.revocations() };
}

export async function makeIdentity(
  cluster: MadeCluster,
  role: NodeRole,
  id: string,
  options: MadeNodeOptions = {},
): Promise<NodeIdentity> {
  const node = await cluster.node(role, id, options);
  const privateKey = await pemOfKey(node.keys.privateKey);
  return new NodeIdentity({ chain: node.chain, privateKey }, trustOf(cluster));
}
