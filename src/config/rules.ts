/** Rules of a service, as its owner writes them. What they mean on the wire is src/rules. */
import { maxRate, maxRuleBlocks, maxRuleFields, realmPattern } from "../rules/mod.ts";
import type { ServiceProtocol } from "./protocol.ts";
import { optional, setting, unshown } from "./setting.ts";
import { fieldLines, fieldNames } from "./field_values.ts";
import { addressBlocks, count, duration, notation, path, rateOf } from "./values.ts";

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
  rate: optional(
    rateOf(maxRate),
    "Requests (tcp, tls: new connections; udp: new flows) of all viewers together; 30/m lets 30 come at once, then one every two seconds.",
    "COUNT/s|m|h",
  ),
  burst: optional(count(1, maxRate), "How many of `rate` may come at once; its count when absent.", "COUNT"),
  ratePerAddress: optional(
    rateOf(maxRate),
    "Requests (tcp, tls: new connections; udp: new flows) of each address; of IPv6 each /64.",
    "COUNT/s|m|h",
  ),
  burstPerAddress: optional(
    count(1, maxRate),
    "How many of `rate_per_address` may come at once; its count when absent.",
    "COUNT",
  ),
} as const;

/** Rules that read or change HTTP; refused for other services. */
const httpRules = {
  basicAuth: {
    file: optional(
      path(),
      "Users who may come in, a line each as `postern hash-password NAME` prints it; private, read at each registration.",
      "FILE",
    ),
    realm: optional(
      notation(
        "1 to 64 printable ASCII characters without quotes and backslashes",
        (raw) => typeof raw === "string" && realmPattern.test(raw) ? raw : undefined,
      ),
      "What browsers show when they ask.",
      "TEXT",
    ),
  },
  requestHeaders: fieldSettings("requests, on their way to the service"),
  responseHeaders: fieldSettings("responses"),
} as const;

function fieldSettings(where: string) {
  return {
    remove: setting(fieldNames(maxRuleFields), "", `Fields taken out of ${where}.`, "NAME,..."),
    set: unshown(setting(
      fieldLines(maxRuleFields),
      "",
      `Fields of ${where}, in place of those that are there. A flag takes one, and may be repeated.`,
      "NAME: VALUE",
    )),
    add: unshown(setting(
      fieldLines(maxRuleFields),
      "",
      `Fields of ${where}, beside those that are there. A flag takes one, and may be repeated.`,
      "NAME: VALUE",
    )),
  } as const;
}

/** Rules of flows; refused for other services. */
const udpRules = {
  udpIdleMs: optional(
    duration(0, 86_400_000),
    "Silence after which a viewer's udp flow ends, 30s when absent; edges hold 5s to 300s.",
    "DURATION",
  ),
} as const;

export const ruleSettings = { ...connectionRules, ...httpRules, ...udpRules } as const;

/** Keys of the rules that a service of this protocol may have. */
export function ruleKeysOf(protocol: ServiceProtocol): ReadonlySet<string> {
  const own = protocol === "http" ? httpRules : protocol === "udp" ? udpRules : {};
  return new Set(Object.keys({ ...connectionRules, ...own }));
}
