import assert from "node:assert/strict";
import fc from "fast-check";
import { concat, fromHex, toHex, utf8 } from "../../../src/bytes/mod.ts";
import { PosternError } from "../../../src/errors/mod.ts";
import {
  DEFAULT_MAX_MESSAGE_BYTES,
  RECEIVE_OVERHEAD_BYTES,
  WebSocketFraming,
} from "../../../src/wire/websocket/mod.ts";
import {
  assertRefused,
  bytewise,
  counting,
  framing,
  other,
  raw,
  receive,
  type Role,
  wireOf,
} from "./frames.ts";

const roles: Role[] = ["client", "server"];
const role = fc.constantFrom<Role>(...roles);
const message = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.constantFrom(124, 125, 126, 127, 128, 65_534, 65_535).map((length) =>
    Uint8Array.from({ length }, (_, i) => i)
  ),
);

Deno.test("WebSocketFraming.frame() writes the bytes that RFC 6455 5.7 shows, as server", () => {
  assert.equal(toHex(wireOf(framing("server"), fromHex("48656c6c6f"))), "820548656c6c6f");
  const long = new Uint8Array(256);
  assert.equal(toHex(wireOf(framing("server"), long).subarray(0, 6)), "827e01000000");
  const longest = wireOf(framing("server", 65_536), new Uint8Array(65_536));
  assert.equal(toHex(longest.subarray(0, 10)), "827f0000000000010000");
});

Deno.test("WebSocketFraming.frame() masks as client with a fresh key for every message", () => {
  const client = framing("client");
  assert.equal(toHex(wireOf(client, fromHex("48656c6c6f"))), "82850108 0f16 496d637a6e".replaceAll(" ", ""));
  assert.equal(toHex(wireOf(client, fromHex("00000000"))), "82841d242b321d242b32");
});

Deno.test("WebSocketFraming.frame() draws mask keys 4 KiB at a time and uses none twice", () => {
  let draws = 0;
  const client = WebSocketFraming.client((bytes) => {
    assert.equal(bytes, 4096);
    draws++;
    return crypto.getRandomValues(new Uint8Array(bytes));
  });
  const keys = new Set<string>();
  for (let i = 0; i < 1025; i++) keys.add(toHex(wireOf(client, new Uint8Array(0)).subarray(2, 6)));
  assert.equal(draws, 2);
  assert.ok(keys.size > 1020);
});

Deno.test("WebSocketFraming.frame() fills the headroom exactly from 126 bytes on, and moves nothing", () => {
  for (const from of roles) {
    const sender = framing(from);
    assert.equal(sender.headerBytes, from === "client" ? 8 : 4);
    const buffer = new Uint8Array(8 + 126).fill(1, 8);
    assert.equal(sender.frame(buffer, 8, 134), 134);
    assert.equal(sender.frame(buffer, 8, 8 + 125), 8 + 125 - 2, "a shorter header takes the message along");
  }
});

Deno.test("WebSocketFraming.frame() throws RangeError on a message over the limit or without headroom", () => {
  const server = framing("server", 10);
  assert.throws(() => server.frame(new Uint8Array(40), 10, 21), RangeError);
  assert.throws(() => server.frame(new Uint8Array(40), server.headerBytes - 1, 5), RangeError);
  assert.throws(() => server.frame(new Uint8Array(8), 4, 9), RangeError);
  for (const limit of [0, -1, 1.5, NaN, 2 ** 31]) assert.throws(() => framing("server", limit), RangeError);
});

Deno.test("WebSocketFraming round trip: messages arrive whole and in order, however the bytes are cut", () => {
  fc.assert(
    fc.property(
      role,
      fc.array(message, { minLength: 1, maxLength: 5 }),
      fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1, maxLength: 8 }),
      (from, messages, cuts) => {
        const sender = framing(from);
        const wire = concat(...messages.map((m) => wireOf(sender, m)));
        const chunks = [];
        for (let at = 0, i = 0; at < wire.length; at += cuts[i % cuts.length], i++) {
          chunks.push(wire.subarray(at, at + cuts[i % cuts.length]));
        }
        assert.deepEqual(receive(framing(other(from)), chunks).messages, messages);
      },
    ),
    { numRuns: 150 },
  );
});

Deno.test("WebSocketFraming round trip at every split position", () => {
  for (const from of roles) {
    const sender = framing(from);
    const messages = [
      new Uint8Array(0),
      Uint8Array.of(1),
      new Uint8Array(126).fill(9),
      new Uint8Array(40).fill(3),
    ];
    const wire = concat(...messages.map((m) => wireOf(sender, m)));
    for (let at = 0; at <= wire.length; at++) {
      const seen = receive(framing(other(from)), [wire.slice(0, at), wire.slice(at)]);
      assert.deepEqual(seen.messages, messages, `split at ${at}`);
    }
    assert.deepEqual(receive(framing(other(from)), bytewise(wire)).messages, messages);
  }
});

Deno.test("WebSocketFraming.next() works in place: the message lies in the caller's buffer, unmasked", () => {
  const wire = wireOf(framing("client"), utf8("in place"));
  const buffer = concat(new Uint8Array(5), wire);
  const server = framing("server");
  assert.equal(server.next(buffer, 5, buffer.length), "message");
  assert.equal(server.messageStart, 5 + 6);
  assert.deepEqual(buffer.subarray(server.messageStart, server.messageEnd), utf8("in place"));
  assert.equal(server.nextStart, buffer.length);
});

Deno.test("WebSocketFraming gives every payload to the injected mask", () => {
  const calls: number[][] = [];
  const mask = (_: Uint8Array, start: number, end: number, key: number) => {
    calls.push([start, end, key]);
  };
  const client = WebSocketFraming.client(counting, { mask });
  const buffer = new Uint8Array(20);
  client.frame(buffer, 8, 12);
  const server = WebSocketFraming.server({ mask });
  assert.equal(server.next(buffer, 0, 10), "message");
  assert.deepEqual(calls, [[6, 10, 0x160f0801], [6, 10, 0x160f0801]]);
});

Deno.test("WebSocketFraming.next() accepts the longest message and each minimal length form", () => {
  for (const from of roles) {
    for (const [limit, size] of [[1, 1], [125, 125], [126, 126], [65_535, 65_535], [200_000, 200_000]]) {
      const payload = new Uint8Array(size).fill(7);
      const seen = receive(framing(other(from), limit), [raw(from, 0x82, payload)]);
      assert.equal(seen.messages[0].length, size);
    }
  }
  assert.equal(framing("server").maxMessageBytes, DEFAULT_MAX_MESSAGE_BYTES);
  assert.equal(framing("server").receiveBufferBytes, DEFAULT_MAX_MESSAGE_BYTES + RECEIVE_OVERHEAD_BYTES);
});

Deno.test("WebSocketFraming.next() puts fragments together, at every split position and byte by byte", () => {
  for (const from of roles) {
    const wire = concat(
      raw(from, 0x02, utf8("frag")),
      raw(from, 0x00),
      raw(from, 0x89, utf8("now")),
      raw(from, 0x00, utf8("men")),
      raw(from, 0x8a, utf8("unasked")),
      raw(from, 0x80, utf8("ted")),
      raw(from, 0x82, utf8("whole")),
    );
    const expected = [utf8("fragmented"), utf8("whole")];
    for (let at = 0; at <= wire.length; at++) {
      const seen = receive(framing(other(from)), [wire.slice(0, at), wire.slice(at)]);
      assert.deepEqual(seen.messages, expected, `split at ${at}`);
      assert.deepEqual(seen.log, ["reply", "message", "message"], "the pong goes out before the message");
    }
    assert.deepEqual(receive(framing(other(from)), bytewise(wire)).messages, expected);
  }
});

Deno.test("WebSocketFraming.next() reassembles any fragmentation in a buffer of receiveBufferBytes", () => {
  const piece = fc.record({ bytes: fc.uint8Array({ maxLength: 60 }), ping: fc.boolean() });
  fc.assert(
    fc.property(
      role,
      fc.array(fc.array(piece, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 1, max: 300 }),
      (from, messages, cut) => {
        const limit = Math.max(1, ...messages.map((m) => m.reduce((sum, p) => sum + p.bytes.length, 0)));
        const wire = concat(...messages.flatMap((pieces) =>
          pieces.flatMap(({ bytes, ping }, i) => [
            raw(from, (i === 0 ? 2 : 0) | (i === pieces.length - 1 ? 0x80 : 0), bytes),
            ...(ping ? [raw(from, 0x89, new Uint8Array(125))] : []),
          ])
        ));
        const chunks = [];
        for (let at = 0; at < wire.length; at += cut) chunks.push(wire.subarray(at, at + cut));
        const expected = messages.map((pieces) => concat(...pieces.map((p) => p.bytes)));
        assert.deepEqual(receive(framing(other(from), limit), chunks).messages, expected);
      },
    ),
    { numRuns: 200 },
  );
});

Deno.test("WebSocketFraming.next() takes a message of 65535 one-byte fragments without growing", () => {
  const one = raw("client", 0x00, Uint8Array.of(5));
  const wire = new Uint8Array(one.length * 65_535);
  for (let i = 0; i < 65_535; i++) wire.set(one, i * one.length);
  wire[0] = 0x02;
  wire[wire.length - one.length] = 0x80;
  const { messages } = receive(framing("server"), [wire]);
  assert.equal(messages.length, 1);
  assert.deepEqual(messages[0], new Uint8Array(65_535).fill(5));
});

Deno.test("WebSocketFraming.takeReply() echoes a ping's payload, and ignores pongs", () => {
  for (const from of roles) {
    for (const size of [0, 1, 124, 125]) {
      const payload = Uint8Array.from({ length: size }, (_, i) => i);
      const receiver = framing(other(from));
      const { replies } = receive(receiver, [concat(raw(from, 0x89, payload), raw(from, 0x8a, payload))]);
      assert.equal(replies.length, 1);
      const sender = framing(from);
      const buffer = replies[0];
      assert.equal(buffer[0], 0x8a);
      assert.equal(sender.next(buffer, 0, buffer.length), "control", "the pong is well formed");
      assert.deepEqual(buffer.subarray(buffer.length - size), payload);
      assert.equal(sender.takeReply(), null);
    }
  }
});

Deno.test("WebSocketFraming keeps only the latest pong, however many pings come", () => {
  const client = framing("client");
  const wire = concat(...Array.from({ length: 1000 }, (_, i) => raw("server", 0x89, Uint8Array.of(i))));
  for (let at = 0; at < wire.length;) {
    assert.equal(client.next(wire, at, wire.length), "control");
    at = client.nextStart;
  }
  const reply = client.takeReply();
  assert.equal(reply?.length, 7);
  assert.equal(reply[6] ^ reply[2], 999 & 0xff);
  assert.equal(client.takeReply(), null);
});

Deno.test("WebSocketFraming.next() reports an orderly close, owes its echo, and stays closed", () => {
  for (const from of roles) {
    const receiver = framing(other(from));
    const seen = receive(receiver, [raw(from, 0x88, concat(Uint8Array.of(0x03, 0xe8), utf8("täglich")))]);
    assert.deepEqual(seen.log, ["reply", "closed"]);
    assert.deepEqual(receiver.peerClose, { code: 1000, reason: "täglich" });
    const peer = framing(from);
    assert.equal(receive(peer, seen.replies).log.at(-1), "closed");
    assert.deepEqual(peer.peerClose, { code: 1000, reason: "" });
    assert.equal(receiver.next(new Uint8Array(4), 0, 4), "closed");
    assert.equal(receiver.closing(1000, "").length, 0, "a close frame is sent once");
    assert.throws(() => receiver.frame(new Uint8Array(20), 10, 12), { code: "websocket_closed" });
  }
});

Deno.test("WebSocketFraming.next() takes a close without code as 1005 and echoes none", () => {
  const server = framing("server");
  const { replies } = receive(server, [raw("client", 0x88)]);
  assert.deepEqual(server.peerClose, { code: 1005, reason: "" });
  assert.equal(toHex(replies[0]), "8800");
});

Deno.test("WebSocketFraming.closing() is not echoed back by the one who began, and ends pongs", () => {
  const client = framing("client");
  const server = framing("server");
  const close = client.closing(1001, "going");
  assert.equal(client.closing(1000, "twice").length, 0);
  assert.throws(() => client.frame(new Uint8Array(20), 10, 12), { code: "websocket_closed" });
  const seen = receive(server, [close]);
  assert.deepEqual(server.peerClose, { code: 1001, reason: "going" });
  const rest = receive(client, [concat(
    raw("server", 0x82, Uint8Array.of(1)),
    raw("server", 0x89),
    seen.replies[0],
  )]);
  assert.deepEqual(rest.log, ["message", "closed"]);
});

Deno.test("WebSocketFraming.closing() cuts a long reason between characters and refuses reserved codes", () => {
  const server = framing("server");
  const close = server.closing(1011, "ä".repeat(100));
  assert.equal(close.length, 2 + 2 + 122);
  const client = framing("client");
  receive(client, [close]);
  assert.equal(client.peerClose?.reason, "ä".repeat(61));
  for (const code of [999, 1004, 1005, 1006, 1015, 2999, 5000]) {
    assert.throws(() => framing("server").closing(code, ""), RangeError);
  }
});

Deno.test("WebSocketFraming.next() accepts exactly the close codes that may be on the wire", () => {
  const valid = [
    1000,
    1001,
    1002,
    1003,
    1007,
    1008,
    1009,
    1010,
    1011,
    1012,
    1013,
    1014,
    3000,
    3999,
    4000,
    4999,
  ];
  for (const code of valid) {
    const server = framing("server");
    receive(server, [raw("client", 0x88, Uint8Array.of(code >> 8, code))]);
    assert.equal(server.peerClose?.code, code);
  }
  for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]) {
    const wire = raw("client", 0x88, Uint8Array.of(code >> 8, code));
    assertRefused(framing("server"), wire, "websocket_close_invalid", 1002);
  }
});

Deno.test("WebSocketFraming.next() refuses a close of one byte, and a reason that is not UTF-8 with 1007", () => {
  assertRefused(
    framing("server"),
    raw("client", 0x88, Uint8Array.of(3)),
    "websocket_close_invalid",
    1002,
  );
  for (const reason of ["ff", "c080", "eda080", "f4908080", "e282"]) {
    const wire = raw("client", 0x88, concat(Uint8Array.of(0x03, 0xe8), fromHex(reason)));
    assertRefused(framing("server"), wire, "websocket_close_invalid", 1007);
  }
});

Deno.test("WebSocketFraming.next() refuses reserved bits at the first byte", () => {
  for (const bit of [0x40, 0x20, 0x10, 0x70]) {
    assertRefused(framing("server"), Uint8Array.of(0x82 | bit), "websocket_reserved_bits", 1002);
    assertRefused(framing("client"), Uint8Array.of(0x89 | bit), "websocket_reserved_bits", 1002);
  }
});

Deno.test("WebSocketFraming.next() refuses unknown opcodes at the first byte", () => {
  for (const opcode of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]) {
    assertRefused(framing("server"), Uint8Array.of(0x80 | opcode), "websocket_opcode_unknown", 1002);
  }
});

Deno.test("WebSocketFraming.next() refuses text with 1003, whole or fragmented", () => {
  for (const from of roles) {
    assertRefused(framing(other(from)), raw(from, 0x81, utf8("hi")), "websocket_text_refused", 1003);
    assertRefused(framing(other(from)), raw(from, 0x01, utf8("hi")), "websocket_text_refused", 1003);
  }
});

Deno.test("WebSocketFraming.next() refuses unmasked frames of clients and masked ones of servers", () => {
  assertRefused(framing("server"), raw("server", 0x82), "websocket_mask_missing", 1002);
  assertRefused(framing("client"), raw("client", 0x82).subarray(0, 2), "websocket_mask_unexpected", 1002);
});

Deno.test("WebSocketFraming.next() refuses lengths that are not in their shortest form", () => {
  for (const from of roles) {
    const refuse = (bytes: number, form: 2 | 8) =>
      assertRefused(
        framing(other(from), 100_000),
        raw(from, 0x82, new Uint8Array(bytes), form),
        "websocket_length_invalid",
        1002,
      );
    refuse(0, 2);
    refuse(125, 2);
    refuse(0, 8);
    refuse(65_535, 8);
    const mask = from === "client" ? "ff" : "7f";
    const top = fromHex(`82${mask}8000000000000000`);
    assertRefused(framing(other(from)), top, "websocket_length_invalid", 1002);
  }
});

Deno.test("WebSocketFraming.next() refuses a length over the limit before the payload arrives", () => {
  assertRefused(framing("server", 125), fromHex("82fe007e"), "websocket_message_too_large", 1009);
  assertRefused(framing("client", 3), fromHex("8204"), "websocket_message_too_large", 1009);
  assertRefused(framing("client"), fromHex("827f0000000000010000"), "websocket_message_too_large", 1009);
  assertRefused(framing("client"), fromHex("827f7fffffffffffffff"), "websocket_message_too_large", 1009);
  const fragments = concat(raw("server", 0x02, new Uint8Array(3)), fromHex("0002"));
  assertRefused(framing("client", 4), fragments, "websocket_message_too_large", 1009);
});

Deno.test("WebSocketFraming.next() refuses control frames that are fragmented or over 125 bytes", () => {
  for (const opcode of [8, 9, 10]) {
    assertRefused(framing("server"), Uint8Array.of(opcode), "websocket_control_invalid", 1002);
    const long = Uint8Array.of(0x80 | opcode, 126);
    assertRefused(framing("client"), long, "websocket_control_invalid", 1002);
  }
});

Deno.test("WebSocketFraming.next() refuses fragments out of order", () => {
  assertRefused(framing("server"), Uint8Array.of(0x80), "websocket_fragment_unexpected", 1002);
  assertRefused(framing("server"), Uint8Array.of(0x00), "websocket_fragment_unexpected", 1002);
  for (const first of [0x82, 0x02, 0x81]) {
    const wire = concat(raw("client", 0x02, utf8("a")), Uint8Array.of(first));
    assertRefused(framing("server"), wire, "websocket_fragment_unexpected", 1002);
  }
  const done = concat(raw("client", 0x02), raw("client", 0x80), Uint8Array.of(0x80));
  assertRefused(framing("server"), done, "websocket_fragment_unexpected", 1002);
});

Deno.test("WebSocketFraming.next() on any bytes ends, stays in range and throws PosternError only", () => {
  const plausible = fc.tuple(
    fc.constantFrom(0x02, 0x82, 0x00, 0x80, 0x88, 0x89, 0x8a, 0x81, 0xc2),
    fc.uint8Array({ maxLength: 130 }),
    role,
  ).map(([first, payload, from]) => raw(from, first, payload));
  fc.assert(
    fc.property(
      role,
      fc.array(fc.oneof({ weight: 3, arbitrary: plausible }, fc.uint8Array({ maxLength: 20 })), {
        maxLength: 12,
      }),
      fc.boolean(),
      (as, parts, slowly) => {
        const wire = concat(...parts);
        try {
          receive(framing(as, 300), slowly ? bytewise(wire) : [wire]);
        } catch (error) {
          assert.ok(error instanceof PosternError, String(error));
        }
      },
    ),
    { numRuns: 2000 },
  );
});

Deno.test("WebSocketFraming.next() touches nothing outside [start, end)", () => {
  fc.assert(
    fc.property(role, fc.uint8Array({ maxLength: 200 }), (as, bytes) => {
      const buffer = concat(new Uint8Array(16).fill(0xee), bytes, new Uint8Array(16).fill(0xee));
      const receiver = framing(as, 300);
      let start = 16;
      try {
        for (;;) {
          const result = receiver.next(buffer, start, 16 + bytes.length);
          if (result === "incomplete") break;
          assert.ok(receiver.nextStart > start);
          start = receiver.nextStart;
          if (result === "closed") break;
        }
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error;
      }
      assert.ok(buffer.subarray(0, 16).every((byte) => byte === 0xee));
      assert.ok(buffer.subarray(16 + bytes.length).every((byte) => byte === 0xee));
    }),
    { numRuns: 2000 },
  );
});
