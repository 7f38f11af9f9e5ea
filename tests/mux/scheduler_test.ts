import assert from "node:assert/strict";
import fc from "fast-check";
import { type MuxStream, QUANTUM_BYTES, Scheduler, STRICT_RUN_BYTES } from "../../src/mux/mod.ts";
import { STREAM_CLASSES, streamClass, type StreamClassName } from "../../src/wire/mod.ts";
import { MuxEnd, OPENING, StreamUser } from "../support/mux_pair.ts";

function streamOf(name: StreamClassName): MuxStream {
  return new MuxEnd(true).open(new StreamUser(), { ...OPENING, class: streamClass(name) }).stream;
}

/** Serves streams that always have something to send; returns the bytes of each. */
function serve(
  scheduler: Scheduler,
  streams: MuxStream[],
  totalBytes: number,
  most = QUANTUM_BYTES,
): Map<MuxStream, number> {
  const sent = new Map(streams.map((stream) => [stream, 0]));
  for (const stream of streams) scheduler.add(stream);
  for (let total = 0; total < totalBytes;) {
    const stream = scheduler.take()!;
    const bytes = Math.min(scheduler.allowance(), most);
    scheduler.spent(stream, bytes);
    sent.set(stream, sent.get(stream)! + bytes);
    total += bytes;
    scheduler.add(stream);
  }
  return sent;
}

Deno.test("Scheduler.take() is first come, first served within a class, and empty in the end", () => {
  const scheduler = new Scheduler();
  const streams = Array.from({ length: 3_000 }, () => streamOf("file_transfer"));
  for (const stream of streams) scheduler.add(stream);
  assert.equal(scheduler.waiting, 3_000);
  for (const stream of streams) assert.equal(scheduler.take(), stream);
  assert.deepEqual([scheduler.waiting, scheduler.take()], [0, undefined]);
});

Deno.test("Scheduler shares evenly between streams of one class", () => {
  const streams = Array.from({ length: 7 }, () => streamOf("file_transfer"));
  const sent = [...serve(new Scheduler(), streams, 7 * 40 * QUANTUM_BYTES).values()];
  assert.ok(Math.max(...sent) - Math.min(...sent) <= QUANTUM_BYTES);
});

Deno.test("Scheduler shares between classes in proportion to their weights, whatever a turn carries", () => {
  const weighted = STREAM_CLASSES.filter((row) => !row.strict);
  const total = weighted.reduce((sum, row) => sum + row.weight, 0);
  for (const most of [QUANTUM_BYTES, 5_000, 700]) {
    const streams = weighted.map((row) => streamOf(row.name));
    const bytes = 400 * total * QUANTUM_BYTES / 10;
    const sent = serve(new Scheduler(), streams, bytes, most);
    streams.forEach((stream, i) => {
      const share = sent.get(stream)! / bytes;
      const due = weighted[i].weight / total;
      assert.ok(Math.abs(share - due) < 0.1 * due, `${weighted[i].name}: ${share} of ${due} at ${most}`);
    });
  }
});

Deno.test("Scheduler shares by class, not by how many streams a class has", () => {
  const many = Array.from({ length: 50 }, () => streamOf("file_transfer"));
  const one = streamOf("clipboard");
  const bytes = 2_000 * QUANTUM_BYTES;
  const share = serve(new Scheduler(), [...many, one], bytes).get(one)! / bytes;
  assert.ok(Math.abs(share - 0.5) < 0.03, String(share));
});

Deno.test("Scheduler serves strict classes first, but another one after each STRICT_RUN_BYTES", () => {
  const scheduler = new Scheduler();
  const control = streamOf("fabric_control");
  const bulk = streamOf("update_fetch");
  scheduler.add(bulk);
  scheduler.add(control);
  let run = 0;
  let turnsOfBulk = 0;
  for (let i = 0; i < 200; i++) {
    const stream = scheduler.take()!;
    if (stream === bulk) {
      assert.ok(run >= STRICT_RUN_BYTES && run < STRICT_RUN_BYTES + QUANTUM_BYTES, `after ${run}`);
      run = 0;
      turnsOfBulk++;
    } else run += QUANTUM_BYTES;
    scheduler.spent(stream, QUANTUM_BYTES);
    scheduler.add(stream);
  }
  assert.ok(turnsOfBulk >= 10);
});

Deno.test("Scheduler.allowance() is one quantum while others wait and everything otherwise", () => {
  const scheduler = new Scheduler();
  scheduler.add(streamOf("render"));
  scheduler.add(streamOf("input"));
  scheduler.take();
  assert.equal(scheduler.allowance(), QUANTUM_BYTES);
  scheduler.take();
  assert.ok(scheduler.allowance() > 2 ** 40);
});

Deno.test("Scheduler: a class that sent alone is not made to wait for long by it", () => {
  const scheduler = new Scheduler();
  const bulk = streamOf("update_fetch");
  serve(scheduler, [bulk], 1_000 * QUANTUM_BYTES, 65_507);
  const other = streamOf("route_control");
  scheduler.add(other);
  let turns = 0;
  for (let bytes = 0; bytes < 64 * QUANTUM_BYTES; bytes += QUANTUM_BYTES) {
    const stream = scheduler.take()!;
    if (stream === bulk) turns++;
    scheduler.spent(stream, QUANTUM_BYTES);
    scheduler.add(stream);
  }
  assert.ok(turns >= 3, `${turns} turns beside a class of eight times its weight`);
});

Deno.test("Scheduler loses no stream and gives none twice, for any order of adding and taking", () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.nat(STREAM_CLASSES.length - 1), fc.constant("take" as const)), { maxLength: 200 }),
      fc.nat(40_000),
      (steps, bytes) => {
        const scheduler = new Scheduler();
        const waiting = new Set<MuxStream>();
        const end = new MuxEnd(true);
        for (const step of steps) {
          if (step === "take") {
            const stream = scheduler.take();
            assert.equal(stream === undefined, waiting.size === 0);
            if (stream === undefined) continue;
            assert.ok(waiting.delete(stream));
            scheduler.spent(stream, bytes);
          } else {
            const { stream } = end.open(new StreamUser(), { ...OPENING, class: step });
            scheduler.add(stream);
            waiting.add(stream);
          }
          assert.equal(scheduler.waiting, waiting.size);
        }
      },
    ),
  );
});
