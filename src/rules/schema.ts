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

/** Most tokens a second, and most at once. */
export const maxRate = 1_000_000;

/** A token bucket. */
const rate = z.strictObject({
  /** Also below one: 0.5 is one in two seconds; not below one a day. */
  per_second: z.number().min(1 / 86_400).max(maxRate),
  /** At once, after a rest. */
  burst: z.int().min(1).max(maxRate),
});
export type RateRule = z.infer<typeof rate>;

export const rulesSchema = z.strictObject({
  /** When not empty, viewers from elsewhere are refused. */
  allow: blocks.optional(),
  /** Viewers from here are refused, also those that `allow` names. */
  deny: blocks.optional(),
  /** Requests of an HTTP service, new connections of any other, from all viewers together. */
  rate: rate.optional(),
  /** The same from each address (IPv6: each /64). */
  rate_per_address: rate.optional(),
  /** Silence after which a flow of a udp service ends; clamped to what edges keep, see `clampRules`. */
  udp_idle_seconds: z.int().min(0).max(86_400).optional(),
});
