/** Header blocks as a peer compressed them (RFC 7541). One decoder for a connection: blocks share its dynamic table. */
import { PosternError } from "../errors/mod.ts";
import { latin1 } from "../http1/mod.ts";
import { huffmanDecode } from "./huffman.ts";
import { STATIC_TABLE } from "./static_table.ts";

/** Octets that an entry costs besides its text (4.1). */
export const ENTRY_OVERHEAD_BYTES = 32;
/** Largest dynamic table that the peer may make us keep; the protocol's default, so no setting has to say so. */
const MAX_TABLE_BYTES = 4_096;
/** Longer integers than any that means something here. */
const MAX_INTEGER = 0x0fff_ffff;

/** Takes one field line; names and values are code units 0-255. */
export type FieldSink = (name: string, value: string) => void;

export class HpackDecoder {
  /** The newest entry last. */
  #table: (readonly [name: string, value: string])[] = [];
  #tableBytes = 0;
  #maxBytes = MAX_TABLE_BYTES;
  #buffer: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;

  /** Decodes one whole block. Throws `h2_compression`: the table is lost then, and the connection with it. */
  decode(buffer: Uint8Array, start: number, end: number, field: FieldSink): void {
    this.#buffer = buffer;
    this.#at = start;
    this.#end = end;
    let first = true;
    while (this.#at < end) {
      const octet = buffer[this.#at];
      if ((octet & 0x80) !== 0) {
        const [name, value] = this.#entry(this.#integer(7));
        field(name, value);
      } else if ((octet & 0xe0) === 0x20) {
        if (!first) throw bad("a change of the table's size comes behind a field");
        this.#resize(this.#integer(5));
        continue;
      } else {
        const indexed = (octet & 0xc0) === 0x40;
        const index = this.#integer(indexed ? 6 : 4);
        const name = index === 0 ? this.#string() : this.#entry(index)[0];
        const value = this.#string();
        if (indexed) this.#add(name, value);
        field(name, value);
      }
      first = false;
    }
    this.#buffer = NOTHING;
  }

  #entry(index: number): readonly [string, string] {
    if (index >= 1 && index <= STATIC_TABLE.length) return STATIC_TABLE[index - 1];
    const at = this.#table.length - (index - STATIC_TABLE.length);
    if (index === 0 || at < 0) throw bad("an index is of no entry");
    return this.#table[at];
  }

  /** 5.1. */
  #integer(prefixBits: number): number {
    const mask = (1 << prefixBits) - 1;
    let value = this.#octet() & mask;
    if (value < mask) return value;
    for (let shift = 1;; shift *= 128) {
      const octet = this.#octet();
      value += (octet & 0x7f) * shift;
      if (value > MAX_INTEGER || shift > MAX_INTEGER) throw bad("an integer is too large");
      if ((octet & 0x80) === 0) return value;
    }
  }

  /** 5.2. */
  #string(): string {
    const coded = (this.#buffer[this.#at] & 0x80) !== 0;
    const length = this.#integer(7);
    const start = this.#at;
    if (length > this.#end - start) throw bad("a string goes on behind its end");
    this.#at = start + length;
    return coded ? huffmanDecode(this.#buffer, start, this.#at) : latin1(this.#buffer, start, this.#at);
  }

  #octet(): number {
    if (this.#at >= this.#end) throw bad("it ends within a field");
    return this.#buffer[this.#at++];
  }

  #add(name: string, value: string): void {
    this.#tableBytes += name.length + value.length + ENTRY_OVERHEAD_BYTES;
    this.#table.push([name, value]);
    this.#evict();
  }

  #resize(bytes: number): void {
    if (bytes > MAX_TABLE_BYTES) throw bad("the table is made larger than was allowed");
    this.#maxBytes = bytes;
    this.#evict();
  }

  #evict(): void {
    let gone = 0;
    while (this.#tableBytes > this.#maxBytes) {
      const [name, value] = this.#table[gone++];
      this.#tableBytes -= name.length + value.length + ENTRY_OVERHEAD_BYTES;
    }
    if (gone > 0) this.#table.splice(0, gone);
  }
}

const NOTHING = new Uint8Array(0);

function bad(why: string): PosternError {
  return new PosternError("h2_compression", `Cannot read header block: ${why}`);
}
