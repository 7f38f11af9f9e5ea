/**
 * Header blocks for a peer (RFC 7541), with a dynamic table of what responses repeat. Values that are secret, or differ
 * each time, stay out of the table (7.1.3).
 */
import { ENTRY_OVERHEAD_BYTES } from "./hpack_decoder.ts";
import { huffmanEncode, huffmanLength } from "./huffman.ts";
import { STATIC_TABLE } from "./static_table.ts";

/** The table is kept no larger than this, whatever the peer allows. */
const TABLE_BYTES = 4_096;
/** Longer values are written as they are: they would push everything else out. */
const MAX_INDEXED_VALUE = 256;

const staticPairs = new Map<string, number>();
const staticNames = new Map<string, number>();
STATIC_TABLE.forEach(([name, value], at) => {
  if (value !== "") staticPairs.set(`${name}\0${value}`, at + 1);
  if (!staticNames.has(name)) staticNames.set(name, at + 1);
});

/** Secret, or different with every response. */
const NEVER_INDEXED = new Set(["set-cookie", "authorization", "www-authenticate", "location"]);
const NOT_INDEXED = new Set([
  "content-length",
  "date",
  "etag",
  "last-modified",
  "x-request-id",
  "age",
  "expires",
  "link",
  "content-range",
]);

export class HpackEncoder {
  #out = new Uint8Array(1_024);
  #at = 0;
  /** Pairs and what number they were added as; the newest has `#added`. */
  readonly #pairs = new Map<string, number>();
  readonly #entries: { readonly key: string; readonly bytes: number }[] = [];
  #added = 0;
  #tableBytes = 0;
  #maxBytes = TABLE_BYTES;
  #resizeTo: number | undefined;

  /** The peer's SETTINGS_HEADER_TABLE_SIZE. */
  allowTable(bytes: number): void {
    const max = Math.min(bytes, TABLE_BYTES);
    if (max === this.#maxBytes && this.#resizeTo === undefined) return;
    this.#maxBytes = max;
    // Of several changes the smallest must be told as well (4.2); as all entries go, it is nothing that matters after.
    this.#resizeTo = Math.min(this.#resizeTo ?? max, max);
    this.#evict();
  }

  /** Begins a block. */
  begin(): void {
    this.#at = 0;
    if (this.#resizeTo === undefined) return;
    if (this.#resizeTo < this.#maxBytes) this.#integer(0x20, 5, this.#resizeTo);
    this.#integer(0x20, 5, this.#maxBytes);
    this.#resizeTo = undefined;
  }

  /** Adds a field; the name is in lower case, both are code units 0-255. */
  field(name: string, value: string): void {
    const key = `${name}\0${value}`;
    const pair = staticPairs.get(key);
    if (pair !== undefined) return this.#integer(0x80, 7, pair);
    const added = this.#pairs.get(key);
    if (added !== undefined) return this.#integer(0x80, 7, STATIC_TABLE.length + 1 + this.#added - added);
    const index = staticNames.get(name) ?? 0;
    const never = NEVER_INDEXED.has(name);
    const indexed = !never && !NOT_INDEXED.has(name) && value.length <= MAX_INDEXED_VALUE &&
      this.#maxBytes > 0;
    if (indexed) this.#integer(0x40, 6, index);
    else this.#integer(never ? 0x10 : 0, 4, index);
    if (index === 0) this.#string(name);
    this.#string(value);
    if (indexed) this.#add(key, name.length + value.length + ENTRY_OVERHEAD_BYTES);
  }

  /** The block since {@link begin}; valid until the next one begins. */
  block(): Uint8Array {
    return this.#out.subarray(0, this.#at);
  }

  #add(key: string, bytes: number): void {
    this.#pairs.set(key, ++this.#added);
    this.#entries.push({ key, bytes });
    this.#tableBytes += bytes;
    this.#evict();
  }

  #evict(): void {
    let gone = 0;
    while (this.#tableBytes > this.#maxBytes) {
      const { key, bytes } = this.#entries[gone++];
      this.#tableBytes -= bytes;
      this.#pairs.delete(key);
    }
    if (gone > 0) this.#entries.splice(0, gone);
  }

  #integer(pattern: number, prefixBits: number, value: number): void {
    this.#room(6);
    const mask = (1 << prefixBits) - 1;
    if (value < mask) return void (this.#out[this.#at++] = pattern | value);
    this.#out[this.#at++] = pattern | mask;
    for (value -= mask; value >= 128; value >>>= 7) this.#out[this.#at++] = (value & 0x7f) | 0x80;
    this.#out[this.#at++] = value;
  }

  #string(text: string): void {
    const coded = huffmanLength(text);
    if (coded < text.length) {
      this.#integer(0x80, 7, coded);
      this.#room(coded);
      this.#at = huffmanEncode(text, this.#out, this.#at);
      return;
    }
    this.#integer(0, 7, text.length);
    this.#room(text.length);
    for (let at = 0; at < text.length; at++) this.#out[this.#at++] = text.charCodeAt(at);
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#out.length) return;
    const larger = new Uint8Array(Math.max(2 * this.#out.length, this.#at + bytes));
    larger.set(this.#out.subarray(0, this.#at));
    this.#out = larger;
  }
}
