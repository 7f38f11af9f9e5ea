/**
 * QR codes (ISO/IEC 18004:2015) of bytes, at error correction level M, up to version 15: 412 bytes. The smallest version that
 * holds them is taken, and the mask with the least penalty.
 */
import { PosternError } from "../../errors/mod.ts";

/** By version from 1 on, level M: error correction codewords of a block, and blocks (table 9). */
const eccPerBlock = [10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24];
const blockCounts = [1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10];
/** Light modules around the code (9.1). */
export const quietModules = 4;
/** Level M in the format information (table 12). */
const levelBits = 0;

/** Rows of modules, true where dark. */
export type QrModules = readonly (readonly boolean[])[];

/** Throws `request_invalid` when there are more than 412 bytes. */
export function qrModules(bytes: Uint8Array): QrModules {
  const version = versionFor(bytes.length);
  const canvas = new Canvas(version);
  canvas.drawFunctionPatterns();
  canvas.drawCodewords(withErrorCorrection(dataCodewords(bytes, version), version));
  let best: { readonly mask: number; readonly penalty: number } | undefined;
  for (let mask = 0; mask < 8; mask++) {
    canvas.applyMask(mask);
    canvas.drawFormat(mask);
    const penalty = penaltyOf(canvas.dark);
    if (best === undefined || penalty < best.penalty) best = { mask, penalty };
    canvas.applyMask(mask); // a second time takes it off
  }
  canvas.applyMask(best!.mask);
  canvas.drawFormat(best!.mask);
  return canvas.dark;
}

/** An SVG image, dark on light whatever the page looks like: scanners need that. */
export function qrSvg(bytes: Uint8Array): string {
  const modules = qrModules(bytes);
  const size = modules.length + 2 * quietModules;
  const path = modules.flatMap((row, y) =>
    row.flatMap((isDark, x) => isDark ? [`M${x + quietModules} ${y + quietModules}h1v1h-1z`] : [])
  ).join("");
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size} ${size}" shape-rendering="crispEdges">` +
    `<rect width="${size}" height="${size}" fill="#fff"/><path d="${path}" fill="#000"/></svg>`;
}

function versionFor(bytes: number): number {
  for (let version = 1; version <= blockCounts.length; version++) {
    if (4 + lengthBits(version) + 8 * bytes <= 8 * dataCapacity(version)) return version;
  }
  throw new PosternError("request_invalid", "Cannot draw QR code: its text is too long");
}

/** Of the count of bytes (table 3). */
function lengthBits(version: number): number {
  return version < 10 ? 8 : 16;
}

function eccCodewords(version: number): number {
  return eccPerBlock[version - 1] * blockCounts[version - 1];
}

/** Codewords that hold data. */
function dataCapacity(version: number): number {
  return Math.floor(rawModules(version) / 8) - eccCodewords(version);
}

/** Modules that are no function pattern (table 1). */
function rawModules(version: number): number {
  const alignments = version === 1 ? 0 : Math.floor(version / 7) + 2;
  const aligned = alignments === 0 ? 0 : (25 * alignments - 10) * alignments - 55;
  return (16 * version + 128) * version + 64 - aligned - (version >= 7 ? 36 : 0);
}

/** Mode, count, bytes, terminator and padding (7.4). */
function dataCodewords(bytes: Uint8Array, version: number): number[] {
  const capacity = dataCapacity(version);
  const bits: number[] = [];
  const push = (value: number, count: number) => {
    for (let bit = count - 1; bit >= 0; bit--) bits.push(value >> bit & 1);
  };
  push(0b0100, 4);
  push(bytes.length, lengthBits(version));
  for (const byte of bytes) push(byte, 8);
  push(0, Math.min(4, 8 * capacity - bits.length));
  push(0, (8 - bits.length % 8) % 8);
  const words: number[] = [];
  for (let at = 0; at < bits.length; at += 8) {
    words.push(bits.slice(at, at + 8).reduce((word, bit) => word << 1 | bit, 0));
  }
  for (let pad = 0xec; words.length < capacity; pad ^= 0xec ^ 0x11) words.push(pad);
  return words;
}

/** Blocks with their error correction, interleaved (7.5, 7.6). */
function withErrorCorrection(data: readonly number[], version: number): number[] {
  const [blocks, ecc] = [blockCounts[version - 1], eccPerBlock[version - 1]];
  const shortLength = Math.floor(data.length / blocks);
  const longBlocks = data.length % blocks;
  const divisor = generator(ecc);
  const parts: { data: readonly number[]; ecc: readonly number[] }[] = [];
  for (let block = 0, at = 0; block < blocks; block++) {
    const length = shortLength + (block >= blocks - longBlocks ? 1 : 0);
    const part = data.slice(at, at += length);
    parts.push({ data: part, ecc: remainder(part, divisor) });
  }
  const words: number[] = [];
  for (let at = 0; at <= shortLength; at++) {
    for (const part of parts) if (at < part.data.length) words.push(part.data[at]);
  }
  for (let at = 0; at < ecc; at++) for (const part of parts) words.push(part.ecc[at]);
  return words;
}

/** Product in GF(256) modulo x^8 + x^4 + x^3 + x^2 + 1. */
function multiply(a: number, b: number): number {
  let product = 0;
  for (let bit = 7; bit >= 0; bit--) {
    product = product << 1 ^ (product >> 7) * 0x11d;
    product ^= (b >> bit & 1) * a;
  }
  return product;
}

/** Coefficients of (x - 1)(x - 2)(x - 4)…, without the leading one. */
function generator(degree: number): number[] {
  const result = Array<number>(degree).fill(0);
  result[degree - 1] = 1;
  for (let i = 0, root = 1; i < degree; i++, root = multiply(root, 2)) {
    for (let at = 0; at < degree; at++) {
      result[at] = multiply(result[at], root) ^ (result[at + 1] ?? 0);
    }
  }
  return result;
}

function remainder(data: readonly number[], divisor: readonly number[]): number[] {
  const result = Array<number>(divisor.length).fill(0);
  for (const word of data) {
    const factor = word ^ result.shift()!;
    result.push(0);
    for (const [at, coefficient] of divisor.entries()) result[at] ^= multiply(coefficient, factor);
  }
  return result;
}

class Canvas {
  readonly dark: boolean[][];
  /** Where no data goes. */
  readonly #reserved: boolean[][];
  readonly #version: number;
  readonly #size: number;

  constructor(version: number) {
    this.#version = version;
    this.#size = 17 + 4 * version;
    const empty = () => Array.from({ length: this.#size }, () => Array<boolean>(this.#size).fill(false));
    this.dark = empty();
    this.#reserved = empty();
  }

  drawFunctionPatterns(): void {
    const last = this.#size - 1;
    for (let at = 0; at <= last; at++) {
      this.#set(6, at, at % 2 === 0);
      this.#set(at, 6, at % 2 === 0);
    }
    for (const [x, y] of [[3, 3], [last - 3, 3], [3, last - 3]]) this.#finder(x, y);
    const places = this.#alignments();
    for (const x of places) {
      for (const y of places) {
        const isFinder = (x === 6 && (y === 6 || y === last - 6)) || (y === 6 && x === last - 6);
        if (!isFinder) this.#alignment(x, y);
      }
    }
    this.drawFormat(0);
    this.#drawVersion();
  }

  /** Format information: level and mask, protected by a BCH code (7.9). */
  drawFormat(mask: number): void {
    const data = levelBits << 3 | mask;
    let rest = data;
    for (let i = 0; i < 10; i++) rest = rest << 1 ^ (rest >> 9) * 0x537;
    const bits = (data << 10 | rest) ^ 0x5412;
    const bit = (at: number) => (bits >> at & 1) === 1;
    const last = this.#size - 1;
    for (let at = 0; at <= 5; at++) this.#set(8, at, bit(at));
    this.#set(8, 7, bit(6));
    this.#set(8, 8, bit(7));
    this.#set(7, 8, bit(8));
    for (let at = 9; at < 15; at++) this.#set(14 - at, 8, bit(at));
    for (let at = 0; at < 8; at++) this.#set(last - at, 8, bit(at));
    for (let at = 8; at < 15; at++) this.#set(8, last - 14 + at, bit(at));
    this.#set(8, last - 7, true);
  }

  /** Codewords in columns of two, from the lower right upwards and back (7.7.3). */
  drawCodewords(words: readonly number[]): void {
    let at = 0;
    for (let right = this.#size - 1; right >= 1; right -= 2) {
      if (right === 6) right = 5;
      const isUpward = (right + 1 & 2) === 0;
      for (let step = 0; step < this.#size; step++) {
        const y = isUpward ? this.#size - 1 - step : step;
        for (const x of [right, right - 1]) {
          if (this.#reserved[y][x] || at >= 8 * words.length) continue;
          this.dark[y][x] = (words[at >> 3] >> 7 - (at & 7) & 1) === 1;
          at++;
        }
      }
    }
  }

  /** Turns the modules of a mask over (table 10). */
  applyMask(mask: number): void {
    for (let y = 0; y < this.#size; y++) {
      for (let x = 0; x < this.#size; x++) {
        if (!this.#reserved[y][x] && isMasked(mask, x, y)) this.dark[y][x] = !this.dark[y][x];
      }
    }
  }

  #drawVersion(): void {
    if (this.#version < 7) return;
    let rest = this.#version;
    for (let i = 0; i < 12; i++) rest = rest << 1 ^ (rest >> 11) * 0x1f25;
    const bits = this.#version << 12 | rest;
    for (let at = 0; at < 18; at++) {
      const [long, short] = [this.#size - 11 + at % 3, Math.floor(at / 3)];
      const isDark = (bits >> at & 1) === 1;
      this.#set(long, short, isDark);
      this.#set(short, long, isDark);
    }
  }

  #finder(centerX: number, centerY: number): void {
    for (let dy = -4; dy <= 4; dy++) {
      for (let dx = -4; dx <= 4; dx++) {
        const [x, y] = [centerX + dx, centerY + dy];
        if (x < 0 || y < 0 || x >= this.#size || y >= this.#size) continue;
        const ring = Math.max(Math.abs(dx), Math.abs(dy));
        this.#set(x, y, ring !== 2 && ring !== 4);
      }
    }
  }

  #alignment(centerX: number, centerY: number): void {
    for (let dy = -2; dy <= 2; dy++) {
      for (let dx = -2; dx <= 2; dx++) {
        this.#set(centerX + dx, centerY + dy, Math.max(Math.abs(dx), Math.abs(dy)) !== 1);
      }
    }
  }

  /** Rows and columns of alignment patterns (annex E, for these versions). */
  #alignments(): number[] {
    if (this.#version === 1) return [];
    const count = Math.floor(this.#version / 7) + 2;
    const step = 2 * Math.ceil((4 * this.#version + 4) / (2 * count - 2));
    const places = Array.from({ length: count - 1 }, (_, n) => this.#size - 7 - n * step);
    return [6, ...places.reverse()];
  }

  #set(x: number, y: number, isDark: boolean): void {
    this.dark[y][x] = isDark;
    this.#reserved[y][x] = true;
  }
}

function isMasked(mask: number, x: number, y: number): boolean {
  switch (mask) {
    case 0:
      return (x + y) % 2 === 0;
    case 1:
      return y % 2 === 0;
    case 2:
      return x % 3 === 0;
    case 3:
      return (x + y) % 3 === 0;
    case 4:
      return (Math.floor(x / 3) + Math.floor(y / 2)) % 2 === 0;
    case 5:
      return x * y % 2 + x * y % 3 === 0;
    case 6:
      return (x * y % 2 + x * y % 3) % 2 === 0;
    default:
      return ((x + y) % 2 + x * y % 3) % 2 === 0;
  }
}

/** How hard a code is to read (7.8.3). */
function penaltyOf(dark: QrModules): number {
  const size = dark.length;
  const columns = dark.map((_, x) => dark.map((row) => row[x]));
  let penalty = 0;
  for (const line of [...dark, ...columns]) {
    const text = line.map((isDark) => isDark ? "1" : "0").join("");
    for (const [run] of text.matchAll(/0{5,}|1{5,}/g)) penalty += run.length - 2;
    for (const _ of text.matchAll(/(?=00001011101|10111010000)/g)) penalty += 40;
  }
  let darkCount = 0;
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      if (dark[y][x]) darkCount++;
      if (x === 0 || y === 0) continue;
      const isBlock = dark[y][x] === dark[y - 1][x] && dark[y][x] === dark[y][x - 1] &&
        dark[y][x] === dark[y - 1][x - 1];
      if (isBlock) penalty += 3;
    }
  }
  return penalty + 10 * Math.floor(Math.abs(20 * darkCount - 10 * size * size) / (size * size));
}
