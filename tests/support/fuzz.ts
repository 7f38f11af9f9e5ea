/** Broken messages by the thousand, against parsers that have to refuse them or to mean what they say. */
import { concat, toHex } from "../../src/bytes/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import { mutate } from "./mutation.ts";

type Bytes = Uint8Array<ArrayBuffer>;
/** Whole numbers below a bound, the same ones in every run. */
type Random = (below: number) => number;

/** One parser. */
export interface FuzzTarget {
  readonly name: string;
  /** Good messages to break. */
  readonly seeds: readonly Bytes[];
  /** How often beside others; 1 unless given. What is slow has less. */
  readonly weight?: number;
  /**
   * Reads one broken message. Throws a `PosternError` to refuse it; any other error, and a failed assertion about what it
   * took, is a find.
   * @param seed the good message
   */
  read(message: Bytes, seed: Bytes): void;
}

/** What became of a target's messages. */
export interface FuzzTally {
  mutations: number;
  accepted: number;
  /** Refusals by code. */
  readonly refused: Map<string, number>;
}

/** A message that a parser neither refused nor took rightly. */
export class FuzzFind extends Error {
  constructor(target: string, message: Bytes, cause: unknown) {
    super(`${target} fails on ${toHex(message)}`, { cause });
    this.name = "FuzzFind";
  }
}

/**
 * Breaks messages of all targets in turn, by weight. Throws {@link FuzzFind} at the first find.
 * @param onMutation told how many were done, after each one
 */
export function fuzz(
  targets: readonly FuzzTarget[],
  mutations: number,
  random: Random,
  onMutation: (done: number) => void = () => {},
): ReadonlyMap<string, FuzzTally> {
  const tallies = new Map<string, FuzzTally>();
  const turns = targets.flatMap((target) => Array.from({ length: target.weight ?? 1 }, () => target));
  for (let done = 0; done < mutations; done++) {
    const target = turns[done % turns.length];
    const tally = tallies.get(target.name) ??
      { mutations: 0, accepted: 0, refused: new Map<string, number>() };
    tallies.set(target.name, tally);
    const seed = target.seeds[random(target.seeds.length)];
    const message = broken(seed, target.seeds, random);
    tally.mutations++;
    try {
      target.read(message, seed);
      tally.accepted++;
    } catch (error) {
      if (!(error instanceof PosternError)) throw new FuzzFind(target.name, message, error);
      tally.refused.set(error.code, (tally.refused.get(error.code) ?? 0) + 1);
    }
    onMutation(done + 1);
  }
  return tallies;
}

/** Numbers that lengths, counts and identifiers are wrong with most often. */
const EDGES = [
  0,
  1,
  2,
  0x7f,
  0x80,
  0xff,
  0x100,
  0x7fff,
  0x8000,
  0xffff,
  0x10000,
  0x7fff_ffff,
  0x8000_0000,
  0xffff_ffff,
];

/** One broken variant of a good message; now and then it is the message itself. */
export function broken(seed: Bytes, seeds: readonly Bytes[], random: Random): Bytes {
  switch (random(6)) {
    case 0: {
      // One bit.
      const bytes = seed.slice();
      bytes[random(bytes.length)] ^= 1 << random(8);
      return bytes;
    }
    case 1: {
      // A number at its edge, or off by one.
      const bytes = seed.slice();
      const width = [1, 2, 4][random(3)];
      if (bytes.length < width) return bytes;
      const at = random(bytes.length - width + 1);
      const view = new DataView(bytes.buffer);
      const old = width === 1 ? view.getUint8(at) : width === 2 ? view.getUint16(at) : view.getUint32(at);
      const value = random(2) === 0 ? EDGES[random(EDGES.length)] : old + (random(2) === 0 ? 1 : -1);
      for (let i = 0; i < width; i++) bytes[at + i] = value / 2 ** (8 * (width - 1 - i)) & 0xff;
      return bytes;
    }
    case 2: {
      // The head of one message, the tail of another.
      const other = seeds[random(seeds.length)];
      return concat(seed.subarray(0, random(seed.length + 1)), other.subarray(random(other.length + 1)));
    }
    case 3:
      return concat(seed, Uint8Array.from({ length: 1 + random(8) }, () => random(256)));
    default:
      return mutate(seed, random);
  }
}
