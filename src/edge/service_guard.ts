/** Holds the rules of one service against its viewers. Lives longer than sessions, and takes new rules while it serves. */
import type { Revised } from "../ports/mod.ts";
import { formatRules, noRules, parseRules } from "../rules/mod.ts";
import { HeldRules, type RuleDeps } from "./held_rules.ts";

const noRulesText = formatRules(noRules);

export class ServiceGuard {
  readonly #deps: RuleDeps;
  #revision = 0;
  #rules: HeldRules | undefined;

  constructor(deps: RuleDeps) {
    this.#deps = deps;
  }

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
    this.#rules = stored.value === noRulesText
      ? undefined
      : new HeldRules(parseRules(stored.value), this.#deps);
    this.#revision = stored.revision;
    return true;
  }
}
