/** Rules of a service: what an agent asks the edge to hold for it, before a stream is opened to the agent. */
export {
  assertApplicable,
  clampRules,
  formatRules,
  noRules,
  parseRules,
  readRules,
  type ServiceRules,
} from "./rules.ts";
export { isUserName, parseUsers } from "./users.ts";
export {
  type BasicAuthRule,
  type FieldRule,
  maxRate,
  maxRuleBlocks,
  maxRuleFields,
  type RateRule,
  realmPattern,
  rulesSchema,
} from "./schema.ts";
