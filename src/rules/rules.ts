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
  for (const member of Object.keys(rules)) {
    if (connectionMembers.has(member)) {
      if (protocol !== "private") continue;
      throw invalid(`${member} is not for private services, whose viewers no edge sees`);
    }
    const only = privateMembers.has(member) ? "private" : udpMembers.has(member) ? "udp" : "http";
    if (protocol !== only) throw invalid(`${member} is for ${only} services only`);
  }
}

/** Shortest and longest time for which edges keep a quiet udp flow. */
const minUdpIdleSeconds = 5;
const maxUdpIdleSeconds = 300;

/** The rules with their numbers brought into the range that edges hold, and what there is to tell about it. */
export function clampRules(rules: ServiceRules): { rules: ServiceRules; notes: string[] } {
  const { udp_idle_seconds: wanted } = rules;
  if (wanted === undefined) return { rules, notes: [] };
  const held = Math.min(Math.max(wanted, minUdpIdleSeconds), maxUdpIdleSeconds);
  if (held === wanted) return { rules, notes: [] };
  return {
    rules: { ...rules, udp_idle_seconds: held },
    notes: [
      `rules.udp_idle_seconds was set to ${held} (allowed: ${minUdpIdleSeconds} to ${maxUdpIdleSeconds})`,
    ],
  };
}

/** Members that need nothing but a connection. */
const connectionMembers: ReadonlySet<string> = new Set<keyof ServiceRules>([
  "allow",
  "deny",
  "rate",
  "rate_per_address",
]);

const udpMembers: ReadonlySet<string> = new Set<keyof ServiceRules>(["udp_idle_seconds"]);

const privateMembers: ReadonlySet<string> = new Set<keyof ServiceRules>(["connect"]);

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
