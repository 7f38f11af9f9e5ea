/**
 * `deno run bench/aead/timing.ts [--seconds N]`: whether time tells a secret, in the manner of dudect (Reparaz, Balasch,
 * Verbauwhede 2017). Two classes of input are measured in random order; Welch's t-test asks whether their means differ,
 * also with the slowest measurements cut off at several percentiles. A report, no gate: |t| above 4.5 is a difference
 * that should be looked at, and below it nothing was found, which proves nothing.
 */
import { print, printError } from "../../tools/print.ts";
import { loadCore } from "../../wasm/mod.ts";

/** Percentiles above which measurements are cut off: interrupts hit both classes and hide what is small. */
const CROPS = [1, 0.99, 0.9, 0.75, 0.5];
/** Calls under one reading of the clock. */
const REPEAT = 8;
const SUSPICIOUS = 4.5;
const AD_BYTES = 4;

interface Experiment {
  readonly name: string;
  /** Whether the classes may differ: the verdict is public. */
  readonly mayDiffer: boolean;
  /** Untimed: makes ready what the class measures. */
  prepare(second: boolean): void;
  run(): void;
}

const seconds = secondsOf(Deno.args);
if (seconds === undefined) {
  printError(
    "Usage: deno run bench/aead/timing.ts [--seconds N]   (N from 1 to 600, for each experiment; 5)",
  );
  Deno.exit(2);
}
for (
  const experiment of [
    ...[64, 1024].flatMap((bytes) => [tagPlaces(bytes), tagHolds(bytes)]),
    plaintexts(1024),
    keys(1024),
  ]
) {
  const { t, crop, count } = measure(experiment, seconds * 1000);
  const verdict = Math.abs(t) < SUSPICIOUS
    ? "no difference found"
    : experiment.mayDiffer
    ? "differs, as it may"
    : "DIFFERS: look at it";
  print(
    `${experiment.name}: |t| = ${Math.abs(t).toFixed(2)} (crop ${crop}, ${count} measurements): ${verdict}`,
  );
}

/** The first byte of a wrong tag is wrong, or only its last: a comparison that stops early would tell them apart. */
function tagPlaces(bytes: number): Experiment {
  const opening = openings(bytes);
  return {
    name: `open ${bytes} B, wrong tag: in its first byte or in its last`,
    mayDiffer: false,
    prepare: (second) => opening.prepare(second ? 15 : 0),
    run: opening.run,
  };
}

/** A refused payload is wiped: that costs time, and everybody may know. */
function tagHolds(bytes: number): Experiment {
  const opening = openings(bytes);
  return {
    name: `open ${bytes} B, tag that holds or that does not`,
    mayDiffer: true,
    prepare: (second) => opening.prepare(second ? 0 : undefined),
    run: opening.run,
  };
}

/** Records of which one byte of the tag is wrong, or none. */
function openings(bytes: number) {
  const core = loadCore();
  const key = crypto.getRandomValues(new Uint8Array(32));
  const sealer = core.importKey(key);
  const opener = core.importKey(key);
  const stride = Math.ceil((64 + bytes + 16) / 64) * 64;
  const first = core.arena.offset + 64;
  return {
    prepare(wrongAt: number | undefined) {
      for (let i = 0, at = first; i < REPEAT; i++, at += stride) {
        core.seal(sealer, at - AD_BYTES, AD_BYTES, at, bytes);
        // The same store in every class.
        core.memory[at + bytes + (wrongAt ?? 0)] ^= wrongAt === undefined ? 0 : 1;
      }
    },
    run() {
      for (let i = 0, at = first; i < REPEAT; i++, at += stride) {
        core.open(opener, at - AD_BYTES, AD_BYTES, at, bytes);
      }
    },
  };
}

/** All zeros, or random bytes. */
function plaintexts(bytes: number): Experiment {
  const core = loadCore();
  const handle = core.importKey(crypto.getRandomValues(new Uint8Array(32)));
  const at = core.arena.offset + 64;
  return {
    name: `seal ${bytes} B, payload of zeros or random`,
    mayDiffer: false,
    prepare(second) {
      crypto.getRandomValues(core.memory.subarray(at, at + bytes) as Uint8Array<ArrayBuffer>);
      for (let i = 0; i < bytes; i++) core.memory[at + i] &= second ? 0xff : 0;
    },
    run() {
      for (let i = 0; i < REPEAT; i++) core.seal(handle, at - AD_BYTES, AD_BYTES, at, bytes);
    },
  };
}

/** A key of zeros, or random keys. */
function keys(bytes: number): Experiment {
  const core = loadCore();
  const at = core.arena.offset + 64;
  const key = new Uint8Array(32);
  let handle: number | undefined;
  return {
    name: `seal ${bytes} B, key of zeros or random`,
    mayDiffer: false,
    prepare(second) {
      crypto.getRandomValues(key);
      for (let i = 0; i < 32; i++) key[i] &= second ? 0xff : 0;
      if (handle !== undefined) core.wipeKey(handle);
      handle = core.importKey(key);
    },
    run() {
      for (let i = 0; i < REPEAT; i++) core.seal(handle!, at - AD_BYTES, AD_BYTES, at, bytes);
    },
  };
}

function measure(experiment: Experiment, ms: number): { t: number; crop: number; count: number } {
  const times: [number[], number[]] = [[], []];
  const choices = new Uint8Array(4096);
  // Until compilers have done their work.
  for (let i = 0; i < 5000; i++) {
    experiment.prepare(i % 2 === 1);
    experiment.run();
  }
  for (const end = performance.now() + ms; performance.now() < end;) {
    crypto.getRandomValues(choices);
    for (const choice of choices) {
      const second = choice & 1;
      experiment.prepare(second === 1);
      const before = performance.now();
      experiment.run();
      times[second].push(performance.now() - before);
    }
  }
  const sorted = Float64Array.from(times.flat()).sort();
  const results = CROPS.map((crop) => {
    const limit = sorted[Math.ceil(crop * sorted.length) - 1];
    return {
      crop,
      t: welch(...times.map((values) => values.filter((value) => value <= limit)) as [number[], number[]]),
    };
  });
  const worst = results.reduce((a, b) => Math.abs(b.t) > Math.abs(a.t) ? b : a);
  return { ...worst, count: sorted.length };
}

/** Welch's t of two samples. */
function welch(a: readonly number[], b: readonly number[]): number {
  const [first, second] = [a, b].map((values) => {
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
    return { mean, error: variance / values.length };
  });
  return (first.mean - second.mean) / Math.sqrt(first.error + second.error);
}

function secondsOf(args: readonly string[]): number | undefined {
  if (args.length === 0) return 5;
  const value = args.length === 2 && args[0] === "--seconds" ? Number(args[1]) : NaN;
  return Number.isInteger(value) && value >= 1 && value <= 600 ? value : undefined;
}
