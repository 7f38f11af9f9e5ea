/** What is remembered of PCR policies. */
import type { Revised } from "./revised.ts";

/** One version of a PCR policy. */
export interface PolicyRecord {
  readonly name: string;
  readonly version: number;
  /** JSON of the policy. */
  readonly body: string;
  readonly appliedBy: string;
  readonly appliedAtMs: number;
  /** The version before is accepted until then. */
  readonly overlapUntilMs: number;
}

export interface PolicyStore {
  /** Grows with each version that is applied; 0 before the first. Cheap. */
  policyRevision(): Promise<number>;
  /** The newest version of each name and the one before it: by name, newest first. */
  policies(): Promise<Revised<PolicyRecord[]>>;
  /** Versions of one name that are kept, newest first. */
  policyVersions(name: string): Promise<PolicyRecord[]>;
  /**
   * Adds a version when it is the next one of its name and nothing was applied since `revision`. `outdated`: look again;
   * `too_many`: there are `maxNames` names already.
   */
  applyPolicy(
    policy: PolicyRecord,
    revision: number,
    maxNames: number,
  ): Promise<"applied" | "outdated" | "too_many">;
}
