/** The policies that were applied: read once, and again when another version was applied anywhere. */
import { PosternError } from "../errors/mod.ts";
import {
  type AppliedPolicy,
  type Labelled,
  type PoliciesInForce,
  policiesInForce,
  readPolicy,
  selectionFor,
  versionOf,
} from "../policy/mod.ts";
import type { Clock, PolicyRecord, PolicyStore, Revised, Store } from "../ports/mod.ts";
import { type PolicyInForce, unmeasured } from "./config.ts";
import { stateOf } from "./machine_state.ts";

export class PolicyBook {
  readonly #store: PolicyStore;
  #read: Revised<readonly AppliedPolicy[]> | undefined;

  constructor(store: PolicyStore) {
    this.#store = store;
  }

  /** The newest version of each name. Throws `store_failed` when there is one that this program cannot read. */
  async applied(): Promise<Revised<readonly AppliedPolicy[]>> {
    const revision = await this.#store.policyRevision();
    if (this.#read?.revision === revision) return this.#read;
    const { revision: newer, value } = await this.#store.policies();
    return this.#read = { revision: newer, value: appliedOf(value) };
  }

  /** @param nowMs wall clock, Unix milliseconds */
  async inForce(machine: Labelled, nowMs: number): Promise<PoliciesInForce> {
    return policiesInForce(machine, (await this.applied()).value, nowMs);
  }
}

export interface PolicyChoice {
  readonly store: Store;
  readonly clock: Pick<Clock, "wall">;
  readonly book: PolicyBook;
  /** Whether machines that no policy is assigned to are refused. */
  readonly requirePolicy: boolean;
}

/**
 * Says what counts for an agent: the policy of its machine's labels, nothing for agents that are no enrolled machine. What
 * an agent says of itself decides only what it is asked; the verifier looks the machine up again.
 */
export function policyChooser(choice: PolicyChoice): (agentId: string | undefined) => Promise<PolicyInForce> {
  return async (agentId) => {
    const machine = agentId === undefined ? undefined : await choice.store.machine(agentId);
    if (machine === undefined) return unmeasured;
    const inForce = await inForceOf(choice, machine);
    const clock = stateOf(machine)?.clock;
    return {
      policyVersion: versionOf(inForce.policies[0]),
      accepted: inForce.policies.map(versionOf),
      pcrs: selectionFor(inForce),
      ...(clock === undefined
        ? {}
        : { clockBefore: { resetCount: clock.resetCount, clockMs: clock.clockMs } }),
    };
  };
}

/** Throws `policy_missing` where a policy is required and the machine has none. */
export async function inForceOf(
  { book, clock, requirePolicy }: Omit<PolicyChoice, "store">,
  machine: Labelled,
): Promise<PoliciesInForce> {
  const inForce = await book.inForce(machine, clock.wall());
  if (requirePolicy && !inForce.isAssigned) {
    throw new PosternError("policy_missing", "Cannot judge machine: no policy is assigned to its labels");
  }
  return inForce;
}

/** @param records by name, newest version first */
function appliedOf(records: readonly PolicyRecord[]): AppliedPolicy[] {
  const newest = records.filter(({ name }, at) => records[at - 1]?.name !== name);
  return newest.map((record) => {
    const before = records.find(({ name, version }) =>
      name === record.name && version === record.version - 1
    );
    return {
      policy: policyOfRecord(record),
      overlapUntilMs: record.overlapUntilMs,
      ...(before === undefined ? {} : { before: policyOfRecord(before) }),
    };
  });
}

/** Throws `store_failed`. */
export function policyOfRecord({ name, version, body }: PolicyRecord) {
  try {
    return readPolicy(JSON.parse(body));
  } catch (cause) {
    // To pass it over would leave its machines to a weaker policy.
    throw new PosternError("store_failed", "Cannot read policies: another program wrote one of them", {
      cause,
      detail: { policy: `${name}@${version}` },
    });
  }
}
