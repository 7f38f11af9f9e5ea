/**
 * The Huffman code of HPACK (RFC 7541 5.2 and Appendix B). It is canonical: codes are handed out by length, then by
 * symbol, so that the lengths alone make the table.
 */
import { PosternError } from "../errors/mod.ts";

/** Length of each octet's code, `a` for 5 bits up to `z` for 30. */
const LENGTHS = "isxxxxxxxtzxxzxxxxxxxxzxxxxxxxxx" +
  "bffhibdgffdgdbbbaaabbbbbbbcdkbhf" +
  "ibccccccccccccccccccccccdcdioijb" +
  "kabababbbaccbbbabcbaabccccckgjix" +
  "prpprrrsrssssststtrstssssqrsrsst" +
  "rqprrssqsrrtqrssqqrqsrssprrrsrrs" +
  "vvporsruvvvwwvtuoqvwwvwtqqvvxwww" +
  "ptpqrqqsrruuttvsvwvvwwwwwxwwwwwv";
/** The end of string symbol, whose prefix pads the last octet: thirty ones. */
const EOS = 256;
const MIN_BITS = 5;
const MAX_BITS = 30;

const lengths = new Uint8Array(257);
const codes = new Uint32Array(257);
/** Symbols by length and value; where those of a length begin; the first code of each length; the first beyond. */
const symbols = new Uint16Array(257);
const firstSymbol = new Uint16Array(MAX_BITS + 1);
const firstCode = new Uint32Array(MAX_BITS + 1);
const endCode = new Uint32Array(MAX_BITS + 1);
/** The symbol that eight bits begin with, or -1 where its code is longer. */
const SHORT = new Int16Array(256).fill(-1);
const POWERS = Array.from({ length: 48 }, (_, bits) => 2 ** bits);
makeTables();

/** Decodes `[start, end)` to code units 0-255. Throws `h2_compression` for bad padding or an end of string symbol. */
export function huffmanDecode(buffer: Uint8Array, start: number, end: number): string {
  let text = "";
  let bits = 0; // at most 37 of them: kept as a number, not by shifts
  let count = 0;
  for (let at = start; at < end; at++) {
    bits = bits * 256 + buffer[at];
    count += 8;
    while (count >= MIN_BITS) {
      const symbol = match(bits, count);
      if (symbol < 0) break;
      if (symbol === EOS) throw badString("it holds the end of string symbol");
      const length = lengths[symbol];
      count -= length;
      bits %= POWERS[count];
      text += String.fromCharCode(symbol);
    }
  }
  if (count > 7 || bits !== POWERS[count] - 1) {
    throw badString("its padding is not a prefix of the end of string");
  }
  return text;
}

/** The symbol that the `count` bits begin with, or -1 while it is not whole. */
function match(bits: number, count: number): number {
  const top = count >= 8 ? Math.floor(bits / POWERS[count - 8]) : bits * POWERS[8 - count];
  const short = SHORT[top];
  if (short >= 0) return lengths[short] <= count ? short : -1;
  for (let length = 9; length <= count && length <= MAX_BITS; length++) {
    const code = Math.floor(bits / POWERS[count - length]);
    if (code < endCode[length] && code >= firstCode[length]) {
      return symbols[firstSymbol[length] + code - firstCode[length]];
    }
  }
  return -1;
}

/** Octets that the text takes when it is encoded. */
export function huffmanLength(text: string): number {
  let bits = 0;
  for (let at = 0; at < text.length; at++) bits += lengths[text.charCodeAt(at)];
  return (bits + 7) >> 3;
}

/** Encodes text of code units 0-255 at `at`; returns the offset behind it. */
export function huffmanEncode(text: string, out: Uint8Array, at: number): number {
  let bits = 0;
  let count = 0;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    bits = bits * POWERS[lengths[unit]] + codes[unit];
    count += lengths[unit];
    while (count >= 8) {
      count -= 8;
      const rest = POWERS[count];
      out[at++] = Math.floor(bits / rest);
      bits %= rest;
    }
  }
  if (count > 0) out[at++] = bits * POWERS[8 - count] + POWERS[8 - count] - 1;
  return at;
}

function makeTables(): void {
  for (let octet = 0; octet < 256; octet++) lengths[octet] = LENGTHS.charCodeAt(octet) - 0x61 + MIN_BITS;
  lengths[EOS] = MAX_BITS;
  let code = 0;
  let place = 0;
  for (let length = MIN_BITS; length <= MAX_BITS; length++) {
    firstCode[length] = code;
    firstSymbol[length] = place;
    for (let symbol = 0; symbol <= EOS; symbol++) {
      if (lengths[symbol] !== length) continue;
      if (length <= 8) SHORT.fill(symbol, code << (8 - length), (code + 1) << (8 - length));
      codes[symbol] = code++;
      symbols[place++] = symbol;
    }
    endCode[length] = code;
    code *= 2;
  }
}

function badString(why: string): PosternError {
  return new PosternError("h2_compression", `Cannot read header block: a string is malformed, ${why}`);
}
