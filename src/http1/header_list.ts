/** One field line: the name as it was written, and its value without surrounding white space. */
export type Header = readonly [name: string, value: string];

/**
 * Field lines in the order of the message. Names keep their spelling; every lookup takes the name in lower case
 * (RFC 9110 5.1: names are case-insensitive). Values are code units 0-255, one an octet.
 */
export class HeaderList implements Iterable<Header> {
  readonly #names: string[] = [];
  readonly #keys: string[] = [];
  readonly #values: string[] = [];

  static from(headers: Iterable<Header>): HeaderList {
    const list = new HeaderList();
    for (const [name, value] of headers) list.append(name, value);
    return list;
  }

  /** Number of field lines. */
  get length(): number {
    return this.#names.length;
  }

  /** First value of the field, or null. */
  get(key: string): string | null {
    const at = this.#keys.indexOf(key);
    return at < 0 ? null : this.#values[at];
  }

  /** All values of the field in order. */
  getAll(key: string): string[] {
    return this.#values.filter((_, at) => this.#keys[at] === key);
  }

  has(key: string): boolean {
    return this.#keys.includes(key);
  }

  /** Adds a line at the end. */
  append(name: string, value: string): void {
    this.appendKeyed(name, name.toLowerCase(), value);
  }

  /** As {@link append}, for who has the lower-case name already. */
  appendKeyed(name: string, key: string, value: string): void {
    this.#names.push(name);
    this.#keys.push(key);
    this.#values.push(value);
  }

  /** Replaces all lines of the field by one, at the place of the first. */
  set(name: string, value: string): void {
    const key = name.toLowerCase();
    const first = this.#keys.indexOf(key);
    if (first < 0) return this.appendKeyed(name, key, value);
    this.#names[first] = name;
    this.#values[first] = value;
    this.#keep((other, at) => other !== key || at === first);
  }

  /** Removes all lines of the field. */
  delete(key: string): void {
    if (this.#keys.includes(key)) this.#keep((other) => other !== key);
  }

  /** Removes every line whose lower-case name is chosen. */
  deleteWhere(chosen: (key: string) => boolean): void {
    this.#keep((key) => !chosen(key));
  }

  nameAt(at: number): string {
    return this.#names[at];
  }

  keyAt(at: number): string {
    return this.#keys[at];
  }

  valueAt(at: number): string {
    return this.#values[at];
  }

  clone(): HeaderList {
    return this.without(() => false);
  }

  /** A new list of the lines whose lower-case name is not chosen. */
  without(chosen: (key: string) => boolean): HeaderList {
    const list = new HeaderList();
    for (let at = 0; at < this.#keys.length; at++) {
      const key = this.#keys[at];
      if (!chosen(key)) list.appendKeyed(this.#names[at], key, this.#values[at]);
    }
    return list;
  }

  /** Lines as [name, value] pairs. */
  *[Symbol.iterator](): Iterator<Header> {
    for (let at = 0; at < this.length; at++) yield [this.#names[at], this.#values[at]];
  }

  toJSON(): Header[] {
    return [...this];
  }

  #keep(wanted: (key: string, at: number) => boolean): void {
    let kept = 0;
    for (let at = 0; at < this.#keys.length; at++) {
      if (!wanted(this.#keys[at], at)) continue;
      this.#names[kept] = this.#names[at];
      this.#keys[kept] = this.#keys[at];
      this.#values[kept] = this.#values[at];
      kept++;
    }
    this.#names.length = this.#keys.length = this.#values.length = kept;
  }
}
