import assert from "node:assert/strict";
import { concat } from "../../src/bytes/mod.ts";
import { type ErrorCode, PosternError } from "../../src/errors/mod.ts";
import {
  CHANNEL_WINDOW_BYTES,
  MAX_TRAILER_BYTES,
  MUX_LIMITS,
  STREAM_WINDOW_BYTES,
} from "../../src/mux/mod.ts";
import {
  FRAME_HEADER_BYTES,
  FrameFlag,
  FrameType,
  MAX_RECORD_BODY_BYTES,
  openingBytes,
  resetNumber,
  streamClass,
  writeFrameHeader,
  writeOpening,
} from "../../src/wire/mod.ts";
import { framesOf, MuxEnd, MuxPair, OPENING, pattern, StreamUser } from "../support/mux_pair.ts";

const code = (expected: ErrorCode) => (error: unknown) =>
  error instanceof PosternError && error.code === expected;

function frame(type: FrameType, stream: number, payload: Uint8Array, flags = 0): Uint8Array {
  const bytes = new Uint8Array(FRAME_HEADER_BYTES + payload.length);
  writeFrameHeader(bytes, 0, type, flags, payload.length, stream);
  bytes.set(payload, FRAME_HEADER_BYTES);
  return bytes;
}

function openFrame(id: number): Uint8Array {
  const payload = new Uint8Array(openingBytes(OPENING));
  writeOpening(payload, 0, OPENING);
  return frame(FrameType.open, id, payload);
}

const number = (value: number, bytes: 2 | 4) =>
  Uint8Array.from({ length: bytes }, (_, i) => value >>> (8 * (bytes - 1 - i)));
const resetFrame = (id: number) => frame(FrameType.reset, id, number(0, 2));
const creditFrame = (id: number, bytes: number) => frame(FrameType.credit, id, number(bytes, 4));
const dataFrame = (id: number, bytes: Uint8Array, flags = 0) => frame(FrameType.data, id, bytes, flags);

/** A mux with the window that the protocol starts from, so that it has nothing to grant at first. */
const plain = { channelWindowBytes: CHANNEL_WINDOW_BYTES };

Deno.test("Mux carries bytes, trailers and ends in both directions and forgets the stream", () => {
  const pair = new MuxPair();
  const user = pair.a.open(new StreamUser(true));
  user.stream.offer(pattern(100_000));
  user.stream.end(pattern(30));
  pair.settle();
  const peer = pair.b.accepted.get(1)!;
  assert.deepEqual(peer.bytes, pattern(100_000));
  assert.deepEqual([peer.ended, peer.trailers], [true, pattern(30)]);
  assert.deepEqual(peer.stream.opening, { ...OPENING });
  assert.deepEqual([pair.a.mux.openStreams, pair.b.mux.openStreams], [1, 1]);
  peer.stream.offer(pattern(10));
  peer.stream.end();
  pair.settle();
  assert.deepEqual([user.bytes, user.ended, user.trailers], [pattern(10), true, undefined]);
  assert.deepEqual([pair.a.mux.openStreams, pair.b.mux.openStreams], [0, 0]);
  peer.consume(peer.unread);
  assert.deepEqual([pair.a.mux.credit.unread, pair.b.mux.credit.unread], [0, 0]);
});

Deno.test("Mux.open() numbers streams odd on the initiator's side, even on the other", () => {
  const pair = new MuxPair();
  assert.deepEqual([1, 2, 3].map(() => pair.a.open().stream.id), [1, 3, 5]);
  assert.deepEqual([1, 2, 3].map(() => pair.b.open().stream.id), [2, 4, 6]);
  pair.settle();
  assert.deepEqual([...pair.b.accepted.keys(), ...pair.a.accepted.keys()], [1, 3, 5, 2, 4, 6]);
});

Deno.test("Mux.open() leaves nothing behind for an opening that cannot be written", () => {
  const { a } = new MuxPair();
  assert.throws(() => a.open(new StreamUser(), { ...OPENING, viewer: "v".repeat(500) }), RangeError);
  assert.equal(a.mux.openStreams, 0);
  assert.equal(a.open().stream.id, 1);
});

Deno.test("Mux.receive() refuses stream ids of the wrong side, repeated or falling with stream_id_reused", () => {
  for (const ids of [[2], [1, 1], [5, 3], [0x8000_0001]]) {
    const end = new MuxEnd(false);
    for (const id of ids.slice(0, -1)) end.receive(openFrame(id));
    assert.throws(() => end.receive(openFrame(ids.at(-1)!)), code("stream_id_reused"), String(ids));
  }
});

Deno.test("Mux.receive() refuses data and a second end behind an end with stream_after_end", () => {
  for (const late of [dataFrame(1, pattern(1)), dataFrame(1, pattern(0), FrameFlag.end)]) {
    const end = new MuxEnd(false);
    end.receive(concat(openFrame(1), dataFrame(1, pattern(3), FrameFlag.end)));
    assert.throws(() => end.receive(late), code("stream_after_end"));
  }
});

Deno.test("Mux.receive() refuses frames of streams that were never opened with frame_bad_stream", () => {
  for (const id of [3, 2]) { // the peer's next one, and one of ours
    for (const bytes of [dataFrame(id, pattern(1)), resetFrame(id), creditFrame(id, 1)]) {
      const end = new MuxEnd(false);
      end.receive(openFrame(1));
      assert.throws(() => end.receive(bytes), code("frame_bad_stream"));
    }
  }
});

Deno.test("Mux.receive() refuses trailers without an end, or too long, with frame_bad_flags", () => {
  const both = FrameFlag.end | FrameFlag.trailers;
  for (
    const bytes of [
      dataFrame(1, pattern(4), FrameFlag.trailers),
      dataFrame(1, pattern(MAX_TRAILER_BYTES + 1), both),
    ]
  ) {
    const end = new MuxEnd(false);
    end.receive(openFrame(1));
    assert.throws(() => end.receive(bytes), code("frame_bad_flags"));
  }
});

Deno.test("Mux.receive() cuts a peer that sends more than a stream's credit with credit_exceeded", () => {
  const end = new MuxEnd(false, plain);
  end.receive(openFrame(1));
  for (let sent = 0; sent < STREAM_WINDOW_BYTES; sent += 65_536 / 2) {
    end.receive(dataFrame(1, pattern(32_768)));
  }
  assert.throws(() => end.receive(dataFrame(1, pattern(1))), code("credit_exceeded"));
});

Deno.test("Mux.receive() cuts a peer that sends more than the channel's credit, whatever streams it uses", () => {
  const end = new MuxEnd(false, plain);
  end.answer = () => new StreamUser(false);
  let sent = 0;
  assert.throws(() => {
    for (let id = 1;; id += 2) {
      end.receive(openFrame(id));
      for (let i = 0; i < STREAM_WINDOW_BYTES / 32_768; i++) {
        end.receive(dataFrame(id, pattern(32_768)));
        sent += 32_768;
      }
    }
  }, code("credit_exceeded"));
  assert.ok(sent >= CHANNEL_WINDOW_BYTES && sent <= 2 * CHANNEL_WINDOW_BYTES);
});

Deno.test("Mux.receive() refuses credit that overflows with credit_overflow, on streams and channel", () => {
  for (const [id, bytes] of [[0, 0x7fff_ffff], [1, 0x7fff_ffff], [0, 0], [1, 0], [1, 0xffff_ffff]]) {
    const end = new MuxEnd(false);
    end.receive(openFrame(1));
    assert.throws(() => end.receive(creditFrame(id, bytes)), code("credit_overflow"));
  }
});

Deno.test("Mux.receive() answers streams over the limit with a reset and takes others when one has gone", () => {
  const pair = new MuxPair({ b: { maxStreams: 2 } });
  const users = [1, 2, 3].map(() => pair.a.open());
  pair.settle();
  assert.deepEqual(users.map((user) => user.reset), [undefined, undefined, "stream_limit"]);
  users[0].stream.reset("cancelled");
  const next = pair.a.open();
  pair.settle();
  assert.deepEqual([next.reset, pair.b.mux.openStreams], [undefined, 2]);
});

Deno.test("Mux tells control_flood when a peer's resets and pings cannot be answered, and waits for no user", () => {
  const end = new MuxEnd(false, { ...plain, maxWaitingControl: 10 });
  end.answer = () => "class_denied";
  const opens = Array.from({ length: 11 }, (_, i) => openFrame(1 + 2 * i));
  end.receive(concat(...opens.slice(0, 10)));
  assert.throws(() => end.receive(opens[10]), code("control_flood"));

  // A user is not to blame: its call returns, and the channel learns of it.
  const ours = new MuxEnd(true, { ...plain, maxWaitingControl: 10 });
  const users = Array.from({ length: 9 }, () => ours.open());
  users[0].stream.reset("cancelled");
  assert.throws(() => ours.open(), code("control_flood"));
  assert.equal(ours.mux.openStreams, 8);
  users[1].stream.reset("cancelled");
  users[2].stream.reset("cancelled");
  assert.throws(() => ours.takeBody(), code("control_flood"));
  ours.mux.abandon("channel_lost");
  ours.mux.sendChannelFrame(FrameType.close, new Uint8Array(0));
  assert.deepEqual(framesOf(ours.takeBody()).map((f) => f.type), [FrameType.close]);
});

Deno.test("Mux.sendChannelFrame() refuses payloads that no frame of the type may have", () => {
  const { a } = new MuxPair();
  assert.throws(() => a.mux.sendChannelFrame(FrameType.control, new Uint8Array(16_385)), RangeError);
});

Deno.test("Mux announces a channel window above the protocol's with its first frame", () => {
  const pair = new MuxPair();
  assert.equal(pair.a.mux.credit.sendable, CHANNEL_WINDOW_BYTES);
  const body = pair.b.takeBody();
  assert.deepEqual(framesOf(body).map((f) => [f.type, f.stream]), [[FrameType.credit, 0]]);
  pair.a.receive(body);
  assert.equal(pair.a.mux.credit.sendable, MUX_LIMITS.channelWindowBytes);
  assert.equal(new MuxEnd(true, plain).takeBody().length, 0);
});

Deno.test("Mux grants credit when half a window was consumed, and none for a stream whose peer has ended", () => {
  const pair = new MuxPair({ a: plain, b: plain });
  const user = pair.a.open();
  user.stream.offer(pattern(STREAM_WINDOW_BYTES));
  pair.settle();
  const peer = pair.b.accepted.get(1)!;
  assert.equal(user.stream.sendCredit.available, 0);
  peer.consume(STREAM_WINDOW_BYTES / 2 - 1);
  assert.equal(pair.b.mux.pending, false);
  peer.consume(1);
  assert.equal(pair.b.mux.pending, true);
  pair.settle();
  assert.equal(user.stream.sendCredit.available, STREAM_WINDOW_BYTES / 2);
  user.stream.end();
  pair.settle();
  peer.consume(peer.unread);
  assert.equal(pair.b.mux.pending, false);
});

Deno.test("Mux grows the window of a quick reader, not of a slow one, and takes growth back", () => {
  for (const [waitMs, grows] of [[1, true], [500, false]] as const) {
    const pair = new MuxPair();
    pair.b.mux.rttMs = 10;
    const user = pair.a.open();
    user.stream.offer(pattern(8 * STREAM_WINDOW_BYTES));
    pair.settle();
    const peer = pair.b.accepted.get(1)!;
    for (let i = 0; i < 6; i++) {
      pair.now += waitMs; // nothing arrives meanwhile: the time of the last arrival says nothing
      peer.consume(Math.min(peer.unread, peer.stream.receiveCredit.windowBytes / 2));
      pair.settle();
    }
    assert.equal(peer.stream.receiveCredit.windowBytes > STREAM_WINDOW_BYTES, grows, `every ${waitMs} ms`);
    user.stream.reset("cancelled");
    pair.settle();
    assert.equal(pair.b.mux.credit.growth, MUX_LIMITS.channelWindowBytes / 2);
  }
});

Deno.test("Mux ignores data of streams that were reset, but counts it against the channel", () => {
  const pair = new MuxPair({ a: plain, b: plain });
  const user = pair.a.open();
  pair.settle();
  const peer = pair.b.accepted.get(1)!;
  peer.stream.reset("internal");
  for (let i = 0; i < 200; i++) { // 12.8 MiB under way when the reset arrives, in a channel of 4 MiB
    user.stream.offer(pattern(65_000));
    if (!pair.send(pair.a)) break;
  }
  while (pair.deliver(pair.b));
  assert.deepEqual([peer.receivedBytes, pair.b.mux.credit.unread], [0, 0]);
  pair.settle();
  assert.equal(user.reset, "internal");
  assert.equal(pair.a.mux.credit.sendable, pair.b.mux.credit.receivable);
  const flood = new MuxEnd(false, plain);
  flood.receive(concat(openFrame(1), resetFrame(1)));
  assert.throws(
    () => {
      for (let sent = 0; sent <= 2 * CHANNEL_WINDOW_BYTES; sent += 65_000) {
        flood.receive(dataFrame(1, pattern(65_000)));
      }
    },
    code("credit_exceeded"),
    "credit comes with frames, which were never written here",
  );
});

Deno.test("Mux.abandon() tells every user once and sends nothing", () => {
  const pair = new MuxPair({ a: plain, b: plain });
  const users = [1, 2, 3].map(() => pair.a.open());
  users[0].stream.offer(pattern(10));
  users[1].stream.end();
  users[2].inReset = () => users[2].stream.reset("internal");
  pair.a.mux.abandon("fenced");
  pair.a.mux.abandon("channel_lost");
  assert.deepEqual(users.map((user) => user.reset), ["fenced", "fenced", "fenced"]);
  assert.deepEqual([pair.a.mux.openStreams, pair.a.takeBody().length], [0, 0]);
});

Deno.test("Mux cuts the stream that holds most when the channel is full of unread bytes, so that others go on", () => {
  const pair = new MuxPair({ a: plain, b: plain });
  const slow = Array.from({ length: 16 }, () => pair.a.open()); // 16 x 256 KiB is the channel's window
  const quick = pair.a.open();
  for (const user of slow) user.stream.offer(pattern(STREAM_WINDOW_BYTES));
  pair.b.answer = () => new StreamUser(false);
  for (let i = 0; i < 40; i++) {
    pair.settle();
    quick.stream.offer(pattern(30_000));
    const peer = pair.b.accepted.get(quick.stream.id);
    if (peer !== undefined) peer.consume(peer.unread);
  }
  pair.settle();
  const cut = slow.filter((user) => user.reset === "slow_consumer");
  assert.ok(cut.length >= 1 && cut.length <= 3, `${cut.length} were cut`);
  assert.equal(quick.reset, undefined);
  assert.equal(pair.b.accepted.get(quick.stream.id)!.receivedBytes, 40 * 30_000);
  assert.ok(pair.b.mux.credit.unread <= CHANNEL_WINDOW_BYTES * 7 / 8);
});

Deno.test("Mux also cuts ended streams whose bytes nobody takes: a channel is never stuck behind them", () => {
  const pair = new MuxPair({ a: plain, b: plain });
  const users = Array.from({ length: 16 }, () => pair.a.open());
  pair.b.answer = (stream) => {
    stream.end();
    return new StreamUser(false);
  };
  for (const user of users) {
    user.stream.offer(pattern(STREAM_WINDOW_BYTES));
    user.stream.end();
  }
  pair.settle();
  const quick = pair.a.open();
  quick.stream.offer(pattern(200_000));
  pair.settle();
  assert.equal(pair.b.accepted.get(quick.stream.id)!.receivedBytes, 200_000);
  const dropped = [...pair.b.accepted.values()].filter((user) => user.reset === "slow_consumer");
  assert.ok(dropped.length >= 1 && dropped.length <= 3, `${dropped.length} were cut`);
  for (const user of pair.b.accepted.values()) user.consume(user.unread);
  assert.equal(pair.b.mux.credit.unread, 0);
});

Deno.test("Mux keeps no stream back twice for want of the channel's credit", () => {
  const end = new MuxEnd(true, plain);
  const user = end.open();
  const others = Array.from({ length: 16 }, () => end.open());
  for (const other of others) other.stream.offer(pattern(STREAM_WINDOW_BYTES));
  while (end.takeBody().length > 0);
  assert.equal(end.mux.credit.sendable, 0);
  user.stream.offer(pattern(100));
  for (let i = 0; i < 50; i++) {
    end.receive(creditFrame(user.stream.id, 1));
    assert.equal(end.takeBody().length, 0);
  }
  end.receive(creditFrame(0, 1_000));
  assert.deepEqual(framesOf(end.takeBody()).map((f) => f.payload.length), [100]);
});

Deno.test("Mux.fill() ends with trailers that do not fit into what is left of a record", () => {
  for (const offered of [65_000, 65_490, 65_507, 0]) {
    const pair = new MuxPair({ a: plain, b: plain });
    const user = pair.a.open();
    pair.settle();
    user.stream.offer(pattern(offered));
    user.stream.end(pattern(2_000));
    pair.settle();
    const peer = pair.b.accepted.get(1)!;
    assert.deepEqual([peer.receivedBytes, peer.trailers], [offered, pattern(2_000)]);
  }
  assert.throws(() => new MuxEnd(true).open().stream.end(new Uint8Array(MAX_TRAILER_BYTES + 1)), RangeError);
});

Deno.test("Mux.fill() never lets data overtake the OPEN of its stream", () => {
  const pair = new MuxPair({ a: plain, b: plain });
  for (let i = 0; i < 4; i++) pair.a.mux.sendChannelFrame(FrameType.control, pattern(16_384));
  pair.a.open().stream.offer(pattern(500));
  pair.settle();
  assert.equal(pair.b.accepted.get(1)!.receivedBytes, 500);
  assert.equal(pair.b.channelFrames.length, 4);
});

Deno.test("Mux.fill() puts strict classes before bulk and never fills a record beyond its end", () => {
  const { a } = new MuxPair({ a: plain });
  const bulk = a.open(new StreamUser(), { ...OPENING, class: streamClass("file_transfer") });
  const control = a.open(new StreamUser(), { ...OPENING, class: streamClass("fabric_control") });
  bulk.stream.offer(pattern(200_000));
  control.stream.offer(pattern(50));
  const data = framesOf(a.takeBody()).filter((f) => f.type === FrameType.data);
  assert.deepEqual([data[0].stream, data[1].stream], [control.stream.id, bulk.stream.id]);
  for (const room of [FRAME_HEADER_BYTES + 1, 100, 20_000, MAX_RECORD_BODY_BYTES]) {
    const body = a.takeBody(0, room);
    assert.ok(body.length <= room);
    framesOf(body);
  }
});

Deno.test("MuxStream takes calls from inside its handler's calls", () => {
  const pair = new MuxPair({ a: plain, b: plain });
  const resetInData = new StreamUser();
  resetInData.inData = () => resetInData.stream.reset("internal");
  const answerInEnd = new StreamUser(true);
  answerInEnd.inEnd = () => {
    answerInEnd.stream.offer(pattern(5));
    answerInEnd.stream.end();
  };
  const resetInEnd = new StreamUser();
  resetInEnd.inEnd = () => resetInEnd.stream.reset("cancelled");
  const users = [resetInData, answerInEnd, resetInEnd];
  pair.b.answer = () => users.shift()!;

  const [a, b, c] = [1, 2, 3].map(() => pair.a.open(new StreamUser(true)));
  a.stream.offer(pattern(10));
  a.stream.end();
  b.stream.end();
  c.stream.end();
  pair.settle();
  assert.deepEqual([a.reset, b.ended, b.bytes, c.reset], ["internal", true, pattern(5), "cancelled"]);

  let offers = 0;
  const again = new StreamUser();
  again.inTaken = () => {
    if (++offers < 5) again.stream.offer(pattern(1_000, offers * 1_000));
    else if (offers === 5) again.stream.end();
  };
  pair.b.answer = () => new StreamUser(true);
  pair.a.open(again).stream.offer(pattern(1_000));
  const resetInTaken = new StreamUser();
  resetInTaken.inTaken = () => resetInTaken.stream.reset("cancelled");
  pair.a.open(resetInTaken).stream.offer(pattern(10));
  pair.settle();
  assert.deepEqual(pair.b.accepted.get(again.stream.id)!.bytes, pattern(5_000));
  assert.equal(pair.b.accepted.get(resetInTaken.stream.id)!.reset, "cancelled");
  for (const user of [again]) user.stream.reset("cancelled");
  for (const user of pair.b.accepted.values()) user.stream.reset("cancelled");
  pair.settle();
  assert.deepEqual([pair.a.mux.openStreams, pair.b.mux.openStreams], [0, 0]);
  assert.deepEqual([pair.a.mux.credit.unread, pair.b.mux.credit.unread], [0, 0]);
});

Deno.test("MuxStream.reset() drops what was offered and is told once, with its reason", () => {
  const pair = new MuxPair({ a: plain, b: plain });
  const user = pair.a.open();
  user.stream.offer(pattern(100));
  user.stream.reset("origin_refused");
  user.stream.reset("internal");
  user.stream.offer(pattern(10));
  user.stream.end();
  const frames = framesOf(pair.a.takeBody());
  assert.deepEqual(frames.map((f) => f.type), [FrameType.open, FrameType.reset]);
  assert.deepEqual(frames[1].payload, number(resetNumber("origin_refused"), 2));
});
