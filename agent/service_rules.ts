/** A service's rules, from its configuration to what control is sent. */
import { type Rate, readSecretFile, type ServiceConfig } from "../src/config/mod.ts";
import {
  type BasicAuthRule,
  type FieldRule,
  parseUsers,
  type RateRule,
  type ServiceRules,
} from "../src/rules/mod.ts";

/**
 * What the edge is to hold for the service; an empty object when nothing. Reads the file of users each time, so that a
 * new one counts from the next registration. Throws `secret_file_unreadable`, `secret_file_permissions`, `users_file_invalid`.
 */
export async function rulesOf(
  { rules, private: isPrivate, connect }: Pick<ServiceConfig, "rules" | "private" | "connect">,
): Promise<ServiceRules> {
  // Always said: a list that was emptied has to be so at control as well.
  if (isPrivate) return { connect: [...connect] };
  return present({
    allow: someOf(rules.allow),
    deny: someOf(rules.deny),
    rate: rateRule(rules.rate, rules.burst),
    rate_per_address: rateRule(rules.ratePerAddress, rules.burstPerAddress),
    basic_auth: await basicAuthRule(rules.basicAuth),
    request_headers: fieldRule(rules.requestHeaders),
    response_headers: fieldRule(rules.responseHeaders),
    udp_idle_seconds: rules.udpIdleMs === null ? undefined : Math.round(rules.udpIdleMs / 1_000),
  });
}

function rateRule(rate: Rate | null, burst: number | null): RateRule | undefined {
  return rate === null
    ? undefined
    : { per_second: rate.count * 1_000 / rate.everyMs, burst: burst ?? rate.count };
}

async function basicAuthRule(
  { file, realm }: ServiceConfig["rules"]["basicAuth"],
): Promise<BasicAuthRule | undefined> {
  if (file === null) return undefined;
  const { secret } = await readSecretFile(file, Deno);
  return { ...(realm === null ? {} : { realm }), users: parseUsers(secret, file) };
}

function fieldRule({ remove, set, add }: ServiceConfig["rules"]["requestHeaders"]): FieldRule | undefined {
  const lines = (list: typeof set) => someOf(list)?.map(([name, value]): [string, string] => [name, value]);
  const rule = present({ remove: someOf(remove), set: lines(set), add: lines(add) });
  return Object.keys(rule).length === 0 ? undefined : rule;
}

function someOf<T>(list: readonly T[]): T[] | undefined {
  return list.length === 0 ? undefined : [...list];
}

/** Without members that are undefined: absent is how the wire says none. */
function present<T extends object>(members: T): T {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as T;
}
