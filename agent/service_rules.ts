/** A service's rules, from its configuration to what control is sent. */
import type { Rate, ServiceConfig } from "../src/config/mod.ts";
import type { RateRule, ServiceRules } from "../src/rules/mod.ts";

function rateRule(rate: Rate | null, burst: number | null): RateRule | undefined {
  return rate === null
    ? undefined
    : { per_second: rate.count * 1_000 / rate.everyMs, burst: burst ?? rate.count };
}

/** What the edge is to hold for the service; an empty object when nothing. */
export function rulesOf({ rules }: ServiceConfig): ServiceRules {
  const rate = rateRule(rules.rate, rules.burst);
  const ratePerAddress = rateRule(rules.ratePerAddress, rules.burstPerAddress);
  return {
    ...(rules.allow.length === 0 ? {} : { allow: [...rules.allow] }),
    ...(rules.udpIdleMs === null ? {} : { udp_idle_seconds: Math.round(rules.udpIdleMs / 1_000) }),
    ...(rules.deny.length === 0 ? {} : { deny: [...rules.deny] }),
    ...(rate === undefined ? {} : { rate }),
    ...(ratePerAddress === undefined ? {} : { rate_per_address: ratePerAddress }),
  };
}
