/**
 * Which policy counts for a machine. The most specific one: a policy that names the machine's own agent id before all
 * others, then the one that asks for most labels. Two that are equally specific are a conflict, which is refused when one of
 * them is applied; a machine that enrolls into one later gets the first by name, so that judging is never left open.
 */
import type { PcrPolicy } from "./pcr_policy.ts";

/** Who a policy is chosen for. */
export interface Labelled {
  readonly agentId: string;
  readonly labels: readonly string[];
}

/** Undefined: no policy is assigned to the machine. */
export function choosePolicy<P extends Pick<PcrPolicy, "name" | "labels" | "retired">>(
  machine: Labelled,
  policies: Iterable<P>,
): P | undefined {
  let chosen: P | undefined;
  for (const policy of policies) {
    if (isFor(machine, policy) && (chosen === undefined || comesBefore(machine, policy, chosen))) {
      chosen = policy;
    }
  }
  return chosen;
}

/** Another policy that is as specific for the machine as the one that {@link choosePolicy} takes. */
export function rivalOf<P extends Pick<PcrPolicy, "name" | "labels" | "retired">>(
  machine: Labelled,
  policies: readonly P[],
): { readonly chosen: P; readonly rival: P } | undefined {
  const chosen = choosePolicy(machine, policies);
  const rival = chosen === undefined
    ? undefined
    : policies.find((policy) =>
      policy !== chosen && isFor(machine, policy) &&
      specificity(machine, policy) === specificity(machine, chosen)
    );
  return chosen === undefined || rival === undefined ? undefined : { chosen, rival };
}

/** Two policies that ask for the same labels: one of them could never be told from the other. */
export function sameLabels(a: Pick<PcrPolicy, "labels">, b: Pick<PcrPolicy, "labels">): boolean {
  return a.labels.length === b.labels.length && a.labels.every((label) => b.labels.includes(label));
}

function isFor(machine: Labelled, { labels, retired }: Pick<PcrPolicy, "labels" | "retired">): boolean {
  return !retired && labels.every((label) => label === machine.agentId || machine.labels.includes(label));
}

function comesBefore<P extends Pick<PcrPolicy, "name" | "labels">>(machine: Labelled, a: P, b: P): boolean {
  const difference = specificity(machine, a) - specificity(machine, b);
  return difference > 0 || difference === 0 && a.name < b.name;
}

/** A policy has at most 16 labels: the machine's own id outranks all of them. */
const ownIdRank = 1_000;

function specificity({ agentId }: Labelled, { labels }: Pick<PcrPolicy, "labels">): number {
  return labels.length + (labels.includes(agentId) ? ownIdRank : 0);
}
