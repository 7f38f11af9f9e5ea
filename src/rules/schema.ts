/**
 * Rules as they are sent to control and stored with the tunnel: JSON, strict. An unknown member is refused, not passed
 * over: a rule that is not held must never look as if it were.
 *
 * A further rule is one more member here, its setting in src/config/rules.ts, its line in agent/service_rules.ts, and
 * whoever holds it in src/edge.
 */
import { z } from "zod";
import { parseAddressBlock } from "../bytes/mod.ts";

/** Largest text of one service's rules. */
export const maxRulesBytes = 32_768;
/** Most blocks in one list; looking through all of them takes about a microsecond. */
export const maxRuleBlocks = 256;

const blocks = z.array(
  z.string().max(64).refine((text) => parseAddressBlock(text) !== undefined, {
    error: "must be an address block such as 10.0.0.0/8",
  }),
).max(maxRuleBlocks);

export const rulesSchema = z.strictObject({
  /** When not empty, viewers from elsewhere are refused. */
  allow: blocks.optional(),
  /** Viewers from here are refused, also those that `allow` names. */
  deny: blocks.optional(),
});
