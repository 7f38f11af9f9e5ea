import { loadCore } from "../../../wasm/mod.ts";
import { AD_BYTES, type Metric, operationsPerReading, TAG_BYTES } from "../metrics.ts";
import type { Peer, Task } from "./peer.ts";

const core = loadCore();
const key = new Uint8Array(32).fill(7);
const start = core.arena.offset;
/** In front of a payload: the header at its end, so that payloads are aligned. */
const HEADROOM = 64;

/** The core in place, as the channel uses it. */
export const postern: Peer = {
  name: "postern",
  operations: ["seal", "open", "hash"],
  task(metric) {
    if (metric.operation === "hash") return hashTask(metric);
    if (metric.batched) return batchTask(metric);
    return metric.operation === "seal" ? sealTask(metric) : openTask(metric);
  },
};

function sealTask({ bytes }: Metric): Task {
  const sealer = core.importKey(key);
  const at = start + HEADROOM;
  return {
    run(times) {
      for (let i = 0; i < times; i++) core.seal(sealer, at - AD_BYTES, AD_BYTES, at, bytes);
    },
  };
}

/** Sealed without being measured, each record in a place of its own, then opened there. */
function openTask(metric: Metric): Task {
  const { bytes } = metric;
  const sealer = core.importKey(key);
  const opener = core.importKey(key);
  const stride = HEADROOM + Math.ceil((bytes + TAG_BYTES) / 64) * 64;
  const first = start + HEADROOM;
  if (operationsPerReading(metric) * stride > core.arena.bytes) throw new RangeError("arena too small");
  return {
    prepare(times) {
      for (let i = 0, at = first; i < times; i++, at += stride) {
        core.seal(sealer, at - AD_BYTES, AD_BYTES, at, bytes);
      }
    },
    run(times) {
      for (let i = 0, at = first; i < times; i++, at += stride) {
        if (!core.open(opener, at - AD_BYTES, AD_BYTES, at, bytes)) throw new Error("refused");
      }
    },
  };
}

/** All records of a reading in one call. */
function batchTask(metric: Metric): Task {
  const { bytes } = metric;
  const sealer = core.importKey(key);
  const opener = core.importKey(key);
  const most = operationsPerReading(metric);
  const stride = Math.ceil((AD_BYTES + bytes + TAG_BYTES) / 16) * 16;
  const first = start + 16 * most;
  const rows = new Uint32Array(core.memory.buffer, start, 4 * most);
  for (let i = 0; i < most; i++) {
    const ad = first + stride * i;
    rows.set([ad, AD_BYTES, ad + AD_BYTES, bytes], 4 * i);
  }
  if (metric.operation === "seal") return { run: (times) => core.sealMany(sealer, start, times) };
  return {
    prepare: (times) => core.sealMany(sealer, start, times),
    run(times) {
      if (core.openMany(opener, start, times) !== times) throw new Error("refused");
    },
  };
}

function hashTask({ bytes }: Metric): Task {
  return {
    run(times) {
      for (let i = 0; i < times; i++) core.blake3(start, bytes);
    },
  };
}
