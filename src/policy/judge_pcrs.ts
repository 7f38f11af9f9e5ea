/** Whether what a quote showed is what a policy allows. */
import { PosternError } from "../errors/mod.ts";
import { type PcrPolicy, type PcrValues, selectionOf, versionOf } from "./pcr_policy.ts";

/** Why one policy is not satisfied. */
export interface PolicyDoubt {
  readonly code: "pcr_not_covered" | "pcr_value_refused" | "firmware_refused";
  readonly policy: PcrPolicy;
  /** PCRs in question, ascending. */
  readonly pcrs: readonly number[];
}

/** Undefined: the policy is satisfied. */
export function doubtOf(policy: PcrPolicy, shown: PcrValues, firmware: string): PolicyDoubt | undefined {
  const { bank, pcrs } = selectionOf(policy);
  const missing = bank === shown.bank ? pcrs.filter((pcr) => !Object.hasOwn(shown.values, pcr)) : pcrs;
  if (missing.length > 0) return { code: "pcr_not_covered", policy, pcrs: missing };
  const refused = pcrs.filter((pcr) => {
    const allowed = policy.pcrs[pcr];
    return allowed !== "any" && !allowed.includes(shown.values[pcr]);
  });
  if (refused.length > 0) return { code: "pcr_value_refused", policy, pcrs: refused };
  if (policy.firmware !== undefined && !policy.firmware.includes(firmware)) {
    return { code: "firmware_refused", policy, pcrs: [] };
  }
  return undefined;
}

/**
 * The first of the policies in force that is satisfied. The values are those of a verified quote. Throws, with what the
 * newest policy doubts, `pcr_not_covered`, `pcr_value_refused`, `firmware_refused`.
 * @param policies newest first
 * @param firmware 16 lower-case hex digits
 */
export function judgePcrs(policies: readonly PcrPolicy[], shown: PcrValues, firmware: string): PcrPolicy {
  const doubts: PolicyDoubt[] = [];
  for (const policy of policies) {
    const doubt = doubtOf(policy, shown, firmware);
    if (doubt === undefined) return policy;
    doubts.push(doubt);
  }
  // No policy at all satisfies nobody.
  if (doubts.length === 0) throw new PosternError("policy_missing");
  throw errorOfDoubt(doubts[0]);
}

function errorOfDoubt({ code, policy, pcrs }: PolicyDoubt): PosternError {
  const version = versionOf(policy);
  const detail = { policy: version, ...(pcrs.length === 0 ? {} : { pcrs: pcrs.join(",") }) };
  const which = `PCR ${pcrs.join(", ")}`;
  switch (code) {
    case "pcr_not_covered":
      return new PosternError(code, `Cannot accept quote: it does not cover ${which} of ${version}`, {
        detail,
      });
    case "pcr_value_refused":
      return new PosternError(code, `Cannot accept quote: ${version} does not allow what ${which} holds`, {
        detail,
      });
    case "firmware_refused":
      return new PosternError(code, `Cannot accept quote: ${version} does not allow the TPM's firmware`, {
        detail,
      });
    default:
      return code satisfies never;
  }
}
