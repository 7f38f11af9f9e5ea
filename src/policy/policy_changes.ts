/** What another version of a policy changes, line by line. */
import { type PcrPolicy, selectionOf } from "./pcr_policy.ts";

export interface PolicyChange {
  /** `bank`, `firmware`, `labels`, `retired`, or `PCR 7`. */
  readonly what: string;
  readonly removed: readonly string[];
  readonly added: readonly string[];
}

/** @param before undefined: the policy is new */
export function policyChanges(before: PcrPolicy | undefined, after: PcrPolicy): PolicyChange[] {
  const pcrs = new Set(
    [before, after].flatMap((policy) => policy === undefined ? [] : selectionOf(policy).pcrs),
  );
  const lines: [what: string, before: readonly string[], after: readonly string[]][] = [
    ["bank", before === undefined ? [] : [before.bank], [after.bank]],
    ["labels", before?.labels ?? [], after.labels],
    ...[...pcrs].sort((a, b) => a - b).map((pcr): [string, readonly string[], readonly string[]] => [
      `PCR ${pcr}`,
      listOf(before?.pcrs[pcr]),
      listOf(after.pcrs[pcr]),
    ]),
    ["firmware", before === undefined ? [] : before.firmware ?? ["any"], after.firmware ?? ["any"]],
    ["retired", before?.retired ? ["yes"] : [], after.retired ? ["yes"] : []],
  ];
  return lines.map(([what, old, young]) => ({
    what,
    removed: old.filter((value) => !young.includes(value)),
    added: young.filter((value) => !old.includes(value)),
  })).filter(({ removed, added }) => removed.length + added.length > 0);
}

function listOf(allowed: PcrPolicy["pcrs"][string] | undefined): readonly string[] {
  return allowed === undefined ? [] : allowed === "any" ? ["any"] : allowed;
}
