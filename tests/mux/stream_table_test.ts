import assert from "node:assert/strict";
import fc from "fast-check";
import type { MuxStream } from "../../src/mux/mod.ts";
import { StreamTable } from "../../src/mux/stream_table.ts";

Deno.test("StreamTable holds what a Map holds, whatever is put in and taken out", () => {
  // Ids that meet in the first slots, and some of the other side.
  const id = fc.oneof(
    fc.integer({ min: 1, max: 400 }),
    fc.integer({ min: 0, max: 40 }).map((n) => 1 + 128 * n),
    fc.integer({ min: 0x7fff_ff00, max: 0x7fff_ffff }),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 4 }), id), { maxLength: 600 }), (steps) => {
      const table = new StreamTable();
      const model = new Map<number, MuxStream>();
      for (const [step, id] of steps) {
        if (step <= 2) {
          const stream = { id } as MuxStream;
          table.add(stream);
          model.set(id, stream);
        } else assert.equal(table.delete(id), model.delete(id));
        assert.equal(table.get(id), model.get(id));
        assert.equal(table.has(id), model.has(id));
      }
      assert.equal(table.size, model.size);
      for (const [id, stream] of model) assert.equal(table.get(id), stream);
      assert.deepEqual(new Set(table), new Set(model.values()));
      table.clear();
      assert.deepEqual([table.size, [...table]], [0, []]);
    }),
  );
});
