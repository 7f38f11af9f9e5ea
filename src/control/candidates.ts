/** Which edges an agent should try, in order. */
import { PosternError } from "../errors/mod.ts";
import type { Transport } from "../identity/mod.ts";
import type { EdgeDescription } from "./config.ts";

/** Most candidates of one answer. */
const maxCandidates = 3;
/** Priority of an edge that was drained: it is named only when there is no other. */
export const drainedPriority = 1_000;

export interface Choice {
  readonly edges: readonly EdgeDescription[];
  /** Preferred transports that no edge in service offers. */
  readonly missing: readonly Transport[];
}

/**
 * Orders edges by region, then by the caller's order of transports, then by configured priority. A preference that no
 * edge meets is passed over, not an error. Throws `no_edge_available`.
 */
export function chooseEdges(
  edges: readonly EdgeDescription[],
  region: string | undefined,
  preferred: readonly Transport[],
): Choice {
  if (edges.length === 0) {
    throw new PosternError("no_edge_available", "Cannot name candidates: no edge is in service");
  }
  const rankOf = (edge: EdgeDescription) => {
    const rank = preferred.indexOf(edge.transport);
    return rank < 0 ? preferred.length : rank;
  };
  const open = edges.filter(({ priority }) => priority < drainedPriority);
  const ordered = (open.length > 0 ? open : edges).toSorted((a, b) =>
    Number(b.region === region) - Number(a.region === region) || rankOf(a) - rankOf(b) ||
    a.priority - b.priority
  );
  const offered = new Set(edges.map((edge) => edge.transport));
  return {
    edges: ordered.slice(0, maxCandidates),
    missing: preferred.filter((transport) => !offered.has(transport)),
  };
}
