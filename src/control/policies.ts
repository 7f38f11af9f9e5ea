/** Applying PCR policies, learning them from machines, and what either would mean for the machines there are. */
import type { PcrSelection } from "../attestation/mod.ts";
import { PosternError } from "../errors/mod.ts";
import type { ManagementClaims } from "../identity/mod.ts";
import {
  type AppliedPolicy,
  choosePolicy,
  doubtOf,
  learnPolicy,
  type Learnt,
  type PcrPolicy,
  policiesInForce,
  type PolicyChange,
  policyChanges,
  readPolicy,
  rivalOf,
  sameLabels,
  versionOf,
} from "../policy/mod.ts";
import type { MachineRecord, Store } from "../ports/mod.ts";
import { audit } from "./audit.ts";
import type { ControlDeps } from "./config.ts";
import { stateOf } from "./machine_state.ts";
import { PolicyBook, policyOfRecord } from "./policy_book.ts";

/** Names of policies, retired ones included. */
const maxPolicies = 256;
/** Longest time for which two versions are accepted. */
export const maxOverlapSeconds = 2_592_000;
/** Machines that are read at once. */
const machinesPerPage = 200;

/** One version as it is told. */
export interface PolicyVersionFacts {
  readonly policy: PcrPolicy;
  readonly appliedBy: string;
  readonly appliedAtMs: number;
  readonly overlapUntilMs: number;
}

export interface PolicyFacts extends PolicyVersionFacts {
  /** Active machines that it counts for. */
  readonly machines: number;
}

/** What a policy means for one machine, by what it showed last. */
export interface MachineOutcome {
  readonly agentId: string;
  readonly labels: readonly string[];
  /** `policy@version` that counts for it now, and then. */
  readonly before: string;
  readonly after: string;
  /** `unknown`: it has not shown a quote yet, or none with these PCRs. */
  readonly outcome: "pass" | "fail" | "unknown";
  /** PCRs that would refuse it, ascending; none of them: its firmware. */
  readonly pcrs: readonly number[];
}

export interface PolicyPlan {
  readonly policy: PcrPolicy;
  readonly changes: readonly PolicyChange[];
  /** Of the machines that it would count for, or that it would cease to count for. */
  readonly machines: readonly MachineOutcome[];
}

/** By name. */
export async function listPolicies({ store }: Pick<ControlDeps, "store">): Promise<PolicyFacts[]> {
  const records = (await store.policies()).value;
  const newest = records.filter(({ name }, at) => records[at - 1]?.name !== name).map((record) => ({
    record,
    policy: policyOfRecord(record),
  }));
  const policies = newest.map(({ policy }) => policy);
  const machines = new Map<PcrPolicy, number>();
  for await (const machine of activeMachines(store)) {
    const chosen = choosePolicy(machine, policies);
    if (chosen !== undefined) machines.set(chosen, (machines.get(chosen) ?? 0) + 1);
  }
  return newest.map(({ record: { appliedBy, appliedAtMs, overlapUntilMs }, policy }) => ({
    policy,
    appliedBy,
    appliedAtMs,
    overlapUntilMs,
    machines: machines.get(policy) ?? 0,
  }));
}

/** Versions that are kept, newest first. Throws `policy_not_found`. */
export async function policyVersions(
  { store }: Pick<ControlDeps, "store">,
  name: string,
): Promise<PolicyVersionFacts[]> {
  const records = await store.policyVersions(name);
  if (records.length === 0) throw policyNotFound();
  return records.map(({ appliedBy, appliedAtMs, overlapUntilMs, ...record }) => ({
    policy: policyOfRecord({ appliedBy, appliedAtMs, overlapUntilMs, ...record }),
    appliedBy,
    appliedAtMs,
    overlapUntilMs,
  }));
}

export interface ApplyRequest {
  /** A peer's JSON. */
  readonly document: unknown;
  /** How long the version before stays accepted. */
  readonly overlapMs: number;
  /** Only tells what would happen. */
  readonly dryRun: boolean;
}

/**
 * Applies the next version of a policy; it counts from the next challenge on. Throws `policy_invalid`,
 * `policy_version_conflict`, `policy_conflict`, `policy_overlap_impossible`, `policy_limit_reached`.
 */
export async function applyPolicy(
  deps: Pick<ControlDeps, "store" | "clock" | "log">,
  operator: Pick<ManagementClaims, "sub">,
  { document, overlapMs, dryRun }: ApplyRequest,
): Promise<PolicyPlan> {
  const { store, clock, log } = deps;
  const policy = readPolicy(document);
  const { revision, value: applied } = await new PolicyBook(store).applied();
  const before = applied.find((one) => one.policy.name === policy.name)?.policy;
  if (policy.version !== (before?.version ?? 0) + 1) throw versionConflict(policy, before);
  checkOverlap(policy, before, overlapMs);
  const nowMs = clock.wall();
  const others = applied.filter((one) => one.policy !== before);
  const rival = policy.retired
    ? undefined
    : others.find((one) => !one.policy.retired && sameLabels(one.policy, policy));
  if (rival !== undefined) throw conflict(policy, rival.policy, "asks for the same labels");
  const overlapUntilMs = overlapMs === 0 ? nowMs : nowMs + overlapMs;
  const next = [...others, { policy, before, overlapUntilMs }];
  const machines = await outcomesOf(store, policy, applied, next, nowMs);
  const plan = { policy, changes: policyChanges(before, policy), machines };
  if (dryRun) return plan;
  const outcome = await store.applyPolicy(
    {
      name: policy.name,
      version: policy.version,
      body: JSON.stringify(policy),
      appliedBy: operator.sub,
      appliedAtMs: nowMs,
      overlapUntilMs,
    },
    revision,
    maxPolicies,
  );
  if (outcome === "outdated") throw versionConflict(policy, before);
  if (outcome === "too_many") {
    throw new PosternError(
      "policy_limit_reached",
      `Cannot apply policy: there are ${maxPolicies} names already`,
    );
  }
  const facts = {
    labels: policy.labels.join(",") || "(every machine)",
    overlap_seconds: Math.floor(overlapMs / 1_000),
    retired: policy.retired ?? false,
    would_fail: machines.filter((machine) => machine.outcome === "fail").length,
  };
  log("info", "policy applied", { policy: versionOf(policy), ...facts });
  await audit({ store, clock }, {
    actor: operator.sub,
    action: "policy.apply",
    subject: versionOf(policy),
    detail: facts,
  });
  return plan;
}

export interface LearnOptions {
  readonly from: { readonly agentId: string } | { readonly label: string };
  readonly name: string;
  readonly selection: PcrSelection;
  readonly withFirmware: boolean;
}

/**
 * A policy that allows what the machines showed last, whether it was accepted or not; nothing is applied. It is for the label,
 * or for the one machine. Throws `machine_unknown`, `policy_values_missing`, `policy_values_too_many`.
 */
export async function learnFromMachines(
  { store }: Pick<ControlDeps, "store">,
  { from, name, selection, withFirmware }: LearnOptions,
): Promise<Learnt> {
  const machines = "agentId" in from
    ? [await activeMachine(store, from.agentId)]
    : await Array.fromAsync(activeMachines(store, from.label));
  if ("label" in from && machines.length === 0) {
    throw new PosternError(
      "policy_values_missing",
      `Cannot learn policy: no machine has the label ${from.label}`,
    );
  }
  const observations = machines.map((machine) => {
    const shown = stateOf(machine)?.shown;
    return {
      agentId: machine.agentId,
      pcrs: { bank: shown?.bank ?? selection.bank, values: shown?.values ?? {} },
      firmware: shown?.firmware ?? "",
    };
  });
  const [newest] = await store.policyVersions(name);
  return learnPolicy({
    name,
    version: (newest?.version ?? 0) + 1,
    selection,
    labels: ["agentId" in from ? from.agentId : from.label],
    withFirmware,
  }, observations);
}

/** What the policy means for each machine that it concerns, now or then. Throws `policy_conflict`. */
async function outcomesOf(
  store: Store,
  policy: PcrPolicy,
  applied: readonly AppliedPolicy[],
  next: readonly AppliedPolicy[],
  nowMs: number,
): Promise<MachineOutcome[]> {
  const outcomes: MachineOutcome[] = [];
  const nextPolicies = next.map((one) => one.policy);
  for await (const machine of activeMachines(store)) {
    const before = policiesInForce(machine, applied, nowMs).policies[0];
    const inForce = policiesInForce(machine, next, nowMs).policies;
    const after = inForce[0];
    if (after !== policy && before.name !== policy.name) continue;
    const rivals = rivalOf(machine, nextPolicies);
    if (rivals !== undefined && (rivals.chosen === policy || rivals.rival === policy)) {
      const other = rivals.chosen === policy ? rivals.rival : rivals.chosen;
      throw conflict(policy, other, `is as specific for ${machine.agentId}`);
    }
    outcomes.push({
      agentId: machine.agentId,
      labels: machine.labels,
      before: versionOf(before),
      after: versionOf(after),
      ...outcomeOf(machine, inForce),
    });
  }
  return outcomes;
}

function outcomeOf(
  machine: MachineRecord,
  inForce: readonly PcrPolicy[],
): Pick<MachineOutcome, "outcome" | "pcrs"> {
  const shown = stateOf(machine)?.shown;
  if (shown === undefined) return { outcome: "unknown", pcrs: [] };
  const doubts = inForce.map((policy) => doubtOf(policy, shown, shown.firmware));
  if (doubts.includes(undefined)) return { outcome: "pass", pcrs: [] };
  const { code, pcrs } = doubts[0]!;
  return { outcome: code === "pcr_not_covered" ? "unknown" : "fail", pcrs };
}

async function* activeMachines(store: Store, label?: string): AsyncGenerator<MachineRecord> {
  let after: string | undefined;
  for (;;) {
    const page = await store.machines(machinesPerPage, after);
    for (const machine of page) {
      if (machine.state === "active" && (label === undefined || machine.labels.includes(label))) {
        yield machine;
      }
    }
    if (page.length < machinesPerPage) return;
    after = page[page.length - 1].agentId;
  }
}

async function activeMachine(store: Store, agentId: string): Promise<MachineRecord> {
  const machine = await store.machine(agentId);
  if (machine?.state === "active") return machine;
  throw new PosternError("machine_unknown", "Cannot learn policy: no active machine has this agent id");
}

function checkOverlap(policy: PcrPolicy, before: PcrPolicy | undefined, overlapMs: number): void {
  if (overlapMs === 0) return;
  const isPossible = before !== undefined && !before.retired && !policy.retired &&
    before.bank === policy.bank;
  if (isPossible) return;
  throw new PosternError(
    "policy_overlap_impossible",
    "Cannot apply policy: there is no version before it that the same quote could satisfy",
  );
}

function versionConflict(policy: PcrPolicy, before: PcrPolicy | undefined): PosternError {
  const current = before?.version ?? 0;
  const state = policy.version === current + 1
    ? "policies were applied meanwhile"
    : current === 0
    ? `it is new, but the file says version ${policy.version}`
    : `version ${current} is in force, and the file says version ${policy.version}`;
  return new PosternError("policy_version_conflict", `Cannot apply policy: ${state}`, {
    detail: { name: policy.name, version: current },
  });
}

function conflict(policy: PcrPolicy, other: PcrPolicy, why: string): PosternError {
  return new PosternError("policy_conflict", `Cannot apply policy: ${other.name} ${why}`, {
    detail: { policy: versionOf(policy), other: versionOf(other) },
  });
}

export function policyNotFound(): PosternError {
  return new PosternError("policy_not_found", "Cannot show policy: there is none of this name and version");
}
