/** JSON of the policy routes. */
import { z } from "@hono/zod-openapi";
import { maxPcr, pcrBankSchema } from "../attestation/mod.ts";
import { pcrPolicySchema, policyLabelSchema, policyNameSchema } from "../policy/mod.ts";
import { maxOverlapSeconds } from "./policies.ts";

// Schemas get `.openapi` when they are made, not when they are imported: those of the policy are made anew here.
const name = z.string().refine((text) => policyNameSchema.safeParse(text).success, {
  error: "must be the name of a policy: 1 to 63 lower-case letters, digits, dots, dashes or underscores",
}).openapi({ example: "racks" });
const label = z.string().refine((text) => policyLabelSchema.safeParse(text).success, {
  error: "must be a label: 1 to 128 letters, digits or ._:@=/-",
});
const agentId = z.string().regex(/^agent-[a-z2-7]{26}$/).openapi({
  example: "agent-w5z6k7hq2d3n4p5r6s7t2u3v4a",
});
const instant = z.string().datetime().openapi({ example: "2026-01-01T00:00:00.000Z" });
const pcrList = z.array(z.int().min(0).max(maxPcr));

const policyDocument = z.record(z.string(), z.unknown()).openapi({
  ...documentDescription(),
  description:
    "The exact PCRs that have to be quoted, and what each may hold. Members that are not listed here are " +
    "refused.",
});

function documentDescription() {
  const { properties, required } = z.toJSONSchema(pcrPolicySchema, { io: "input" });
  return {
    type: "object" as const,
    properties: properties as Record<string, never>,
    required,
    additionalProperties: false,
  };
}

const versionFacts = {
  version: z.int(),
  applied_by: z.string(),
  applied_at: instant,
  overlap_until: instant.optional().openapi({ description: "The version before is accepted until then." }),
};

export const policyParamsSchema = z.object({
  name: name.openapi({ param: { name: "name", in: "path" } }),
});

export const policyFactsSchema = z.object({
  name: z.string(),
  ...versionFacts,
  bank: z.enum(pcrBankSchema.options),
  pcrs: pcrList,
  labels: z.array(z.string()).openapi({ description: "It is for machines that have all of these." }),
  firmware: z.boolean().openapi({ description: "Whether it lists firmware versions." }),
  retired: z.boolean(),
  machines: z.int().openapi({ description: "Active machines that it counts for." }),
});

export const policiesResponseSchema = z.object({
  policies: z.array(policyFactsSchema),
}).openapi("PoliciesResponse");

export const policyQuerySchema = z.object({
  version: z.coerce.number().int().min(1).optional().openapi({
    param: { name: "version", in: "query" },
    description: "Which version's document; the newest when absent.",
  }),
});

export const policyResponseSchema = z.object({
  policy: policyDocument,
  versions: z.array(z.object(versionFacts)).openapi({ description: "Those that are kept, newest first." }),
}).openapi("PolicyResponse");

export const applyPolicyRequestSchema = z.strictObject({
  policy: policyDocument,
  overlap_seconds: z.int().min(0).max(maxOverlapSeconds).optional().openapi({
    description: "How long the version before stays accepted; not at all when absent.",
  }),
  dry_run: z.boolean().optional().openapi({ description: "Only tell what would happen." }),
}).openapi("ApplyPolicyRequest");

const counts = z.object({ pass: z.int(), fail: z.int(), unknown: z.int() });

export const applyPolicyResponseSchema = z.object({
  policy_version: z.string().openapi({ example: "racks@2" }),
  applied: z.boolean(),
  changes: z.array(z.object({
    what: z.string().openapi({ example: "PCR 7" }),
    removed: z.array(z.string()),
    added: z.array(z.string()),
  })),
  counts,
  machines: z.array(z.object({
    agent_id: z.string(),
    labels: z.array(z.string()),
    before: z.string().openapi({ description: "Policy that counts for it now." }),
    after: z.string().openapi({ description: "Policy that will count for it." }),
    outcome: z.enum(["pass", "fail", "unknown"]).openapi({
      description: "By what it showed last. unknown: it has not shown these PCRs.",
    }),
    pcrs: pcrList.openapi({ description: "PCRs that refuse it." }),
  })).openapi({
    description:
      "Machines that the policy would count for, or would cease to; those that fail first, at most 200.",
  }),
}).openapi("ApplyPolicyResponse");

export const learnPolicyRequestSchema = z.strictObject({
  name,
  agent_id: agentId.optional(),
  label: label.optional().openapi({ description: "Learn from all active machines with this label." }),
  bank: z.enum(pcrBankSchema.options).optional().openapi({ description: "sha256 when absent." }),
  pcrs: pcrList.min(1).max(maxPcr + 1).optional().openapi({ description: "0 to 7 when absent." }),
  firmware: z.boolean().optional().openapi({ description: "Allow no other TPM firmware than theirs." }),
}).refine(({ agent_id, label }) => (agent_id === undefined) !== (label === undefined), {
  error: "needs agent_id or label, and not both",
}).openapi("LearnPolicyRequest");

export const learnPolicyResponseSchema = z.object({
  policy: policyDocument,
  learnt_from: z.array(z.string()).openapi({ description: "Agent ids, at most 500." }),
  passed_over: z.array(z.string()).openapi({
    description: "Agent ids of machines that have not shown these PCRs, at most 500.",
  }),
}).openapi("LearnPolicyResponse");
