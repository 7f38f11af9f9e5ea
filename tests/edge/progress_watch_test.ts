import assert from "node:assert/strict";
import { Deadlines } from "../../src/driver/mod.ts";
import { type Progress, ProgressWatch } from "../../src/edge/progress_watch.ts";
import type { ErrorCode } from "../../src/errors/mod.ts";
import { VirtualClock } from "../support/virtual_clock.ts";

function setup() {
  const clock = new VirtualClock();
  const state: { -readonly [K in keyof Progress]: Progress[K] } = { bytes: 0, queuedBytes: 0, busy: true };
  const stuck: ErrorCode[] = [];
  const watch = new ProgressWatch({
    deadlines: new Deadlines(clock),
    clock,
    limits: { viewerStallMs: 60_000, streamIdleMs: 600_000 },
    progress: () => state,
    onStuck: (code) => void stuck.push(code),
  });
  watch.start();
  return { clock, state, stuck, watch };
}

Deno.test("ProgressWatch gives a viewer up that takes nothing for a whole period, and not a slow one", () => {
  const { clock, state, stuck } = setup();
  state.queuedBytes = 1_000;
  for (let minute = 0; minute < 10; minute++) {
    state.bytes++;
    clock.advance(60_500);
  }
  assert.deepEqual(stuck, []);
  clock.advance(121_000);
  assert.deepEqual(stuck, ["viewer_stalled"]);
});

Deno.test("ProgressWatch lets a request idle with nothing queued up to its limit", () => {
  const { clock, stuck } = setup();
  clock.advance(590_000);
  assert.deepEqual(stuck, []);
  clock.advance(80_000);
  assert.deepEqual(stuck, ["stream_idle"]);
});

Deno.test("ProgressWatch leaves a connection alone that waits for its next request, and one that has ended", () => {
  const { clock, state, stuck, watch } = setup();
  state.busy = false;
  clock.advance(3_600_000);
  assert.deepEqual(stuck, []);
  state.busy = true;
  watch.stop();
  clock.advance(3_600_000);
  assert.deepEqual(stuck, []);
});
