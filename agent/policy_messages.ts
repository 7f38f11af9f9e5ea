/** What operators ask control about PCR policies, and what is accepted as an answer. */
import { z } from "zod";
import { type PcrPolicy, pcrPolicySchema } from "../src/policy/mod.ts";

const agentId = z.string().max(128);
/** Peer text. */
const labels = z.array(z.string().max(128)).max(64);
const instant = z.iso.datetime();
const pcrs = z.array(z.int().min(0).max(23)).max(24);

const versionFacts = z.object({
  version: z.int().min(1),
  applied_by: z.string().max(128),
  applied_at: instant,
  overlap_until: instant.optional(),
});

export const policiesAnswer = z.object({
  policies: z.array(versionFacts.extend({
    name: z.string().max(64),
    bank: z.string().max(16),
    pcrs,
    labels,
    firmware: z.boolean(),
    retired: z.boolean(),
    machines: z.int().min(0),
  })),
});
export type PoliciesAnswer = z.infer<typeof policiesAnswer>;

export const policyAnswer = z.object({ policy: pcrPolicySchema, versions: z.array(versionFacts) });
export type PolicyAnswer = z.infer<typeof policyAnswer>;

export interface ApplyPolicyRequest {
  readonly policy: PcrPolicy;
  readonly overlap_seconds?: number;
  readonly dry_run?: boolean;
}
const count = z.int().min(0);
const values = z.array(z.string().max(256));
export const applyPolicyAnswer = z.object({
  policy_version: z.string().max(128),
  applied: z.boolean(),
  changes: z.array(z.object({ what: z.string().max(64), removed: values, added: values })),
  counts: z.object({ pass: count, fail: count, unknown: count }),
  machines: z.array(z.object({
    agent_id: agentId,
    labels,
    before: z.string().max(128),
    after: z.string().max(128),
    outcome: z.enum(["pass", "fail", "unknown"]),
    pcrs,
  })),
});
export type ApplyPolicyAnswer = z.infer<typeof applyPolicyAnswer>;

export interface LearnPolicyRequest {
  readonly name: string;
  readonly agent_id?: string;
  readonly label?: string;
  readonly bank?: string;
  readonly pcrs?: readonly number[];
  readonly firmware?: boolean;
}
export const learnPolicyAnswer = z.object({
  policy: pcrPolicySchema,
  learnt_from: z.array(agentId),
  passed_over: z.array(agentId),
});
export type LearnPolicyAnswer = z.infer<typeof learnPolicyAnswer>;
