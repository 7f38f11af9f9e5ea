/** Run by allocation_test.ts: prints how many bytes so many records allocate. */
import { getHeapStatistics } from "node:v8";
import { REKEY_LIMITS } from "../../src/channel/record_key.ts";
import { RecordOpener } from "../../src/channel/record_opener.ts";
import { RecordSealer } from "../../src/channel/record_sealer.ts";
import { RECORD_HEADER_BYTES } from "../../src/wire/mod.ts";
import { loadCore } from "../../wasm/mod.ts";

const BYTES = 1024;
const [what, count] = Deno.args;
const records = Number(count);
const core = loadCore();
const { memory, arena } = core;
const key = new Uint8Array(32).fill(7);
const start = arena.offset + 4096;

function direct(): (times: number) => void {
  const sealer = core.importKey(key);
  const opener = core.importKey(key);
  return (times) => {
    for (let i = 0; i < times; i++) {
      core.seal(sealer, start, 4, start + 4, BYTES);
      if (!core.open(opener, start, 4, start + 4, BYTES)) throw new Error("refused");
    }
  };
}

function batches(): (times: number) => void {
  const sealer = core.importKey(key);
  const opener = core.importKey(key);
  const rows = new Uint32Array(memory.buffer, arena.offset, 40);
  for (let i = 0; i < 10; i++) rows.set([start + 100 * i, 4, start + 100 * i + 4, 64], 4 * i);
  return (times) => {
    for (let i = 0; i < times; i += 10) {
      core.sealMany(sealer, arena.offset, 10);
      if (core.openMany(opener, arena.offset, 10) !== 10) throw new Error("refused");
    }
  };
}

/** As a channel does: header, seal, open. */
function channel(): (times: number) => void {
  const limits = { ...REKEY_LIMITS, records: 1e9, ms: 1e9 };
  const sealer = new RecordSealer(core, key, limits, 0);
  const opener = new RecordOpener(core, key, limits, 0);
  return (times) => {
    for (let i = 0; i < times; i++) {
      const end = sealer.seal(start, start + RECORD_HEADER_BYTES + BYTES, 0);
      opener.open(start, end, 0);
    }
  };
}

/** What the others must not do. */
function subarrays(): (times: number) => void {
  let kept: Uint8Array | undefined;
  return (times) => {
    for (let i = 0; i < times; i++) kept = memory.subarray(start, start + (i & 63));
    if (kept === undefined) throw new Error("nothing ran");
  };
}

const run = { core: direct, batch: batches, channel, subarray: subarrays }[what]!();
// Until compilers are done: they allocate too. So does the first look at the heap.
for (let round = 0; round < 20; round++) run(records / 10);
grown(0);
const own = grown(0);
Deno.stdout.writeSync(new TextEncoder().encode(String(grown(records) - own)));

function grown(times: number): number {
  (globalThis as unknown as { gc(): void }).gc();
  const before = getHeapStatistics().used_heap_size;
  run(times);
  return getHeapStatistics().used_heap_size - before;
}
