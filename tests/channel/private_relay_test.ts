import { Buffer } from "node:buffer";
import assert from "node:assert/strict";
import fc from "fast-check";
import { concat, utf8 } from "../../src/bytes/mod.ts";
import { CHANNEL_LIMITS, isTerminal, REKEY_LIMITS } from "../../src/channel/mod.ts";
import { MAX_RECORD_BYTES } from "../../src/wire/mod.ts";
import { type PrivateEnd, PrivatePair } from "../support/private_pair.ts";
import { StreamUser } from "../support/mux_pair.ts";

const MARKER = utf8("MARKER-that-only-the-two-endpoints-may-see");

function holds(bytes: Uint8Array, marker: Uint8Array): boolean {
  return Buffer.from(bytes).includes(Buffer.from(marker));
}

Deno.test("private channel: the relay never sees a byte of what is said, nor who says it", async () => {
  const pair = await new PrivatePair().establish();
  const user = pair.client.open();
  user.stream.offer(concat(MARKER, new Uint8Array(100_000), MARKER));
  await pair.settle();
  pair.server.accepted[0].stream.offer(MARKER);
  await pair.settle();
  assert.ok(holds(pair.server.accepted[0].bytes, MARKER) && holds(user.bytes, MARKER));
  const passed = concat(...pair.seen.map(({ record }) => record));
  assert.ok(passed.length > 100_000);
  assert.equal(holds(passed, MARKER), false);
  for (const { keys } of pair.ends) assert.equal(holds(passed, keys.publicKey), false);
});

/** What a hostile relay does once, at the record that `at` counts to. */
const attack = fc.record({
  at: fc.nat(24),
  of: fc.constantFrom("client" as const, "server" as const),
  what: fc.constantFrom(
    "drop" as const,
    "twice" as const,
    "hold" as const,
    "truncate" as const,
    "lengthen" as const,
    "flip" as const,
    "reflect" as const,
    "inject" as const,
    "old" as const,
  ),
  n: fc.nat(),
});
type Attack = Parameters<Parameters<typeof attack.map>[0]>[0];

function hostile(pair: PrivatePair, attacks: readonly Attack[]): { readonly done: Attack[] } {
  const done: Attack[] = [];
  const counts = new Map<PrivateEnd, number>();
  const held = new Map<PrivateEnd, Uint8Array>();
  const old = new Map<PrivateEnd, Uint8Array[]>();
  pair.relay = (record, from, back) => {
    const count = counts.get(from) ?? 0;
    counts.set(from, count + 1);
    const earlier = old.get(from) ?? [];
    old.set(from, [...earlier, record]);
    const one = attacks.find(({ at, of }) => at === count && pair[of] === from);
    const before = held.get(from);
    held.delete(from);
    const behind = before === undefined ? [] : [before];
    if (one === undefined) return [record, ...behind];
    done.push(one);
    switch (one.what) {
      case "drop":
        return behind;
      case "twice":
        return [record, record, ...behind];
      case "hold": // until the next one has passed
        held.set(from, record);
        return behind;
      case "truncate":
        return [record.slice(0, one.n % record.length), ...behind];
      case "lengthen":
        return [
          record.length < MAX_RECORD_BYTES ? concat(record, Uint8Array.of(one.n & 0xff)) : record.slice(1),
          ...behind,
        ];
      case "flip":
        return [
          record.with(one.n % record.length, record[one.n % record.length] ^ (1 << (one.n % 8))),
          ...behind,
        ];
      case "reflect":
        back(record);
        return behind;
      case "inject":
        return [Uint8Array.of(2, 0, 0, 0, ...new Uint8Array(16 + one.n % 64)), record, ...behind];
      case "old":
        return [earlier[one.n % Math.max(1, earlier.length)] ?? new Uint8Array(3), record, ...behind];
      default:
        return one.what satisfies never;
    }
  };
  return { done };
}

/** Numbered chunks: whoever reads them sees whether anything is missing, doubled or out of order. */
function chunk(index: number): Uint8Array {
  const bytes = new Uint8Array(700).fill(index);
  new DataView(bytes.buffer).setUint32(0, index);
  return bytes;
}
const CHUNKS = 20;

Deno.test("private channel: whatever a relay does to records, what arrives is a beginning of what was said, and the end has a reason", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(attack, { minLength: 1, maxLength: 3 }), async (attacks) => {
      const pair = new PrivatePair();
      const { done } = hostile(pair, attacks);
      await pair.start().settle();
      const user = new StreamUser(true);
      let answered = 0;
      if (pair.client.channel.state === "established") {
        pair.client.open(user);
        for (let i = 0; i < CHUNKS && !isTerminal(pair.client.channel.state); i++) {
          user.stream.offer(chunk(i));
          if (pair.server.accepted.length > 0) pair.server.accepted[0].stream.offer(chunk(answered++));
          await pair.settle();
        }
      }
      const whole = concat(...Array.from({ length: CHUNKS }, (_, i) => chunk(i)));
      for (const { bytes } of [user, ...pair.server.accepted]) {
        assert.equal(Buffer.compare(bytes, whole.subarray(0, bytes.length)), 0);
      }
      if (done.length > 0) {
        // Within the time of a step, or of the heartbeat, both know.
        await pair.advance(
          CHANNEL_LIMITS.heartbeat.offlineMs + CHANNEL_LIMITS.stepMs + CHANNEL_LIMITS.heartbeat.intervalMs,
        );
        for (const { channel } of pair.ends) assert.ok(isTerminal(channel.state), channel.state);
        for (const end of pair.ends) {
          assert.ok(end.channel.reason !== undefined, "it ended as if all were well");
        }
        pair.assertEnded();
      }
    }),
    { numRuns: 300 },
  );
});

Deno.test("private channel: what one record of the relay costs is bounded: the first bad one is the last that is looked at", async () => {
  const pair = await new PrivatePair().establish();
  pair.server.receive(Uint8Array.of(2, 0, 0, 0, ...new Uint8Array(40)));
  assert.equal(pair.server.channel.reason, undefined);
  assert.equal(pair.server.error, undefined);
  await pair.settle();
  assert.equal(pair.server.channel.reason, "record_tag_mismatch");
  assert.equal(pair.client.channel.reason, "record_tag_mismatch");
  for (let i = 0; i < 1_000; i++) pair.server.receive(Uint8Array.of(2, 0, 0, 0, ...new Uint8Array(40)));
  pair.assertEnded();
});

Deno.test("private channel: two clients, or two servers, that the relay joins never get anywhere", () => {
  const one = new PrivatePair();
  const two = new PrivatePair();
  for (const pair of [one, two]) pair.start();
  const [first, second] = [one.client.takeRecord()!, two.client.takeRecord()!];
  one.client.receive(second);
  two.client.receive(first);
  for (const { client } of [one, two]) assert.match(client.channel.reason!, /^noise_|^handshake_malformed$/);
  for (const { server } of [one, two]) assert.equal(server.takeRecord(), undefined);
  one.server.receive(Uint8Array.of(1, 0, 0, 0, 1));
  assert.match(one.server.channel.reason!, /^noise_/);
});

Deno.test("private channel: records of another channel with the same grant are of no use: each has keys of its own", async () => {
  const one = await new PrivatePair().establish();
  const two = await new PrivatePair().establish();
  const user = one.client.open();
  user.stream.offer(MARKER);
  two.server.receive(one.client.takeRecord()!);
  await two.settle();
  assert.equal(two.server.channel.reason, "record_tag_mismatch");
});

Deno.test("private channel: the keys change by records, by bytes and by time, and streams go on", async () => {
  for (
    const rekey of [
      { ...REKEY_LIMITS, records: 3 },
      { ...REKEY_LIMITS, bytes: 2_000 },
      { ...REKEY_LIMITS, ms: 15_000 },
    ]
  ) {
    const pair = await new PrivatePair({ both: { limits: { rekey } } }).establish();
    const user = pair.client.open();
    for (let i = 0; i < 10; i++) {
      user.stream.offer(chunk(i));
      await pair.advance(10_000);
    }
    assert.ok(pair.client.rekeys >= 3, String(pair.client.rekeys));
    assert.equal(pair.server.accepted[0].receivedBytes, 7_000);
    const epochs = new Set(pair.seen.filter(({ record }) => record[0] === 2).map(({ record }) => record[3]));
    assert.ok(epochs.size >= 3);
  }
});

Deno.test("private channel: an idle one says something encrypted well within its idle timeout", async () => {
  const pair = await new PrivatePair().establish();
  pair.seen.length = 0;
  const times: number[] = [];
  pair.relay = (record) => {
    times.push(pair.now);
    return [record];
  };
  await pair.advance(180_000);
  for (let i = 1; i < times.length; i++) assert.ok(times[i] - times[i - 1] <= 20_000);
  assert.ok(times.length > 30);
  assert.deepEqual(pair.ends.map(({ channel }) => channel.state), ["established", "established"]);
});

Deno.test("private channel: padding hides lengths: every record has the length of a bucket, and holds zeros beside what was said", async () => {
  const lengths = async (padding: boolean) => {
    const pair = await new PrivatePair({ both: { limits: { padding } } }).establish();
    const user = pair.client.open();
    for (let i = 1; i < 400; i += 13) {
      user.stream.offer(new Uint8Array(i * i));
      await pair.settle();
    }
    assert.equal(pair.server.accepted[0].bytes.every((byte) => byte === 0), true);
    return new Set(pair.seen.filter(({ record }) => record[0] === 2).map(({ record }) => record.length));
  };
  const padded = await lengths(true);
  assert.ok(
    [...padded].every((bytes) => bytes === MAX_RECORD_BYTES || (bytes >= 128 && (bytes & (bytes - 1)) === 0)),
    [...padded].join(),
  );
  assert.ok((await lengths(false)).size > padded.size);
});

Deno.test("private channel: a padded record is full at most and never loses a byte, at any length", async () => {
  const pair = await new PrivatePair({ both: { limits: { padding: true } } }).establish();
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 140_000 }), async (bytes) => {
      const user = pair.client.open();
      const data = crypto.getRandomValues(new Uint8Array(Math.min(bytes, 65_536)));
      const all = concat(data, data, data).slice(0, bytes);
      user.stream.offer(all);
      user.stream.end();
      await pair.settle();
      const { bytes: got, ended, stream } = pair.server.accepted.at(-1)!;
      assert.deepEqual([Buffer.compare(got, all), ended], [0, true]);
      stream.end();
      await pair.settle();
    }),
    { numRuns: 40 },
  );
  assert.ok(pair.seen.every(({ record }) => record.length <= MAX_RECORD_BYTES));
});
