/** Reading and writing rules. */
import type { z } from "zod";
import { PosternError } from "../errors/mod.ts";
import { maxRulesBytes, rulesSchema } from "./schema.ts";

export type ServiceRules = z.infer<typeof rulesSchema>;

/** What a service without rules has. */
export const noRules: ServiceRules = Object.freeze({});

/** Rules of a peer, checked. Throws `rules_invalid`; the message names the place, never a value. */
export function readRules(raw: unknown): ServiceRules {
  const result = rulesSchema.safeParse(raw);
  if (!result.success) {
    const { path, message, code } = result.error.issues[0];
    const state = code === "unrecognized_keys" ? "a member is unknown" : message.slice(0, 200);
    throw invalid(`${["rules", ...path].join(".").slice(0, 100)}: ${state}`);
  }
  if (formatRules(result.data).length > maxRulesBytes) {
    throw invalid(`longer than ${maxRulesBytes} characters`);
  }
  return result.data;
}

/** Throws `rules_invalid` for rules that a service of this protocol cannot have. */
export function assertApplicable(rules: ServiceRules, protocol: string): void {
  if (protocol === "http") return;
  const member = Object.keys(rules).find((key) => !connectionMembers.has(key));
  if (member !== undefined) throw invalid(`${member} is for http services only`);
}

/** Members that need nothing but a connection. */
const connectionMembers: ReadonlySet<string> = new Set<keyof ServiceRules>([
  "allow",
  "deny",
  "rate",
  "rate_per_address",
]);

/** The text that is stored: the same for the same rules. */
export function formatRules(rules: ServiceRules): string {
  return JSON.stringify(rules);
}

/** Rules that were stored. Throws `rules_unusable`: a later version may have written what this one does not know. */
export function parseRules(text: string): ServiceRules {
  try {
    return rulesSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new PosternError("rules_unusable", undefined, { cause });
  }
}

function invalid(state: string): PosternError {
  return new PosternError("rules_invalid", `Cannot use the rules of the service: ${state}`);
}
