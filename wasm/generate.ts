/**
 * Writes `wasm/assembly/kernel.ts`: ChaCha20 over four or eight blocks, Poly1305, and both woven into each other.
 *
 * Woven means statement by statement: the vector statements of the rounds and the scalar statements of the MAC stand in
 * turn, so that the processor's vector and scalar units work side by side. AssemblyScript keeps the order of
 * statements; writing it out by hand would hide the two algorithms in each other.
 */

const DOUBLE_ROUNDS = 10;
/** Source of the kernel. */
export function kernelSource(): string {
  return [
    "// Written by wasm/generate.ts: change that file, then run `deno task build:wasm`.",
    'import { LANES, MAC_H, MAC_R, STATE } from "./memory";',
    'import { by16, by8, rotate12, rotate16, rotate7, rotate8 } from "./rotate";',
    "",
    "/** XORs 256 bytes with the next four blocks of the key stream. */",
    ...chachaFunction({ name: "xor4", groups: 1 }),
    "",
    "/** XORs 512 bytes with the next eight blocks of the key stream. */",
    ...chachaFunction({ name: "xor8", groups: 2 }),
    "",
    "/** As xor4 and, woven into it, Poly1305 over the 256 bytes at `mac`. */",
    ...chachaFunction({ name: "xor4Mac16", groups: 1, macs: 16, perRound: 2 }),
    "",
    "/** As xor8 and, woven into it, Poly1305 over the 448 bytes at `mac`. */",
    ...chachaFunction({ name: "xor8Mac28", groups: 2, macs: 28, perRound: 3 }),
    "",
    "/** As xor8 and, woven into it, Poly1305 over the 512 bytes at `mac`, which are read before `at` is written. */",
    ...chachaFunction({ name: "xor8Mac32", groups: 2, macs: 32, perRound: 3 }),
    "",
    "/** Writes the first half of four blocks, 128 bytes; counters and nonces as in LANES. */",
    ...chachaFunction({ name: "keys4", groups: 1, lanes: true, words: 8 }),
    "",
    "/** Writes eight blocks, 512 bytes; counters and nonces as in LANES. Woven into it: the ten turns at `turn`. */",
    ...chachaFunction({ name: "stream8Turns", groups: 2, lanes: true, words: 16, turns: true }),
    "",
    "/** Poly1305 over whole blocks (RFC 8439 2.5.1; every block has its high bit, as the AEAD pads). */",
    "export function macBlocks(mac: usize, blocks: usize): void {",
    ...indent(macLoad()),
    "  const end = mac + (blocks << 4);",
    "  while (mac < end) {",
    ...indent(indent(macBlock(0))),
    "    mac += 16;",
    "  }",
    ...indent(macStore()),
    "}",
    "",
    "/** The turns from `turn` to `end` by themselves. */",
    "export function macTurns(turn: usize, end: usize): void {",
    "  let d0: u64, d1: u64, d2: u64, d3: u64;",
    "  while (turn < end) {",
    ...indent(indent(macTurn())),
    "    turn += 32;",
    "  }",
    "}",
    "",
  ].join("\n");
}

interface ChachaShape {
  readonly name: string;
  /** Groups of four blocks. */
  readonly groups: 1 | 2;
  /** Blocks of Poly1305 to weave in, and how many of them into every double round of the loop. */
  readonly macs?: number;
  readonly perRound?: number;
  /** Every lane has a counter and a nonce of its own, in LANES; else the lanes are the next blocks of STATE. */
  readonly lanes?: boolean;
  /** Write the first words of each block instead of XORing with all of them. */
  readonly words?: 8 | 16;
  /** Weave a turn of Poly1305 into every double round. */
  readonly turns?: boolean;
}

/**
 * ChaCha20 over groups of four blocks: one variable a state word, one lane a block.
 *
 * When the blocks of Poly1305 run out before the rounds do, the last rounds stand behind the loop; when they do not, the
 * rest goes between the output statements.
 */
function chachaFunction(shape: ChachaShape): string[] {
  const { macs = 0, perRound = 0, turns = false } = shape;
  const names = ["x", "y"].slice(0, shape.groups);
  const looped = macs === 0 ? DOUBLE_ROUNDS : Math.min(DOUBLE_ROUNDS, Math.floor(macs / perRound));
  const left = macs - looped * perRound;
  const lastRounds = sequence(DOUBLE_ROUNDS - looped).flatMap(() => doubleRound(names, true));
  const output = names.flatMap((group, index) => finish(group, index, shape));
  // The last words are fetched before the first output: opening, `mac` is `at`, and the output overwrites them.
  const lastMacs = sequence(left).flatMap((block) => macBlock(block, lastRounds.length === 0));
  const woven = turns ? macTurn() : sequence(perRound).flatMap((block) => macBlock(block));
  const parameters = ["at: usize", ...(macs > 0 ? ["mac: usize"] : []), ...(turns ? ["turn: usize"] : [])];
  return [
    `export function ${shape.name}(${parameters.join(", ")}): void {`,
    ...indent([
      ...chachaStart(names, shape),
      ...(macs > 0 ? macLoad() : []),
      ...(turns ? ["let d0: u64, d1: u64, d2: u64, d3: u64;"] : []),
      `let rounds = ${looped};`,
      "do {",
      ...indent(weave(doubleRound(names, woven.length > 0), woven)),
      ...(macs > 0 ? [`  mac += ${16 * perRound};`] : []),
      ...(turns ? ["  turn += 32;"] : []),
      "} while (--rounds);",
      ...(lastRounds.length > 0
        ? [...weave(lastRounds, lastMacs), ...output]
        : [...sequence(left).flatMap(macFetch), ...weave(output, lastMacs)]),
      ...(shape.lanes ? [] : [`store<u32>(STATE, load<u32>(STATE, 48) + ${4 * shape.groups}, 48);`]),
      ...(macs > 0 ? macStore() : []),
    ]),
    "}",
  ];
}

/** The state words in all lanes, except for those that differ in each: counter, and with `lanes` the nonce. */
function chachaStart(names: string[], { lanes = false }: ChachaShape): string[] {
  return [
    "const i16 = by16();",
    "const i8 = by8();",
    ...(lanes ? [] : [
      "const n0 = i32x4.add(v128.load_splat<u32>(STATE, 48), i32x4(0, 1, 2, 3));",
      ...(names.length > 1 ? ["const n1 = i32x4.add(n0, i32x4.splat(4));"] : []),
    ]),
    ...sequence(16).flatMap((word) =>
      names.map((group, index) => `let ${group}${word} = ${initialWord(word, index, lanes)};`)
    ),
  ];
}

/** A state word of one group before the rounds. */
function initialWord(word: number, index: number, lanes: boolean): string {
  const row = [12, 14, 15].indexOf(word);
  if (lanes && row >= 0) return `v128.load(LANES, ${32 * row + 16 * index})`;
  return word === 12 ? `n${index}` : `v128.load_splat<u32>(STATE, ${4 * word})`;
}

/**
 * RFC 8439 2.3: four column rounds, then four diagonal rounds, for every group.
 *
 * The order is what measured best. One group: four quarter rounds in step hide each other's latencies. Two groups: more
 * than two quarters in step would cost more moves between the processor's few registers and the stack. Alone, the groups
 * take turns at every half, which hides latencies; with a MAC in between there are none to hide, and one group at a time
 * moves least.
 */
function doubleRound(names: string[], woven: boolean): string[] {
  const columns = [[0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15]];
  const diagonals = [[0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14]];
  const together = names.length === 1 ? 4 : 2;
  const half = (group: string, quarters: number[][]) => {
    const named = quarters.map((words) => words.map((word) => `${group}${word}`));
    return sequence(4 / together).flatMap((i) =>
      quarterRounds(named.slice(together * i, together * i + together))
    );
  };
  return woven
    ? names.flatMap((group) => [...half(group, columns), ...half(group, diagonals)])
    : [columns, diagonals].flatMap((quarters) => names.flatMap((group) => half(group, quarters)));
}

/** RFC 8439 2.1, several quarter rounds in step. */
function quarterRounds(quarters: string[][]): string[] {
  const step = (write: (a: string, b: string, c: string, d: string) => string) =>
    quarters.map(([a, b, c, d]) => write(a, b, c, d));
  return [
    ...step((a, b) => `${a} = i32x4.add(${a}, ${b});`),
    ...step((a, _b, _c, d) => `${d} = rotate16(v128.xor(${d}, ${a}), i16);`),
    ...step((_a, _b, c, d) => `${c} = i32x4.add(${c}, ${d});`),
    ...step((_a, b, c) => `${b} = rotate12(v128.xor(${b}, ${c}));`),
    ...step((a, b) => `${a} = i32x4.add(${a}, ${b});`),
    ...step((a, _b, _c, d) => `${d} = rotate8(v128.xor(${d}, ${a}), i8);`),
    ...step((_a, _b, c, d) => `${c} = i32x4.add(${c}, ${d});`),
    ...step((_a, b, c) => `${b} = rotate7(v128.xor(${b}, ${c}));`),
  ];
}

/** Adds the input state, turns lanes into blocks (4 x 4 transposes) and writes or XORs the bytes of one group. */
function finish(group: string, index: number, { words = 16, lanes = false }: ChachaShape): string[] {
  const statements: string[] = [];
  for (let row = 0; row < words; row += 4) {
    const [a, b, c, d] = [0, 1, 2, 3].map((i) => `${group}${row + i}`);
    for (let word = row; word < row + 4; word++) {
      statements.push(`${group}${word} = i32x4.add(${group}${word}, ${initialWord(word, index, lanes)});`);
    }
    const t = (i: number) => `${group}t${row}_${i}`;
    statements.push(
      `const ${t(0)} = v128.shuffle<u32>(${a}, ${b}, 0, 4, 1, 5);`,
      `const ${t(1)} = v128.shuffle<u32>(${a}, ${b}, 2, 6, 3, 7);`,
      `const ${t(2)} = v128.shuffle<u32>(${c}, ${d}, 0, 4, 1, 5);`,
      `const ${t(3)} = v128.shuffle<u32>(${c}, ${d}, 2, 6, 3, 7);`,
    );
    for (let block = 0; block < 4; block++) {
      const [low, high] = block < 2 ? [t(0), t(2)] : [t(1), t(3)];
      const shuffled = `v128.shuffle<u64>(${low}, ${high}, ${block % 2 === 0 ? "0, 2" : "1, 3"})`;
      const offset = 4 * words * (4 * index + block) + 4 * row;
      const bytes = lanes ? shuffled : `v128.xor(v128.load(at, ${offset}), ${shuffled})`;
      statements.push(`v128.store(at, ${bytes}, ${offset});`);
    }
  }
  return statements;
}

/** r and 5/4 r as 64-bit words, and the accumulator. */
function macLoad(): string[] {
  return [
    ...sequence(4).map((i) => `const r${i} = <u64> load<u32>(MAC_R, ${4 * i});`),
    ...macTimes(),
    ...sequence(4).map((i) => `let h${i} = load<u64>(MAC_H, ${8 * i});`),
    "let d0: u64, d1: u64, d2: u64, d3: u64;",
  ];
}

function macStore(): string[] {
  return sequence(4).map((i) => `store<u64>(MAC_H, h${i}, ${8 * i});`);
}

function macFetch(block: number): string[] {
  return sequence(2).map((i) => `const m${block}_${i} = load<u64>(mac, ${16 * block + 8 * i});`);
}

/**
 * One block: h = (h + m) r mod 2^130 - 5, in sixteen multiplications.
 *
 * The limbs stand for 2^0, 2^32, 2^64 and 2^96; the last keeps the bits up to 130. Counted in 2^32, before the products
 * h0 < 3.25, h1 and h2 < 2, h3 < 6; r < 2^28 (clamped) and s = 5/4 r. So the largest sum is
 * d0 < (3.25 + 2.5 + 2.5 + 7.5) 2^60 = 15.75 * 2^60, and nothing overflows 64 bits.
 * The limbs enter the products in the order in which they come out of the carries before: h3 late, h0 last.
 */
function macBlock(block: number, fetched = false, pad = "1 << 32"): string[] {
  return [
    ...(fetched ? [] : macFetch(block)),
    `h1 += m${block}_0 >> 32;`,
    `h2 += <u64> <u32> m${block}_1;`,
    `h3 += (m${block}_1 >> 32) + (${pad});`,
    `h0 += <u64> <u32> m${block}_0;`,
    "d0 = h1 * s3;",
    "d1 = h1 * r0;",
    "d2 = h1 * r1;",
    "d3 = h1 * r2;",
    "d0 += h2 * s2;",
    "d1 += h2 * s3;",
    "d2 += h2 * r0;",
    "d3 += h2 * r1;",
    "d0 += h3 * s1;",
    "d1 += h3 * s2;",
    "d2 += h3 * s3;",
    "d3 += h3 * r0;",
    "d0 += h0 * r0;",
    "d1 += h0 * r1;",
    "d2 += h0 * r2;",
    "d3 += h0 * r3;",
    "d1 += d0 >> 32;",
    "d2 += d1 >> 32;",
    "d3 += d2 >> 32;",
    "h0 = <u64> <u32> d0;",
    "h1 = <u64> <u32> d1;",
    "h2 = <u64> <u32> d2;",
    "h3 = d3 & 0x3ffffffff;",
    "h0 += (d3 >> 34) * 5;",
  ];
}

/**
 * A turn: three blocks of one record. 32 bytes at `turn` say which:
 *
 *   0        4         8             16             24
 *   | record | message | high bit 0  | high bit 1   | unused |
 *
 * A record's first turn may begin with one or two blocks of zeros without a high bit: they leave a zero accumulator zero,
 * so that every record is a whole number of turns. At `record` are h (4 x 8 bytes) and r (4 x 4).
 */
function macTurn(): string[] {
  return [
    "const record = <usize> load<u32>(turn);",
    "const mac = <usize> load<u32>(turn, 4);",
    ...sequence(4).map((i) => `let h${i} = load<u64>(record, ${8 * i});`),
    ...sequence(4).map((i) => `const r${i} = <u64> load<u32>(record, ${32 + 4 * i});`),
    ...macTimes(),
    ...macBlock(0, false, "load<u64>(turn, 8)"),
    ...macBlock(1, false, "load<u64>(turn, 16)"),
    ...macBlock(2),
    ...sequence(4).map((i) => `store<u64>(record, h${i}, ${8 * i});`),
  ];
}

/** 5/4 r: what a limb above 2^130 is worth below. */
function macTimes(): string[] {
  return [1, 2, 3].map((i) => `const s${i} = r${i} + (r${i} >> 2);`);
}

/** Both lists in order, spread evenly over each other. */
function weave(vector: string[], scalar: string[]): string[] {
  const woven: string[] = [];
  let taken = 0;
  vector.forEach((statement, i) => {
    woven.push(statement);
    const due = Math.round(((i + 1) * scalar.length) / vector.length);
    while (taken < due) woven.push(scalar[taken++]);
  });
  return woven;
}

function sequence(length: number): number[] {
  return [...Array(length).keys()];
}

function indent(lines: string[]): string[] {
  return lines.map((line) => `  ${line}`);
}
