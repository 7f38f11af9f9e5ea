/** What a service's rule does to the fields of a head: remove, then set, then add. */
import type { HeaderList } from "../http1/mod.ts";
import type { FieldRule } from "../rules/mod.ts";

export class FieldChanges {
  readonly #remove: readonly string[];
  readonly #set: FieldRule["set"] & object;
  readonly #add: FieldRule["add"] & object;

  constructor({ remove = [], set = [], add = [] }: FieldRule) {
    this.#remove = remove.map((name) => name.toLowerCase());
    this.#set = set;
    this.#add = add;
  }

  apply(headers: HeaderList): void {
    for (const key of this.#remove) headers.delete(key);
    for (const [name, value] of this.#set) headers.set(name, value);
    for (const [name, value] of this.#add) headers.append(name, value);
  }
}
