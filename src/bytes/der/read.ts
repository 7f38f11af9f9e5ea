/**
 * Reads DER (X.690), refusing what has two encodings: lengths are definite and minimal, integers minimal, and whoever
 * reads an element says at its end that nothing is left. All of it may come from a peer.
 */

/** The bytes are no DER, or not what is expected at their place. */
export class DerError extends Error {
  constructor(what: string) {
    super(`Cannot read DER: ${what}`);
    this.name = "DerError";
  }
}

/** One element. The bytes are views. */
export interface DerElement {
  /** First octet: class, form and number. */
  readonly tag: number;
  readonly content: Uint8Array;
  /** Tag and length included. */
  readonly whole: Uint8Array;
}

/** Tag octets. */
export const TAG = Object.freeze({
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  teletexString: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
});

/** Octets of a length after the first one: 16 MiB, far above every limit on what is read. */
const maxLengthOctets = 3;
/** RFC 5280 has no identifier near it; one that goes on costs no more than this. */
const maxIdentifierOctets = 64;

/** Elements one after the other. Every method throws {@link DerError}. */
export class DerReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isEmpty(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** What has not been read. */
  get rest(): Uint8Array {
    return this.#bytes.subarray(this.#at);
  }

  /** The next element, which has to have this tag when one is given. */
  read(tag?: number): DerElement {
    const bytes = this.#bytes;
    const start = this.#at;
    if (start + 2 > bytes.length) throw new DerError("it ends within an element");
    const found = bytes[start];
    if ((found & 0x1f) === 0x1f) throw new DerError("a tag has more than one octet");
    if (tag !== undefined && found !== tag) throw new DerError("an element has another type");
    let at = start + 2;
    let length = bytes[start + 1];
    if (length >= 0x80) {
      const octets = length & 0x7f;
      if (octets === 0 || octets > maxLengthOctets) throw new DerError("a length is indefinite or too long");
      if (at + octets > bytes.length) throw new DerError("it ends within a length");
      length = 0;
      for (let left = octets; left > 0; left--) length = length * 256 + bytes[at++];
      if (length < 0x80 || length < 256 ** (octets - 1)) throw new DerError("a length is not minimal");
    }
    if (length > bytes.length - at) throw new DerError("an element is longer than what holds it");
    this.#at = at + length;
    return { tag: found, content: bytes.subarray(at, this.#at), whole: bytes.subarray(start, this.#at) };
  }

  /** The next element if it has this tag. */
  readOptional(tag: number): DerElement | undefined {
    return this.#bytes[this.#at] === tag ? this.read(tag) : undefined;
  }

  /** A reader of what a constructed element holds. */
  enter(tag: number = TAG.sequence): DerReader {
    return new DerReader(this.read(tag).content);
  }

  /** The next element's elements, one reader for all of them. */
  enterOptional(tag: number): DerReader | undefined {
    const found = this.readOptional(tag);
    return found === undefined ? undefined : new DerReader(found.content);
  }

  /** Nothing may follow. */
  end(): void {
    if (!this.isEmpty) throw new DerError("something follows where it has to end");
  }

  boolean(): boolean {
    return toBoolean(this.read(TAG.boolean));
  }

  /** Big-endian two's complement, minimal. */
  integer(): Uint8Array {
    return toInteger(this.read(TAG.integer));
  }

  /** Integer from 0 to 2^31 - 1. */
  smallInteger(): number {
    const octets = this.integer();
    if (octets[0] >= 0x80 || octets.length > 4) throw new DerError("an integer is out of range");
    return octets.reduce((sum, octet) => sum * 256 + octet, 0);
  }

  /** Dotted decimal. */
  objectIdentifier(): string {
    return toDotted(this.read(TAG.objectIdentifier).content);
  }

  /** A bit string of whole octets. */
  octetsOfBits(): Uint8Array {
    const { content } = this.read(TAG.bitString);
    if (content.length === 0 || content[0] !== 0) throw new DerError("a bit string has no whole octets");
    return content.subarray(1);
  }

  /** Named bits (X.690 11.2.2): number 0 is the first one. */
  namedBits(): ReadonlySet<number> {
    const { content } = this.read(TAG.bitString);
    const unused = content[0];
    if (content.length === 0 || unused > 7 || (content.length === 1 && unused > 0)) {
      throw new DerError("a bit string has no bits");
    }
    const bits = new Set<number>();
    for (let bit = 0; bit < (content.length - 1) * 8 - unused; bit++) {
      if ((content[1 + (bit >> 3)] & 0x80 >> (bit & 7)) !== 0) bits.add(bit);
    }
    return bits;
  }

  /** UTCTime or GeneralizedTime in the form of RFC 5280 4.1.2.5, as Unix milliseconds. */
  time(): number {
    const { tag, content } = this.read();
    if (tag !== TAG.utcTime && tag !== TAG.generalizedTime) throw new DerError("a time has another type");
    const digits = tag === TAG.utcTime ? 12 : 14;
    const text = String.fromCharCode(...content.subarray(0, 16));
    if (content.length !== digits + 1 || !/^[0-9]+Z$/.test(text)) throw new DerError("a time is malformed");
    // RFC 5280 4.1.2.5.1: years of two digits are 1950 to 2049.
    const full = tag === TAG.utcTime ? `${text < "50" ? "20" : "19"}${text}` : text;
    const [, year, month, day, hour, minute, second] = /^(....)(..)(..)(..)(..)(..)/.exec(full)!;
    const written = `${year}-${month}-${day}T${hour}:${minute}:${second}.000Z`;
    const ms = Date.parse(written);
    if (Number.isNaN(ms) || new Date(ms).toISOString() !== written) {
      throw new DerError("a time does not exist");
    }
    return ms;
  }
}

/** DER has one value for true. A false that is written out is none by the letter, and harmless: it is common. */
export function toBoolean({ content }: DerElement): boolean {
  if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff)) {
    throw new DerError("a boolean is malformed");
  }
  return content[0] === 0xff;
}

function toInteger({ content }: DerElement): Uint8Array {
  if (content.length === 0) throw new DerError("an integer is empty");
  const negative = content[0] >= 0x80;
  if (content.length > 1 && content[0] === (negative ? 0xff : 0) && content[1] >= 0x80 === negative) {
    throw new DerError("an integer is not minimal");
  }
  return content;
}

function toDotted(content: Uint8Array): string {
  if (content.length === 0 || content.length > maxIdentifierOctets || content.at(-1)! >= 0x80) {
    throw new DerError("an object identifier is malformed");
  }
  const arcs: bigint[] = [];
  let arc = 0n;
  let starts = true;
  for (const octet of content) {
    if (starts && octet === 0x80) throw new DerError("an object identifier is not minimal");
    arc = arc << 7n | BigInt(octet & 0x7f);
    starts = octet < 0x80;
    if (!starts) continue;
    if (arcs.length === 0) {
      const first = arc < 40n ? 0n : arc < 80n ? 1n : 2n;
      arcs.push(first, arc - first * 40n);
    } else arcs.push(arc);
    arc = 0n;
  }
  return arcs.join(".");
}
