/** Rules of a service, as its owner writes them. What they mean on the wire is src/rules. */
import { maxRuleBlocks } from "../rules/mod.ts";
import type { ServiceProtocol } from "./protocol.ts";
import { setting } from "./setting.ts";
import { addressBlocks } from "./values.ts";

/** Rules of every service. */
const connectionRules = {
  allow: setting(
    addressBlocks(maxRuleBlocks),
    "",
    "Only viewers from these address blocks are served.",
    "CIDR,...",
  ),
  deny: setting(
    addressBlocks(maxRuleBlocks),
    "",
    "Viewers from these address blocks are refused, also those that `allow` names.",
    "CIDR,...",
  ),
} as const;

/** Rules that read or change HTTP; refused for other services. */
const httpRules = {} as const;

export const ruleSettings = { ...connectionRules, ...httpRules } as const;

/** Keys of the rules that a service of this protocol may have. */
export function ruleKeysOf(protocol: ServiceProtocol): ReadonlySet<string> {
  return new Set(Object.keys(protocol === "http" ? ruleSettings : connectionRules));
}
