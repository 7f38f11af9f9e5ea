/** Holds the rules of one service against its viewers. Lives longer than sessions, and takes new rules while it serves. */
import { AddressBlocks, ipBytes } from "../bytes/mod.ts";
import type { ErrorCode } from "../errors/mod.ts";
import type { Revised } from "../ports/mod.ts";
import { formatRules, noRules, parseRules, type ServiceRules } from "../rules/mod.ts";

const noRulesText = formatRules(noRules);

export class ServiceGuard {
  #revision = 0;
  #rules: HeldRules | undefined;

  /** Revision of the rules that are held; 0 while there were none. */
  get revision(): number {
    return this.#revision;
  }
  /** What is to be held; undefined for most services: then nothing is asked and nothing costs. */
  get rules(): HeldRules | undefined {
    return this.#rules;
  }

  /** Takes rules that are newer than its own; false when they are not. @throws PosternError `rules_unusable` */
  adopt(stored: Revised<string> | undefined): boolean {
    if (stored === undefined || stored.revision <= this.#revision) return false;
    this.#rules = stored.value === noRulesText ? undefined : new HeldRules(parseRules(stored.value));
    this.#revision = stored.revision;
    return true;
  }
}

/** One revision of a service's rules, ready to be asked. */
export class HeldRules {
  readonly #allow: AddressBlocks;
  readonly #deny: AddressBlocks;

  constructor(rules: ServiceRules) {
    this.#allow = new AddressBlocks(rules.allow ?? []);
    this.#deny = new AddressBlocks(rules.deny ?? []);
  }

  /** Why nobody from this address is served; undefined when they are. */
  refusalOf(ip: string): ErrorCode | undefined {
    return isAdmitted(ip, this.#allow, this.#deny) ? undefined : "address_denied";
  }
}

/** Deny wins; what is no address is admitted only where there are no lists. */
export function isAdmitted(ip: string, allow: AddressBlocks, deny: AddressBlocks): boolean {
  if (allow.isEmpty && deny.isEmpty) return true;
  const address = ipBytes(ip.split("%", 1)[0]);
  if (address === undefined || deny.has(address)) return false;
  return allow.isEmpty || allow.has(address);
}
