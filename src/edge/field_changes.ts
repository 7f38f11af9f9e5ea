/**
 * What a service's rule does to the fields of a head: remove, then set, then add. Where it removes or sets a field, those
 * that pass for it go as well: to a CGI-like service `X_User` is `X-User`.
 */
import { gatewayName, type HeaderList } from "../http1/mod.ts";
import type { FieldRule } from "../rules/mod.ts";

export class FieldChanges {
  readonly #removed: ReadonlySet<string>;
  readonly #added: readonly (readonly [name: string, value: string])[];

  constructor({ remove = [], set = [], add = [] }: FieldRule) {
    this.#removed = new Set(
      [...remove, ...set.map(([name]) => name)].map((name) => gatewayName(name.toLowerCase())),
    );
    // Of two that set the same field the last one counts.
    const last = new Map(
      set.map(([name, value]) => [gatewayName(name.toLowerCase()), [name, value] as const]),
    );
    this.#added = [...last.values(), ...add];
  }

  apply(headers: HeaderList): void {
    this.strip(headers);
    for (const [name, value] of this.#added) headers.append(name, value);
  }

  /** For what is merged into a head, or taken for one: what the rule removes or sets must not come this way. */
  strip(fields: HeaderList): void {
    if (this.#removed.size > 0) fields.deleteWhere((key) => this.#removed.has(gatewayName(key)));
  }
}
