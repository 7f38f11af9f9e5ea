import assert from "node:assert/strict";
import fc from "fast-check";
import {
  CHANNEL_LIMITS,
  RecordKey,
  RecordOpener,
  RecordSealer,
  REKEY_LIMITS,
} from "../../src/channel/mod.ts";
import { type ErrorCode, PosternError } from "../../src/errors/mod.ts";
import type { SealingCore } from "../../src/ports/mod.ts";
import { readRecordEpoch, RECORD_HEADER_BYTES, RECORD_TAG_BYTES } from "../../src/wire/mod.ts";
import { loadCore } from "../../wasm/mod.ts";
import { referenceCore } from "../reference/sealing_core.ts";
import { ChannelPair } from "../support/channel_pair.ts";
import { pattern, StreamUser } from "../support/mux_pair.ts";

const code = (expected: ErrorCode) => (error: unknown) =>
  error instanceof PosternError && error.code === expected;

/** An established pair whose agent has `count` records on the way to the edge. */
function withRecords(count: number): ChannelPair {
  const pair = new ChannelPair().establish();
  const user = pair.agent.open();
  pair.settle();
  for (let i = 0; i < count; i++) {
    user.stream.offer(pattern(100, i * 100));
    pair.send(pair.agent);
  }
  assert.equal(pair.edge.inbox.length, count);
  return pair;
}

const manglings: [string, (inbox: Uint8Array[]) => void, ErrorCode][] = [
  ["drops one", (inbox) => inbox.splice(1, 1), "record_tag_mismatch"],
  ["repeats one", (inbox) => inbox.splice(1, 0, inbox[0]), "record_tag_mismatch"],
  ["swaps two", (inbox) => inbox.unshift(inbox.splice(1, 1)[0]), "record_tag_mismatch"],
  [
    "cuts one short",
    (inbox) => inbox[1] = inbox[1].slice(0, -1),
    "record_tag_mismatch",
  ],
  ["cuts one to its header", (inbox) => inbox[1] = inbox[1].slice(0, 10), "record_truncated"],
  ["makes one of no kind", (inbox) => inbox[1] = inbox[1].with(0, 7), "record_unknown_kind"],
  ["makes one too large", (inbox) => inbox[1] = new Uint8Array(65_536).fill(2, 0, 1), "record_too_large"],
  ["jumps over an epoch", (inbox) => inbox[1] = inbox[1].with(3, 2), "record_bad_epoch"],
  ["announces an epoch that is not", (inbox) => inbox[1] = inbox[1].with(3, 1), "record_tag_mismatch"],
];
for (const [what, mangle, expected] of manglings) {
  Deno.test(`Channel: a path that ${what} ends it with ${expected} on both sides`, () => {
    const pair = withRecords(3);
    mangle(pair.edge.inbox);
    pair.settle();
    assert.equal(pair.edge.channel.reason, expected);
    assert.equal(pair.agent.channel.reason, expected, "the agent is told");
    assert.ok(pair.edge.accepted[0].receivedBytes <= 200);
    assert.equal(pair.edge.accepted[0].reset, "channel_lost");
    pair.assertEnded();
  });
}

Deno.test("Channel: any flipped bit of a record ends it before a byte of the record is used", () => {
  fc.assert(
    fc.property(fc.nat(), fc.nat(7), (where, bit) => {
      const pair = withRecords(1);
      const record = pair.edge.inbox[0];
      const at = where % record.length;
      pair.edge.inbox[0] = record.with(at, record[at] ^ (1 << bit));
      pair.settle();
      assert.match(
        pair.edge.channel.reason!,
        /^record_(tag_mismatch|bad_epoch|unknown_kind|unexpected)$/,
      );
      assert.equal(pair.edge.accepted[0].receivedBytes, 0);
    }),
    { numRuns: 60 },
  );
});

/** Sends `count` records each way, a moment between two. */
function chat(pair: ChannelPair, count: number, everyMs = 0): StreamUser {
  const user = pair.agent.open();
  pair.settle();
  const peer = pair.edge.accepted.at(-1)!;
  for (let i = 0; i < count; i++) {
    user.stream.offer(pattern(1_000, i * 1_000));
    peer.stream.offer(pattern(1_000, i * 1_000));
    pair.settle();
    pair.now += everyMs;
  }
  return peer;
}

for (
  const [what, rekey, everyMs] of [
    ["records", { ...REKEY_LIMITS, records: 5 }, 0],
    ["bytes", { ...REKEY_LIMITS, bytes: 5_000 }, 0],
    ["time", { ...REKEY_LIMITS, ms: 400 }, 100],
  ] as const
) {
  Deno.test(`Channel changes both keys after so many ${what} and loses nothing`, () => {
    const pair = new ChannelPair({ limits: { rekey } }).establish();
    let highest = 0;
    pair.link = (record) => {
      highest = Math.max(highest, readRecordEpoch(record, 0));
      return [record];
    };
    const peer = chat(pair, 60, everyMs);
    assert.deepEqual(peer.bytes, pattern(60_000));
    assert.ok(highest >= 9, `epoch ${highest}`);
    assert.ok(pair.agent.rekeys >= 9 && pair.edge.rekeys >= 9);
  });

  Deno.test(`Channel ends a peer that does not change its key by ${what} with record_rekey_overdue`, () => {
    const pair = new ChannelPair({ edgeLimits: { rekey } }).establish();
    chat(pair, 60, everyMs);
    assert.equal(pair.edge.channel.reason, "record_rekey_overdue");
    assert.equal(pair.agent.channel.reason, "record_rekey_overdue");
  });
}

for (const [name, make] of [["reference", referenceCore], ["WASM", loadCore]] as const) {
  Deno.test(`RecordSealer and RecordOpener: records of any size pass in order over the ${name} core`, () => {
    const core: SealingCore = make();
    const key = pattern(32);
    const limits = { ...REKEY_LIMITS, records: 3 };
    const sealer = new RecordSealer(core, key, limits, 0);
    const opener = new RecordOpener(core, key, limits, 0);
    const start = core.arena.offset + 64;
    for (const bytes of [0, 1, 15, 16, 17, 1_000, 65_515, 7, 7, 7]) {
      core.memory.set(pattern(bytes), start + RECORD_HEADER_BYTES);
      const end = sealer.seal(start, start + RECORD_HEADER_BYTES + bytes, 0);
      assert.equal(end - start, RECORD_HEADER_BYTES + bytes + RECORD_TAG_BYTES);
      assert.equal(opener.open(start, end, 0), end - RECORD_TAG_BYTES);
      assert.deepEqual(
        core.memory.slice(start + RECORD_HEADER_BYTES, end - RECORD_TAG_BYTES),
        pattern(bytes),
      );
    }
    assert.equal(sealer.epoch, 3);
    sealer.wipe();
    assert.throws(() => sealer.seal(start, start + 10, 0), code("key_handle_stale"));
    opener.wipe();
  });
}

Deno.test("RecordKey.advance() ends with record_bad_epoch when the epochs are used up", () => {
  const core = { importKey: () => 1, rekey() {}, wipeKey() {} } as unknown as SealingCore;
  const key = new RecordKey(core, new Uint8Array(32), CHANNEL_LIMITS.rekey, 0);
  for (let epoch = 0; epoch < 0xffff; epoch++) key.advance(0);
  assert.throws(() => key.advance(0), code("record_bad_epoch"));
});

Deno.test("Channel frees its key slots at the end", () => {
  const pair = new ChannelPair().establish();
  const { core } = pair.edge;
  const before = core.importKey(new Uint8Array(32));
  core.wipeKey(before);
  pair.edge.channel.close(undefined, pair.now);
  pair.settle();
  pair.assertEnded();
  const slots = new Set([1, 2, 3].map(() => core.importKey(new Uint8Array(32)) % 16_384));
  assert.ok([...slots].every((slot) => slot <= 2), "slots 0 and 1 were the channel's");
});
