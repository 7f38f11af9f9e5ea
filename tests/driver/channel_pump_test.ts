import assert from "node:assert/strict";
import { concat } from "../../src/bytes/mod.ts";
import { CHANNEL_LIMITS } from "../../src/channel/mod.ts";
import { LARGE_BUFFER_BYTES, SMALL_BUFFER_BYTES, type WireBuffer } from "../../src/driver/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import type { ByteStream } from "../../src/ports/mod.ts";
import { OPENING, pattern } from "../support/mux_pair.ts";
import { settle } from "../support/virtual_clock.ts";
import { type PumpEnd, PumpPair, Sink } from "./pump_pair.ts";

/** Opens a stream on which the other side has a sink. */
function open(from: PumpEnd, to: PumpEnd, sink: Sink): Sink {
  to.accept = (stream) => {
    sink.stream = stream;
    return sink;
  };
  const near = new Sink();
  near.stream = from.channel.open(OPENING, near);
  return near;
}

function assertNothingLeft(pair: PumpPair): void {
  for (const end of pair.ends) {
    assert.ok(end.stopped && end.ended);
    assert.equal(end.buffers.bytesInUse, 0, "a buffer leaked");
  }
  assert.equal(pair.clock.pending, 0, "a timer is left");
}

Deno.test("ChannelPump moves bulk both ways through small socket buffers and short transfers, from leased buffers", async () => {
  for (const [bufferBytes, maxTransferBytes] of [[65_536, undefined], [700_000, undefined], [10_000, 777]]) {
    const pair = await new PumpPair({ bufferBytes, maxTransferBytes }).established();
    const { agent, edge } = pair;
    const up = new Sink(() => edge.pump.retain());
    const a = open(agent, edge, up);
    await pair.settle(() => up.stream !== undefined);
    const down = new Sink(() => agent.pump.retain());
    const b = open(edge, agent, down);
    const bytes = maxTransferBytes === undefined ? 1_500_000 : 200_000;
    for (const near of [a, b]) {
      near.stream.offer(pattern(bytes));
      near.stream.end();
    }
    for (let i = 0; i < 20; i++) await pair.settle(() => up.ended && down.ended);
    for (const sink of [up, down]) {
      assert.ok(sink.ended);
      assert.deepEqual(concat(...sink.parts), pattern(bytes));
    }
    assert.ok(edge.pump.bytesIn > bytes && edge.pump.bytesOut > bytes);
    assert.equal(edge.pump.bytesIn, agent.pump.bytesOut);
    agent.channel.close(undefined, pair.clock.now());
    await pair.settle(() => agent.stopped && edge.stopped);
    assert.deepEqual([agent.channel.state, edge.channel.state], ["closed", "closed"]);
    assertNothingLeft(pair);
  }
});

Deno.test("ChannelPump serves many streams at once", async () => {
  const pair = await new PumpPair().established();
  const sinks: Sink[] = [];
  pair.edge.accept = (stream) => {
    const sink = new Sink(() => pair.edge.pump.retain());
    sink.stream = stream;
    sinks.push(sink);
    stream.offer(pattern(3_000, stream.id));
    stream.end();
    return sink;
  };
  const near = Array.from({ length: 300 }, () => {
    const sink = new Sink(() => pair.agent.pump.retain());
    sink.stream = pair.agent.channel.open(OPENING, sink);
    sink.stream.offer(pattern(5_000, sink.stream.id));
    sink.stream.end();
    return sink;
  });
  await pair.settle(() => near.every((sink) => sink.ended) && pair.edge.channel.openStreams === 0);
  assert.equal(sinks.length, 300);
  for (const sink of near) assert.deepEqual(concat(...sink.parts), pattern(3_000, sink.stream.id));
  for (const sink of sinks) assert.deepEqual(concat(...sink.parts), pattern(5_000, sink.stream.id));
  pair.edge.channel.close(undefined, pair.clock.now());
  await pair.settle(() => pair.ends.every((end) => end.stopped));
  assertNothingLeft(pair);
});

Deno.test("ChannelPump keeps leased bytes untouched while reading goes on, and copies when memory is short", async () => {
  const pair = await new PumpPair({ bufferBytes: 400_000 }).established();
  const stalled = new Sink(() => pair.edge.pump.retain(), true);
  const a = open(pair.agent, pair.edge, stalled);
  await pair.settle(() => stalled.stream !== undefined);
  const moving = new Sink(() => pair.edge.pump.retain());
  const b = open(pair.agent, pair.edge, moving);
  for (let i = 0; i < 60; i++) {
    a.stream.offer(pattern(4_000, i * 4_000));
    b.stream.offer(pattern(70_000, i * 70_000));
    await settle();
  }
  await pair.settle(() => moving.bytes === 60 * 70_000);
  assert.ok(pair.edge.buffers.bytesInUse <= pair.edge.buffers.core.arena.bytes);
  assert.ok(stalled.leases.some(({ lease }) => lease !== undefined));
  stalled.drain();
  assert.deepEqual(concat(...stalled.parts), pattern(240_000));
  assert.deepEqual(concat(...moving.parts), pattern(60 * 70_000));
  pair.edge.channel.close(undefined, pair.clock.now());
  await pair.settle(() => pair.ends.every((end) => end.stopped));
  assertNothingLeft(pair);
});

Deno.test("ChannelPump goes back to a small buffer when bulk is over: idle carriers cost little", async () => {
  const pair = await new PumpPair({ bufferBytes: 400_000 }).established();
  const sink = new Sink(() => pair.edge.pump.retain());
  const near = open(pair.agent, pair.edge, sink);
  near.stream.offer(pattern(900_000));
  await pair.settle(() => sink.bytes === 900_000);
  assert.equal(pair.edge.buffers.bytesInUse, LARGE_BUFFER_BYTES);
  for (let i = 0; i < 3; i++) {
    near.stream.offer(pattern(20));
    await pair.settle(() => sink.bytes === 900_020 + 20 * i);
  }
  for (const end of pair.ends) assert.equal(end.buffers.bytesInUse, SMALL_BUFFER_BYTES);
});

Deno.test("ChannelPump takes bytes that came behind the upgrade before it reads", async () => {
  const pair = new PumpPair();
  pair.agent.run();
  await settle();
  const leftover = new Uint8Array(2_000);
  const read = (await pair.edge.stream.read(leftover))!;
  pair.edge.run(leftover.slice(0, read));
  await pair.settle(() => pair.agent.channel.state === "established");
  assert.equal(pair.edge.channel.state, "established");
});

Deno.test("ChannelPump: the end of the carrier, also within a record, is peer_closed and cuts all streams", async () => {
  for (const within of [false, true]) {
    const pair = await new PumpPair().established();
    const sink = new Sink(() => pair.edge.pump.retain(), true);
    const near = open(pair.agent, pair.edge, sink);
    near.stream.offer(pattern(100));
    await pair.settle(() => sink.bytes === 100);
    if (within) {
      // A masked binary frame of which the payload never comes.
      await pair.agent.stream.write(Uint8Array.of(0x82, 0xfe, 0x10, 0x00, 1, 2, 3, 4, 9, 9));
    }
    pair.agent.stream.close();
    await pair.settle(() => pair.edge.stopped);
    assert.equal(pair.edge.channel.reason, "peer_closed");
    assert.equal(sink.reset, "channel_lost");
    await pair.settle(() => pair.agent.stopped);
    assertNothingLeft(pair);
  }
});

/** Reads what the pump under test says until it closes. */
async function restOf(stream: ByteStream): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const chunk = new Uint8Array(10_000);
  for (;;) {
    const read = await stream.read(chunk);
    if (read === null) return concat(...parts);
    parts.push(chunk.slice(0, read));
  }
}

/** The frames of a server: opcode and payload. */
function framesOf(bytes: Uint8Array): { opcode: number; payload: Uint8Array }[] {
  const frames: { opcode: number; payload: Uint8Array }[] = [];
  for (let at = 0; at < bytes.length;) {
    const wide = bytes[at + 1] === 126;
    const length = wide ? bytes[at + 2] << 8 | bytes[at + 3] : bytes[at + 1];
    const start = at + (wide ? 4 : 2);
    frames.push({ opcode: bytes[at] & 0x0f, payload: bytes.slice(start, start + length) });
    at = start + length;
  }
  return frames;
}

Deno.test("ChannelPump: a violation of the framing gets its close frame out before the carrier closes", async () => {
  const pair = new PumpPair();
  pair.edge.run();
  await settle();
  await pair.agent.stream.write(Uint8Array.of(0x81, 0x80, 0, 0, 0, 0)); // text
  const bytes = restOf(pair.agent.stream);
  await settle();
  await pair.agent.stream.closeWrite();
  const frames = framesOf(await bytes);
  assert.deepEqual(frames.map((frame) => frame.opcode), [8]);
  assert.equal(frames[0].payload[0] << 8 | frames[0].payload[1], 1003);
  await pair.settle(() => pair.edge.stopped);
  assert.equal(pair.edge.channel.reason, "websocket_text_refused");
  assert.equal(pair.edge.buffers.bytesInUse, 0);
  assert.equal(pair.clock.pending, 0);
});

Deno.test("ChannelPump: a violation on an established channel is told by a close frame, and the peer's bytes are read off", async () => {
  const pair = await new PumpPair().established();
  const { edge, agent } = pair;
  await agent.stream.write(Uint8Array.of(0x81, 0x80, 0, 0, 0, 0));
  await agent.stream.write(new Uint8Array(30_000));
  await pair.settle(() => agent.ended);
  await pair.clock.advanceAsync(2_000);
  await pair.settle(() => edge.stopped && agent.stopped);
  assert.equal(edge.channel.reason, "websocket_text_refused");
  assert.equal(agent.channel.reason, "peer_closed");
  assertNothingLeft(pair);
});

Deno.test("ChannelPump: a bad record is told by CLOSE with its code, then by a close frame with the same", async () => {
  const pair = await new PumpPair().established();
  // An unmasked key makes the payload plain: a transport record that does not authenticate.
  await pair.agent.stream.write(concat(Uint8Array.of(0x82, 0x80 | 40, 0, 0, 0, 0, 2), new Uint8Array(39)));
  await pair.settle(() => pair.ends.every((end) => end.stopped));
  assert.equal(pair.edge.channel.reason, "record_tag_mismatch");
  assert.equal(pair.agent.channel.reason, "record_tag_mismatch");
  assertNothingLeft(pair);
});

Deno.test("ChannelPump: a refusal before the records begin reaches the peer's carrier as a close frame", async () => {
  const pair = new PumpPair();
  pair.edge.run();
  const record = new Uint8Array(40).fill(1, 0, 1).fill(9, 4, 5); // a handshake of an unknown suite
  await pair.agent.stream.write(concat(Uint8Array.of(0x82, 0x80 | 40, 0, 0, 0, 0), record));
  const [close, ...more] = framesOf(
    await (async () => {
      const bytes = restOf(pair.agent.stream);
      await settle();
      await pair.agent.stream.closeWrite();
      return await bytes;
    })(),
  );
  assert.deepEqual([close.opcode, more.length], [8, 0]);
  assert.equal(new TextDecoder().decode(close.payload.subarray(2)), "handshake_suite_refused");
});

Deno.test("ChannelPump closes the carrier of a finished channel whose peer does not close its side", async () => {
  const pair = new PumpPair();
  pair.edge.run();
  await settle();
  pair.edge.channel.close(new PosternError("agent_limit"), pair.clock.now());
  pair.edge.pump.wake();
  await pair.settle();
  assert.equal(pair.edge.stopped, false, "it lingers for the peer");
  await pair.clock.advanceAsync(2_000);
  await pair.settle(() => pair.edge.stopped);
  assert.deepEqual([pair.edge.channel.reason, pair.edge.buffers.bytesInUse], ["agent_limit", 0]);
  assert.equal(pair.clock.pending, 0);
});

/** A socket whose writes stop going through when told. */
class Stalling implements ByteStream {
  stalled = false;
  writes = 0;
  readonly #inner: ByteStream;
  #fail: ((error: Error) => void) | undefined;
  constructor(inner: ByteStream) {
    this.#inner = inner;
  }
  get remoteAddress(): string {
    return this.#inner.remoteAddress;
  }
  read(into: Uint8Array): Promise<number | null> {
    return this.#inner.read(into);
  }
  write(from: Uint8Array): Promise<number> {
    this.writes++;
    if (!this.stalled) return this.#inner.write(from);
    return new Promise((_, reject) => this.#fail = reject);
  }
  closeWrite(): Promise<void> {
    return this.#inner.closeWrite();
  }
  close(): void {
    this.#inner.close();
    this.#fail?.(new PosternError("connection_closed"));
  }
}

Deno.test("ChannelPump ends a channel whose peer takes no bytes, in bounded time and without spinning", async () => {
  let stalling!: Stalling;
  const pair = await new PumpPair({
    wrap: (stream, end) => end === "edge" ? stalling = new Stalling(stream) : stream,
  }).established();
  const near = open(pair.edge, pair.agent, new Sink());
  stalling.stalled = true;
  const before = stalling.writes;
  near.stream.offer(pattern(100_000));
  await pair.settle();
  const most = CHANNEL_LIMITS.heartbeat.offlineMs + CHANNEL_LIMITS.stepMs + 2_000 + 1_000;
  for (let ms = 0; ms < most; ms += 500) await pair.clock.advanceAsync(500);
  await pair.settle(() => pair.ends.every((end) => end.stopped));
  assert.equal(pair.edge.channel.reason, "heartbeat_timeout");
  assert.equal(near.reset, "channel_lost");
  assert.equal(stalling.writes - before, 1);
  assertNothingLeft(pair);
});

Deno.test("ChannelPump: a write that fails ends the channel and frees every buffer", async () => {
  let stalling!: Stalling;
  const pair = await new PumpPair({
    wrap: (stream, end) => end === "edge" ? stalling = new Stalling(stream) : stream,
  }).established();
  const near = open(pair.edge, pair.agent, new Sink());
  near.stream.offer(pattern(10));
  stalling.stalled = true;
  await pair.settle();
  stalling.close();
  await pair.settle(() => pair.ends.every((end) => end.stopped));
  assert.match(pair.edge.channel.reason!, /^(connection_closed|peer_closed)$/);
  assertNothingLeft(pair);
});

Deno.test("ChannelPump waits for memory that others hold, and ends with wire_memory_exhausted when none comes", async () => {
  for (const comes of [true, false]) {
    const pair = await new PumpPair({ memoryBytes: 65_536 + 3 * LARGE_BUFFER_BYTES + 4 * SMALL_BUFFER_BYTES })
      .established();
    const { buffers } = pair.edge;
    const held = [];
    for (
      let large = buffers.tryTake(LARGE_BUFFER_BYTES);
      large;
      large = buffers.tryTake(LARGE_BUFFER_BYTES)
    ) {
      held.push(large);
    }
    const sink = new Sink();
    const near = open(pair.agent, pair.edge, sink);
    near.stream.offer(pattern(200_000));
    await pair.settle();
    assert.ok(sink.bytes < 200_000);
    assert.equal(pair.edge.channel.state, "established");
    await pair.clock.advanceAsync(1_000);
    if (comes) {
      for (const large of held) large.release();
      for (let i = 0; i < 50; i++) await pair.clock.advanceAsync(10);
      assert.equal(sink.bytes, 200_000);
      continue;
    }
    for (let i = 0; i < 700; i++) await pair.clock.advanceAsync(10);
    assert.equal(pair.edge.channel.reason, "wire_memory_exhausted");
  }
});

/** Takes what large buffers there are. */
function takeLarge({ buffers }: PumpEnd, leave = 0): WireBuffer[] {
  const held: WireBuffer[] = [];
  for (let large = buffers.tryTake(LARGE_BUFFER_BYTES); large; large = buffers.tryTake(LARGE_BUFFER_BYTES)) {
    held.push(large);
  }
  for (const large of held.splice(held.length - leave)) large.release();
  return held;
}

Deno.test("ChannelPump goes on with small records both ways while others hold all large buffers", async () => {
  const pair = await new PumpPair().established();
  const held = takeLarge(pair.edge);
  const sinks = [new Sink(), new Sink()];
  const up = open(pair.agent, pair.edge, sinks[0]);
  up.stream.offer(pattern(5_000));
  await pair.settle();
  const down = open(pair.edge, pair.agent, sinks[1]);
  down.stream.offer(pattern(100_000));
  await pair.settle(() => sinks[1].bytes === 100_000);
  assert.deepEqual(sinks.map(({ bytes }) => bytes), [5_000, 100_000]);
  assert.equal(pair.edge.channel.state, "established");
  for (const large of held) large.release();
});

Deno.test("ChannelPump cuts a carrier that leaves a record unfinished while memory is short, not otherwise", async () => {
  for (const short of [true, false]) {
    const pair = await new PumpPair().established();
    const held = short ? takeLarge(pair.edge, 1) : [];
    // A masked frame of 60,000 bytes begins, and then comes a little every now and then.
    await pair.agent.stream.write(Uint8Array.of(0x82, 0xfe, 60_000 >> 8, 60_000 & 0xff, 0, 0, 0, 0));
    for (let ms = 0; ms < 4_500; ms += 500) {
      if (pair.edge.stopped) break;
      await pair.agent.stream.write(new Uint8Array(10)).catch(() => {});
      await pair.settle();
      await pair.clock.advanceAsync(500);
    }
    assert.equal(pair.edge.channel.reason, short ? "wire_memory_exhausted" : undefined);
    for (const large of held) large.release();
  }
});
