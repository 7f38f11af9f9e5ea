/**
 * Writes `wasm/assembly/blake3_kernel.ts`: the compression function of BLAKE3 (section 2.2 of its paper) for one block
 * in scalar code, and for four or eight chunks at a time, one lane a chunk.
 */

const ROUNDS = 7;
const IV = [
  "0x6a09e667",
  "0xbb67ae85",
  "0x3c6ef372",
  "0xa54ff53a",
  "0x510e527f",
  "0x9b05688c",
  "0x1f83d9ab",
  "0x5be0cd19",
];
/** How the message words are permuted between rounds (table 2). */
const PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];

/** Columns, then diagonals: the words that each G works on. */
const QUARTERS = [
  [[0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15]],
  [[0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14]],
];

/** Source of the kernel. */
export function blake3Source(): string {
  return [
    "// Written by wasm/blake3_generator.ts: change that file, then run `deno task build:wasm`.",
    'import { HASH_BLOCK_BYTES, HASH_COUNTERS, HASH_FLAGS, HASH_MESSAGE, HASH_POINTERS, HASH_VALUES } from "./memory";',
    'import { by16, byRight8, rotate16, rotateRight12, rotateRight7, rotateRight8 } from "./rotate";',
    "",
    "/** Compresses one block into `to`: the eight words of the chaining value (section 2.2). */",
    ...compressOne(),
    "",
    "/** Compresses the next `blocks` blocks of four chunks: lane by lane as in HASH_POINTERS to HASH_FLAGS. */",
    ...compressLanes("compress4", 1),
    "",
    "/** As compress4 with eight chunks. */",
    ...compressLanes("compress8", 2),
    "",
  ].join("\n");
}

/** The message words of each round. */
function schedules(): number[][] {
  const rounds = [sequence(16)];
  while (rounds.length < ROUNDS) rounds.push(PERMUTATION.map((from) => rounds[rounds.length - 1][from]));
  return rounds;
}

function compressOne(): string[] {
  const g = ([a, b, c, d]: string[], x: number, y: number) => [
    `${a} = ${a} + ${b} + load<u32>(block, ${4 * x});`,
    `${d} = rotr<u32>(${d} ^ ${a}, 16);`,
    `${c} += ${d};`,
    `${b} = rotr<u32>(${b} ^ ${c}, 12);`,
    `${a} = ${a} + ${b} + load<u32>(block, ${4 * y});`,
    `${d} = rotr<u32>(${d} ^ ${a}, 8);`,
    `${c} += ${d};`,
    `${b} = rotr<u32>(${b} ^ ${c}, 7);`,
  ];
  const rounds = schedules().flatMap((words) =>
    QUARTERS.flatMap((half, part) =>
      half.flatMap((quarter, i) =>
        g(quarter.map((word) => `v${word}`), words[8 * part + 2 * i], words[8 * part + 2 * i + 1])
      )
    )
  );
  return [
    "export function compress1(value: usize, block: usize, bytes: u32, counter: u64, flags: u32, to: usize): void {",
    ...indent([
      ...sequence(8).map((i) => `let v${i} = load<u32>(value, ${4 * i});`),
      ...sequence(4).map((i) => `let v${8 + i}: u32 = ${IV[i]};`),
      "let v12 = <u32>counter;",
      "let v13 = <u32>(counter >> 32);",
      "let v14 = bytes;",
      "let v15 = flags;",
      ...rounds,
      ...sequence(8).map((i) => `store<u32>(to, v${i} ^ v${i + 8}, ${4 * i});`),
    ]),
    "}",
  ];
}

function compressLanes(name: string, groups: 1 | 2): string[] {
  const names = ["x", "y"].slice(0, groups);
  const message = (word: number, index: number) => `v128.load(HASH_MESSAGE, ${32 * word + 16 * index})`;
  const rounds = schedules().flatMap((words) =>
    names.flatMap((group, index) =>
      QUARTERS.flatMap((half, part) =>
        quarters(
          half.map((quarter) => quarter.map((word) => `${group}${word}`)),
          sequence(4).map((i) => [
            message(words[8 * part + 2 * i], index),
            message(words[8 * part + 2 * i + 1], index),
          ]),
        )
      )
    )
  );
  return [
    `export function ${name}(blocks: u32): void {`,
    ...indent([
      "const i16 = by16();",
      "const i8 = byRight8();",
      "let at: usize = 0;",
      ...sequence(4 * groups).map((lane) =>
        `const p${lane} = <usize> load<u32>(HASH_POINTERS, ${4 * lane});`
      ),
      "do {",
      ...indent([
        ...names.flatMap((_, index) => sequence(4).flatMap((quad) => transposeQuad(index, quad))),
        ...sequence(16).flatMap((word) =>
          names.map((group, index) => `let ${group}${word} = ${initialWord(word, index)};`)
        ),
        ...rounds,
        ...sequence(8).flatMap((word) =>
          names.map((group, index) =>
            `v128.store(HASH_VALUES, v128.xor(${group}${word}, ${group}${word + 8}), ${
              32 * word + 16 * index
            });`
          )
        ),
        "at += 64;",
      ]),
      "} while (--blocks);",
    ]),
    "}",
  ];
}

/** Four message words of four chunks, from one chunk a vector to one word a vector. */
function transposeQuad(index: number, quad: number): string[] {
  const m = (i: number) => `m${index}_${quad}_${i}`;
  const t = (i: number) => `t${index}_${quad}_${i}`;
  return [
    ...sequence(4).map((i) => `const ${m(i)} = v128.load(p${4 * index + i} + at, ${16 * quad});`),
    `const ${t(0)} = v128.shuffle<u32>(${m(0)}, ${m(1)}, 0, 4, 1, 5);`,
    `const ${t(1)} = v128.shuffle<u32>(${m(0)}, ${m(1)}, 2, 6, 3, 7);`,
    `const ${t(2)} = v128.shuffle<u32>(${m(2)}, ${m(3)}, 0, 4, 1, 5);`,
    `const ${t(3)} = v128.shuffle<u32>(${m(2)}, ${m(3)}, 2, 6, 3, 7);`,
    ...sequence(4).map((i) => {
      const [low, high] = i < 2 ? [t(0), t(2)] : [t(1), t(3)];
      const word = `v128.shuffle<u64>(${low}, ${high}, ${i % 2 === 0 ? "0, 2" : "1, 3"})`;
      return `v128.store(HASH_MESSAGE, ${word}, ${32 * (4 * quad + i) + 16 * index});`;
    }),
  ];
}

function initialWord(word: number, index: number): string {
  if (word < 8) return `v128.load(HASH_VALUES, ${32 * word + 16 * index})`;
  if (word < 12) return `i32x4.splat(${IV[word - 8]})`;
  if (word < 14) return `v128.load(HASH_COUNTERS, ${32 * (word - 12) + 16 * index})`;
  return `v128.load(${word === 14 ? "HASH_BLOCK_BYTES" : "HASH_FLAGS"}, ${16 * index})`;
}

/** Four G in step. */
function quarters(words: string[][], messages: string[][]): string[] {
  const step = (write: (quarter: string[], message: string[]) => string) =>
    words.map((quarter, i) => write(quarter, messages[i]));
  return [
    ...step(([a, b], [x]) => `${a} = i32x4.add(i32x4.add(${a}, ${b}), ${x});`),
    ...step(([a, , , d]) => `${d} = rotate16(v128.xor(${d}, ${a}), i16);`),
    ...step(([, , c, d]) => `${c} = i32x4.add(${c}, ${d});`),
    ...step(([, b, c]) => `${b} = rotateRight12(v128.xor(${b}, ${c}));`),
    ...step(([a, b], [, y]) => `${a} = i32x4.add(i32x4.add(${a}, ${b}), ${y});`),
    ...step(([a, , , d]) => `${d} = rotateRight8(v128.xor(${d}, ${a}), i8);`),
    ...step(([, , c, d]) => `${c} = i32x4.add(${c}, ${d});`),
    ...step(([, b, c]) => `${b} = rotateRight7(v128.xor(${b}, ${c}));`),
  ];
}

function sequence(length: number): number[] {
  return [...Array(length).keys()];
}

function indent(lines: string[]): string[] {
  return lines.map((line) => `  ${line}`);
}
