/** A service's rules, from its configuration to what control is sent. */
import type { ServiceConfig } from "../src/config/mod.ts";
import type { ServiceRules } from "../src/rules/mod.ts";

/** What the edge is to hold for the service; an empty object when nothing. */
export function rulesOf({ rules }: ServiceConfig): ServiceRules {
  return {
    ...(rules.allow.length === 0 ? {} : { allow: [...rules.allow] }),
    ...(rules.deny.length === 0 ? {} : { deny: [...rules.deny] }),
  };
}
