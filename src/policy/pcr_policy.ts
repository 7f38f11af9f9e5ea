/**
 * A PCR policy: what the quotes of the machines that it is assigned to must show. Strict: a member that nobody knows is
 * refused, since a demand that is not made must never look as if it were.
 */
import { z } from "zod";
import { maxPcr, type PcrBank, pcrBankSchema, type PcrSelection } from "../attestation/mod.ts";
import { PosternError } from "../errors/mod.ts";

/** Most digests that one PCR may have; most firmware versions. */
export const maxAllowedValues = 64;
/** Most labels that a policy may ask for. */
const maxPolicyLabels = 16;
/** Largest version of one policy. */
const maxPolicyVersion = 1_000_000;

/** Names of policies that are built in. */
const builtInNames: readonly string[] = ["baseline", "default"];

/** Bytes of a PCR of each bank. */
const digestBytes: Readonly<Record<PcrBank, number>> = { sha256: 32, sha384: 48, sha512: 64 };

export const policyNameSchema = z.string().regex(/^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$/, {
  error: "must be 1 to 63 lower-case letters, digits, dots, dashes or underscores",
}).refine((name) => !builtInNames.includes(name), { error: "must not be that of a built-in policy" });

/** A label of machines, or an agent id: each machine has its own as a label. */
export const policyLabelSchema = z.string().regex(/^[A-Za-z0-9._:@=/-]{1,128}$/, {
  error: "must be 1 to 128 letters, digits or ._:@=/-",
});

const pcrNumber = z.string().refine((text) => /^(0|[1-9][0-9]?)$/.test(text) && Number(text) <= maxPcr, {
  error: `must be a PCR, 0 to ${maxPcr}`,
});

/** Digests that one PCR may have, or `any`: it has to be quoted, whatever it holds. */
const allowedSchema = z.union([
  z.literal("any"),
  z.array(z.string().regex(/^([0-9a-f]{2})+$/)).min(1).max(maxAllowedValues).refine(isSet, {
    error: "must name each digest once",
  }),
], { error: 'must be "any", or a list of digests: lower-case hex, in quotes' });
export type AllowedValues = z.infer<typeof allowedSchema>;

/** As a quote says it (TPMS_ATTEST.firmwareVersion, TPM 2.0 Library, Part 2, 10.12.12): 16 lower-case hex digits. */
const firmwareSchema = z.string().regex(/^[0-9a-f]{16}$/, {
  error: "must be 16 lower-case hex digits, in quotes",
});

export const pcrPolicySchema = z.strictObject({
  name: policyNameSchema,
  /** One higher each time: two documents never share name and version. */
  version: z.int().min(1).max(maxPolicyVersion),
  description: z.string().max(200).optional(),
  bank: pcrBankSchema,
  /** The exact set that has to be quoted, with what each may hold. */
  pcrs: z.record(pcrNumber, allowedSchema).refine((pcrs) => Object.keys(pcrs).length > 0, {
    error: "must name a PCR",
  }),
  /** Firmware versions of the TPM; absent: any. */
  firmware: z.array(firmwareSchema).min(1).max(maxAllowedValues).refine(isSet, {
    error: "must name each version once",
  }).optional(),
  /** The policy is for the machines that have all of these; none: for every machine. */
  labels: z.array(policyLabelSchema).max(maxPolicyLabels).refine(isSet, {
    error: "must name each label once",
  }),
  /** Assigned to no machine any more. */
  retired: z.literal(true).optional(),
}).superRefine(({ bank, pcrs }, context) => {
  for (const [pcr, allowed] of Object.entries(pcrs)) {
    if (allowed === "any" || allowed.every((digest) => digest.length === 2 * digestBytes[bank])) continue;
    context.addIssue({
      code: "custom",
      path: ["pcrs", pcr],
      message: `must hold digests of ${bank}: ${2 * digestBytes[bank]} hex digits each`,
    });
  }
});
export type PcrPolicy = z.infer<typeof pcrPolicySchema>;

/** What a quote showed: digests in lower-case hex by PCR. */
export interface PcrValues {
  readonly bank: PcrBank;
  readonly values: Readonly<Record<string, string>>;
}

/** Reads a policy out of parsed JSON or YAML. Throws `policy_invalid`. */
export function readPolicy(value: unknown): PcrPolicy {
  const parsed = pcrPolicySchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { issues } = parsed.error;
  // A member that nobody knows is mostly a misspelt one, and why another is missing.
  const { path, message } = issues.find(({ code }) => code === "unrecognized_keys") ?? told(issues[0]);
  const place = path.join(".").slice(0, 100) || "the document";
  throw new PosternError("policy_invalid", `Cannot read policy: ${place}: ${message.slice(0, 200)}`, {
    detail: { field: place },
  });
}

/** Of a key that is refused, what its own schema says. */
function told(issue: z.core.$ZodIssue): Pick<z.core.$ZodIssue, "path" | "message"> {
  return issue.code === "invalid_key" ? { path: issue.path, message: issue.issues[0].message } : issue;
}

/** `name@version`. */
export function versionOf({ name, version }: Pick<PcrPolicy, "name" | "version">): string {
  return `${name}@${version}`;
}

/** What has to be quoted so that the policy can be judged. */
export function selectionOf({ bank, pcrs }: Pick<PcrPolicy, "bank" | "pcrs">): PcrSelection {
  return { bank, pcrs: Object.keys(pcrs).map(Number).sort((a, b) => a - b) };
}

function isSet(list: readonly string[]): boolean {
  return new Set(list).size === list.length;
}
