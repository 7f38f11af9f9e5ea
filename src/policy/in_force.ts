/**
 * What is accepted at a time: the newest version of a policy and, within the overlap window of its update, the version
 * before.
 */
import type { PcrSelection } from "../attestation/mod.ts";
import { baseline } from "./baseline.ts";
import { choosePolicy, type Labelled } from "./choose_policy.ts";
import { type PcrPolicy, selectionOf } from "./pcr_policy.ts";

/** A version of a policy that was applied. */
export interface AppliedPolicy {
  readonly policy: PcrPolicy;
  /** The version before is accepted until then: wall clock, Unix milliseconds. */
  readonly overlapUntilMs: number;
  readonly before?: PcrPolicy;
}

/** Policies that count for one machine now; evidence has to satisfy one of them. */
export interface PoliciesInForce {
  /** Newest first. Never empty. */
  readonly policies: readonly PcrPolicy[];
  /** Whether an operator assigned them; false: the built-in baseline. */
  readonly isAssigned: boolean;
}

/** @param nowMs wall clock, Unix milliseconds */
export function policiesInForce(
  machine: Labelled,
  applied: Iterable<AppliedPolicy>,
  nowMs: number,
): PoliciesInForce {
  const byPolicy = new Map<PcrPolicy, AppliedPolicy>();
  for (const one of applied) byPolicy.set(one.policy, one);
  const chosen = choosePolicy(machine, byPolicy.keys());
  if (chosen === undefined) return { policies: [baseline], isAssigned: false };
  const { before, overlapUntilMs } = byPolicy.get(chosen)!;
  // One quote covers one bank.
  const isOverlapping = before !== undefined && !before.retired && before.bank === chosen.bank &&
    nowMs < overlapUntilMs;
  return { policies: isOverlapping ? [chosen, before] : [chosen], isAssigned: true };
}

/** What a quote has to cover so that each of the policies can be judged: one bank, all their PCRs. */
export function selectionFor({ policies }: PoliciesInForce): PcrSelection {
  const pcrs = new Set(policies.flatMap((policy) => selectionOf(policy).pcrs));
  return { bank: policies[0].bank, pcrs: [...pcrs].sort((a, b) => a - b) };
}
