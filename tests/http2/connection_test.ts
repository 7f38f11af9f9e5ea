import assert from "node:assert/strict";
import { HeaderList } from "../../src/http1/mod.ts";
import { H2Error } from "../../src/http2/mod.ts";
import { concat } from "../../src/bytes/mod.ts";
import { block, data, frame, FrameType, GET, headers, Peer, POST, uint32 } from "./peer.ts";

const OK = HeaderList.from([["content-type", "text/plain"]]);

/** A violation of the whole connection: what is sent, and the GOAWAY that answers it. */
const VIOLATIONS: readonly {
  readonly name: string;
  readonly send: Uint8Array[];
  readonly code: string;
  readonly number: number;
}[] = [
  {
    name: "HEADERS on stream 0",
    send: [headers(0, GET)],
    code: "h2_protocol_violation",
    number: H2Error.protocol,
  },
  {
    name: "an even stream",
    send: [headers(2, GET)],
    code: "h2_protocol_violation",
    number: H2Error.protocol,
  },
  { name: "DATA on stream 0", send: [data(0, 1)], code: "h2_protocol_violation", number: H2Error.protocol },
  {
    name: "DATA of an idle stream",
    send: [data(5, 1)],
    code: "h2_protocol_violation",
    number: H2Error.protocol,
  },
  {
    name: "RST_STREAM of an idle stream",
    send: [frame(FrameType.rstStream, 0, 5, uint32(8))],
    code: "h2_protocol_violation",
    number: H2Error.protocol,
  },
  {
    name: "WINDOW_UPDATE of an idle stream",
    send: [frame(FrameType.windowUpdate, 0, 5, uint32(8))],
    code: "h2_protocol_violation",
    number: H2Error.protocol,
  },
  {
    name: "WINDOW_UPDATE by nothing",
    send: [frame(FrameType.windowUpdate, 0, 0, uint32(0))],
    code: "h2_protocol_violation",
    number: H2Error.protocol,
  },
  {
    name: "a window beyond 2^31-1",
    send: [frame(FrameType.windowUpdate, 0, 0, uint32(0x7fffffff))],
    code: "h2_flow_control",
    number: H2Error.flowControl,
  },
  {
    name: "PUSH_PROMISE of a client",
    send: [frame(FrameType.pushPromise, 4, 1, uint32(2))],
    code: "h2_protocol_violation",
    number: H2Error.protocol,
  },
  {
    name: "CONTINUATION without a block",
    send: [frame(FrameType.continuation, 4, 1)],
    code: "h2_protocol_violation",
    number: H2Error.protocol,
  },
  {
    name: "a frame within a header block",
    send: [frame(FrameType.headers, 0, 1), frame(FrameType.ping, 0, 0, new Uint8Array(8))],
    code: "h2_protocol_violation",
    number: H2Error.protocol,
  },
  {
    name: "a frame above 16 KiB, before its payload is there",
    send: [frame(FrameType.headers, 4, 1, new Uint8Array(16_385)).subarray(0, 9)],
    code: "h2_frame_size",
    number: H2Error.frameSize,
  },
  {
    name: "PING of 7 bytes",
    send: [frame(FrameType.ping, 0, 0, new Uint8Array(7))],
    code: "h2_frame_size",
    number: H2Error.frameSize,
  },
  {
    name: "SETTINGS that is cut",
    send: [frame(FrameType.settings, 0, 0, new Uint8Array(5))],
    code: "h2_frame_size",
    number: H2Error.frameSize,
  },
  {
    name: "SETTINGS with an ACK and a payload",
    send: [frame(FrameType.settings, 1, 0, new Uint8Array(6))],
    code: "h2_frame_size",
    number: H2Error.frameSize,
  },
  {
    name: "padding longer than its frame",
    send: [headers(1, POST, false), frame(FrameType.data, 8, 1, Uint8Array.of(9, 1, 2))],
    code: "h2_protocol_violation",
    number: H2Error.protocol,
  },
  {
    name: "a header block that refers to nothing",
    send: [frame(FrameType.headers, 5, 1, Uint8Array.of(0xff, 0x20))],
    code: "h2_compression",
    number: H2Error.compression,
  },
  {
    name: "HEADERS of an id below the latest",
    send: [headers(5, GET), headers(3, GET)],
    code: "h2_protocol_violation",
    number: H2Error.protocol,
  },
  {
    name: "HEADERS of a stream that its peer has cut",
    send: [headers(1, POST, false), frame(FrameType.rstStream, 0, 1, uint32(8)), headers(1, GET)],
    code: "h2_protocol_violation",
    number: H2Error.protocol,
  },
  {
    name: "PRIORITY on itself",
    send: [headers(1, GET), frame(FrameType.priority, 0, 1, Uint8Array.of(0, 0, 0, 1, 9))],
    code: "h2_protocol_violation",
    number: H2Error.protocol,
  },
  {
    name: "HEADERS that depend on themselves",
    send: [frame(FrameType.headers, 0x25, 1, concat(Uint8Array.of(0, 0, 0, 1, 9), block(GET)))],
    code: "h2_protocol_violation",
    number: H2Error.protocol,
  },
  {
    name: "SETTINGS with more than 32 entries",
    send: [frame(FrameType.settings, 0, 0, new Uint8Array(6 * 33))],
    code: "h2_control_flood",
    number: H2Error.enhanceYourCalm,
  },
  {
    name: "a header block in more than 16 CONTINUATION frames",
    send: [
      frame(FrameType.headers, 1, 1),
      ...Array.from({ length: 17 }, () => frame(FrameType.continuation, 0, 1)),
    ],
    code: "h2_header_flood",
    number: H2Error.enhanceYourCalm,
  },
  {
    name: "a header block above 128 KiB",
    send: [
      frame(FrameType.headers, 1, 1, new Uint8Array(16_384)),
      ...Array.from({ length: 8 }, () => frame(FrameType.continuation, 0, 1, new Uint8Array(16_384))),
    ],
    code: "h2_header_flood",
    number: H2Error.enhanceYourCalm,
  },
];

for (const { name, send, code, number } of VIOLATIONS) {
  Deno.test(`Http2Connection ends with ${code} for ${name}`, () => {
    const peer = new Peer();
    for (const part of send) peer.send(part);
    assert.deepEqual(peer.goaway(), [number, code]);
    assert.equal(peer.connection.failed?.code, code);
    peer.send(headers(7, GET));
    assert.deepEqual(peer.frames(), [], "nothing is said afterwards");
  });
}

Deno.test("Http2Connection serves a request however its bytes are cut", () => {
  const bytes = [headers(1, POST, false), data(1, 3), data(1, 2, true)];
  const all = new Uint8Array(bytes.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  for (const part of bytes) {
    all.set(part, end);
    end += part.length;
  }
  const peer = new Peer();
  for (const octet of all) peer.send(Uint8Array.of(octet));
  const [{ stream }] = peer.requests;
  const into = new Uint8Array(10);
  assert.deepEqual([stream.read(into), stream.remoteEnded, stream.read(into)], [5, true, 0]);
});

Deno.test("Http2Connection answers with HEADERS and DATA, the last of which ends the stream", () => {
  const peer = new Peer();
  peer.send(headers(1, GET));
  const [{ stream }] = peer.requests;
  stream.sendHead(200, OK, false);
  stream.send(new Uint8Array(5), 0);
  stream.end();
  const [head, body] = peer.frames();
  assert.deepEqual([head.type, head.flags], [FrameType.headers, 0x4]);
  assert.deepEqual(peer.fieldsOf(head.payload), [[":status", "200"], ["content-type", "text/plain"]]);
  assert.deepEqual([body.type, body.flags, body.payload.length], [FrameType.data, 0x1, 5]);
  assert.equal(peer.connection.openStreams, 0);
});

Deno.test("Http2Connection sends no more than the windows of stream and connection allow", () => {
  const peer = new Peer({}, [[0x4, 100]]);
  peer.send(headers(1, GET), headers(3, GET));
  const [one, three] = peer.requests.map(({ stream }) => stream);
  one.send(new Uint8Array(250), 250);
  const sizes = () => peer.frames().filter(({ type }) => type === 0).map((f) => [f.stream, f.payload.length]);
  assert.deepEqual(sizes(), [[1, 100]]);
  // A stream that is shut holds nobody up.
  three.send(new Uint8Array(60), 60);
  three.end();
  assert.deepEqual(sizes(), [[3, 60]]);
  peer.send(frame(FrameType.windowUpdate, 0, 1, uint32(120)));
  assert.deepEqual(sizes(), [[1, 120]]);
  // A smaller initial window makes that of the stream negative (RFC 9113 6.9.2).
  peer.send(frame(FrameType.settings, 0, 0, Uint8Array.of(0, 4, 0, 0, 0, 50)));
  peer.send(frame(FrameType.windowUpdate, 0, 1, uint32(64)));
  assert.deepEqual(sizes(), [[1, 14]]);
});

Deno.test("Http2Connection lets streams take turns, and stops while its output is full", () => {
  const peer = new Peer();
  peer.send(headers(1, GET), headers(3, GET));
  for (const { stream } of peer.requests) stream.send(new Uint8Array(20_000), 0);
  peer.queuedBytes = 1 << 20;
  assert.deepEqual(peer.frames(), []);
  peer.queuedBytes = 0;
  assert.deepEqual(peer.frames().map((f) => [f.stream, f.payload.length]), [
    [1, 16_384],
    [3, 16_384],
    [1, 3_616],
    [3, 3_616],
  ]);
});

Deno.test("Http2Connection returns window only for what is read, and cuts a stream that sends more", () => {
  const peer = new Peer();
  peer.send(headers(1, POST, false), headers(3, POST, false));
  for (let at = 0; at < 4; at++) peer.send(data(1, at < 3 ? 16_384 : 16_383));
  assert.deepEqual(peer.frames(), [], "nothing was read");
  peer.send(data(1, 1));
  assert.deepEqual(peer.resets(), [[1, H2Error.flowControl]]);
  // What the cut stream held is the others' again.
  for (let at = 0; at < 4; at++) peer.send(data(3, at < 3 ? 16_384 : 16_383));
  const [, { stream }] = peer.requests;
  const into = new Uint8Array(65_536);
  assert.equal(stream.read(into), 65_535);
  const [update] = peer.frames();
  assert.deepEqual([update.type, update.stream], [FrameType.windowUpdate, 3]);
});

Deno.test("Http2Connection refuses the stream above the limit and serves it when another has ended", () => {
  const peer = new Peer({ maxConcurrentStreams: 2 });
  peer.send(headers(1, GET), headers(3, GET), headers(5, GET));
  assert.deepEqual(peer.resets(), [[5, H2Error.refusedStream]]);
  peer.requests[0].stream.sendHead(204, OK, true);
  peer.send(headers(7, GET));
  assert.deepEqual(peer.requests.map(({ stream }) => stream.id), [1, 3, 7]);
});

Deno.test("Http2Connection ends with h2_rapid_reset when requests are cut faster than allowed", () => {
  const peer = new Peer();
  const cut = (count: number, from: number) => {
    for (let at = 0; at < count; at++) {
      const id = from + 2 * at;
      peer.send(headers(id, GET), frame(FrameType.rstStream, 0, id, uint32(H2Error.cancel)));
    }
  };
  cut(200, 1);
  assert.equal(peer.goaway(), undefined);
  peer.now = 1_000;
  cut(33, 401);
  assert.equal(peer.goaway(), undefined, "33 a second are allowed");
  cut(1, 467);
  assert.deepEqual(peer.goaway(), [H2Error.enhanceYourCalm, "h2_rapid_reset"]);
  assert.equal(peer.connection.openStreams, 0);
});

Deno.test("Http2Connection counts streams that it has to cut as if the peer had: provoked resets are rapid resets", () => {
  const peer = new Peer();
  for (let at = 0; at < 201; at++) {
    const id = 1 + 2 * at;
    peer.send(headers(id, POST, false), frame(FrameType.windowUpdate, 0, id, uint32(0)));
  }
  assert.deepEqual(peer.goaway(), [H2Error.enhanceYourCalm, "h2_rapid_reset"]);
});

for (
  const [name, one] of [
    ["PING", frame(FrameType.ping, 0, 0, new Uint8Array(8))],
    ["SETTINGS", frame(FrameType.settings, 0, 0)],
    ["PRIORITY", frame(FrameType.priority, 0, 1, new Uint8Array(5))],
    ["empty DATA", data(1, 0)],
    ["unknown frames", frame(0x77, 0, 0)],
    ["tiny WINDOW_UPDATE", frame(FrameType.windowUpdate, 0, 1, uint32(1))],
  ] as const
) {
  Deno.test(`Http2Connection ends with h2_control_flood for more than 1,000 ${name} at once`, () => {
    const peer = new Peer();
    peer.send(headers(1, POST, false));
    for (let at = 0; at < 999; at++) peer.send(one);
    assert.equal(peer.goaway(), undefined);
    peer.send(one, one);
    assert.deepEqual(peer.goaway(), [H2Error.enhanceYourCalm, "h2_control_flood"]);
  });
}

Deno.test("Http2Connection.shutdown() serves what is on its way, finish() refuses it, and both say so by GOAWAY", () => {
  const peer = new Peer();
  peer.send(headers(1, GET));
  peer.connection.shutdown();
  const [first] = peer.frames();
  assert.deepEqual([first.type, [...first.payload.slice(0, 8)]], [FrameType.goaway, [
    127,
    255,
    255,
    255,
    0,
    0,
    0,
    0,
  ]]);
  peer.send(headers(3, GET));
  assert.equal(peer.requests.length, 2);
  peer.connection.finish();
  const [last] = peer.frames();
  assert.deepEqual([last.type, [...last.payload.slice(0, 8)]], [FrameType.goaway, [0, 0, 0, 3, 0, 0, 0, 0]]);
  peer.send(headers(5, GET));
  assert.deepEqual(peer.resets(), [[5, H2Error.refusedStream]]);
  assert.equal(peer.connection.openStreams, 2);
});

Deno.test("Http2Connection tells a stream of its peer's reset, drops what waits and leaves the others alone", () => {
  const peer = new Peer({}, [[0x4, 10]]);
  let released = 0;
  let resets = 0;
  peer.send(headers(1, GET), headers(3, GET));
  const [one, three] = peer.requests.map(({ stream }) => stream);
  one.handler = { onReadable() {}, onSent() {}, onDrained() {}, onReset: () => void resets++ };
  one.send(new Uint8Array(20), 0, { release: () => void released++ });
  peer.frames();
  peer.send(frame(FrameType.rstStream, 0, 1, uint32(H2Error.cancel)));
  assert.deepEqual([resets, released, one.closed, three.closed], [1, 1, true, false]);
  one.send(new Uint8Array(20), 0, { release: () => void released++ });
  assert.deepEqual([released, peer.frames()], [2, []]);
});

Deno.test("Http2Connection answers DATA of a closed stream with STREAM_CLOSED, but not what was on its way when it cut", () => {
  const peer = new Peer();
  peer.send(headers(1, POST, false), frame(FrameType.rstStream, 0, 1, uint32(8)), data(1, 3));
  assert.deepEqual(peer.resets(), [[1, H2Error.streamClosed]]);
  peer.send(headers(3, POST, false));
  peer.requests[1].stream.reset(H2Error.cancel);
  assert.deepEqual(peer.resets(), [[3, H2Error.cancel]]);
  peer.send(data(3, 3), headers(3, [["x-sum", "9"]]));
  assert.deepEqual(peer.resets(), []);
  assert.equal(peer.connection.failed, undefined);
});

Deno.test("Http2Connection ends a malformed request with PROTOCOL_ERROR behind its answer", () => {
  const peer = new Peer();
  peer.send(headers(1, POST, false));
  const [{ stream }] = peer.requests;
  stream.malformed = true;
  stream.sendHead(400, new HeaderList(), true);
  const types = peer.frames().map(({ type }) => type);
  assert.deepEqual(types, [FrameType.headers, FrameType.rstStream]);
});

Deno.test("Http2Connection keeps trailers of a request apart and refuses a second head", () => {
  const peer = new Peer();
  peer.send(headers(1, POST, false), data(1, 3), headers(1, [["x-sum", "9"]]));
  const [{ stream }] = peer.requests;
  assert.deepEqual([stream.remoteEnded, stream.trailers?.names, stream.trailers?.values], [true, ["x-sum"], [
    "9",
  ]]);
  peer.send(headers(3, POST, false), headers(3, [["x-sum", "9"]], false));
  assert.deepEqual(peer.resets(), [[3, H2Error.protocol]]);
  peer.send(data(1, 1));
  assert.deepEqual(peer.resets(), [[1, H2Error.streamClosed]]);
});

Deno.test("Http2Connection marks a header list beyond its limits and reads on: the table stays in step", () => {
  const peer = new Peer({ maxHeaderListBytes: 1_000, maxHeaders: 10 });
  peer.send(headers(1, [...GET, ["x-long", "v".repeat(900)]]));
  peer.send(headers(3, [...GET, ...Array.from({ length: 12 }, (_, at) => [`x-${at}`, "v"] as const)]));
  peer.send(headers(5, GET));
  assert.deepEqual(peer.requests.map(({ block }) => block.excess), [
    "http_head_too_large",
    "http_too_many_headers",
    undefined,
  ]);
});

Deno.test("Http2Connection tells what is unread, and which stream holds most of it, until it is read, cut or forgotten", () => {
  const peer = new Peer();
  const [small, large, ended] = [100, 300, 200].map((bytes, at) => {
    const id = 2 * at + 1;
    peer.send(frame(FrameType.headers, 0x4, id, block(GET)));
    peer.send(frame(FrameType.data, at === 2 ? 1 : 0, id, new Uint8Array(bytes)));
    return peer.requests[at].stream;
  });
  const { connection } = peer;
  assert.deepEqual([connection.unread, peer.unread, connection.heaviest], [600, 600, large]);
  assert.equal(small.read(new Uint8Array(60)), 60);
  large.reset(H2Error.cancel);
  assert.deepEqual([connection.unread, peer.unread, connection.heaviest], [240, 240, ended]);
  ended.sendHead(200, new HeaderList(), true);
  assert.equal(connection.unread, 240, "what came before an orderly end may still be read");
  ended.forgetUnread();
  assert.equal(connection.unread, 40);
  connection.abandon();
  assert.deepEqual([connection.unread, peer.unread, connection.heaviest], [0, 0, undefined]);
});
