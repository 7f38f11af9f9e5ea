/**
 * The cases of the Autobahn test suite, by its numbers, against both roles of the framing, each with the octets at once and
 * one by one. An echo is meant where the suite says echo: here the message that is received.
 *
 * Not applicable, since the carrier takes binary messages only and negotiates nothing: 1.1 and 6 (text and its UTF-8: text
 * is refused with 1003 at its first octet, which stands here in their place), 12 and 13 (permessage-deflate), 9 and 10
 * (sizes and times; a message is at most as long as configured).
 */
import assert from "node:assert/strict";
import { concat, fromHex, utf8 } from "../../../src/bytes/mod.ts";
import type { ErrorCode } from "../../../src/errors/mod.ts";
import { assertRefused, bytewise, framing, other, raw, receive, type Role } from "./frames.ts";

const [CONT, TEXT, BINARY, CLOSE, PING, PONG] = [0, 1, 2, 8, 9, 10];
const FIN = 0x80;

type Frame = readonly [first: number, payload?: Uint8Array];

interface Case {
  readonly id: string;
  readonly frames: readonly Frame[];
  readonly messages?: readonly Uint8Array[];
  readonly pongs?: readonly Uint8Array[];
  /** Code and reason of the peer's close frame. */
  readonly closed?: readonly [code: number, reason: string];
  readonly refused?: readonly [code: ErrorCode, closeCode: number];
  readonly maxMessageBytes?: number;
}

const of = (length: number) => new Uint8Array(length).fill(0xfe);
const hello = utf8("Hello, world!");
const closing = (code: number, reason: Uint8Array = new Uint8Array(0)) =>
  concat(Uint8Array.of(code >> 8, code), reason);
const refused = (code: ErrorCode, closeCode = 1002) => ({ refused: [code, closeCode] as const });
const fragments = (first: number, ...parts: string[]): Frame[] =>
  parts.map((part, at) => [(at === 0 ? first : CONT) | (at === parts.length - 1 ? FIN : 0), utf8(part)]);

const reserved = [3, 4, 5, 6, 7, 11, 12, 13, 14, 15];
const valid = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999];
const invalid = [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999];

const CASES: readonly Case[] = [
  ...[0, 125, 126, 127, 128, 65_535].map((bytes): Case => ({
    id: `1.1 ${bytes} (text)`,
    frames: [[FIN | TEXT, of(bytes)]],
    ...refused("websocket_text_refused", 1003),
  })),
  ...[0, 125, 126, 127, 128, 65_535].map((bytes, at): Case => ({
    id: `1.2.${at + 1}`,
    frames: [[FIN | BINARY, of(bytes)]],
    messages: [of(bytes)],
  })),
  { id: "1.2.7", frames: [[FIN | BINARY, of(65_536)]], messages: [of(65_536)], maxMessageBytes: 65_536 },
  {
    id: "1.2.7 at the carrier's limit",
    frames: [[FIN | BINARY, of(65_536)]],
    ...refused("websocket_message_too_large", 1009),
  },
  { id: "2.1", frames: [[FIN | PING]], pongs: [of(0)] },
  { id: "2.2", frames: [[FIN | PING, hello]], pongs: [hello] },
  { id: "2.3", frames: [[FIN | PING, fromHex("00fffefdfcfb00ff")]], pongs: [fromHex("00fffefdfcfb00ff")] },
  { id: "2.4, 2.6", frames: [[FIN | PING, of(125)]], pongs: [of(125)] },
  { id: "2.5", frames: [[FIN | PING, of(126)]], ...refused("websocket_control_invalid") },
  { id: "2.7", frames: [[FIN | PONG]] },
  { id: "2.8", frames: [[FIN | PONG, hello]] },
  { id: "2.9", frames: [[FIN | PONG, hello], [FIN | PING, of(3)]], pongs: [of(3)] },
  {
    id: "2.10, 2.11",
    frames: Array.from({ length: 10 }, (_, at) => [FIN | PING, of(at)]),
    pongs: Array.from({ length: 10 }, (_, at) => of(at)),
  },
  { id: "3.1", frames: [[FIN | 0x10 | BINARY, hello]], ...refused("websocket_reserved_bits") },
  ...["3.2", "3.3", "3.4"].map((id, at): Case => ({
    id,
    frames: [[FIN | BINARY, hello], [FIN | (0x20 + 0x10 * at) | BINARY, hello], [FIN | PING]],
    ...refused("websocket_reserved_bits"),
  })),
  { id: "3.5", frames: [[FIN | 0x50 | BINARY, hello]], ...refused("websocket_reserved_bits") },
  { id: "3.6", frames: [[FIN | 0x60 | PING, hello]], ...refused("websocket_reserved_bits") },
  { id: "3.7", frames: [[FIN | 0x70 | CLOSE]], ...refused("websocket_reserved_bits") },
  ...reserved.flatMap((opcode, at): Case[] => {
    const id = `4.${at < 5 ? 1 : 2}.${at % 5 + 1}`;
    return [
      { id, frames: [[FIN | opcode]], ...refused("websocket_opcode_unknown") },
      {
        id: `${id} behind a message`,
        frames: [[FIN | BINARY, hello], [FIN | opcode, hello], [FIN | PING]],
        ...refused("websocket_opcode_unknown"),
      },
    ];
  }),
  { id: "5.1", frames: fragments(PING, "a", "b"), ...refused("websocket_control_invalid") },
  { id: "5.2", frames: fragments(PONG, "a", "b"), ...refused("websocket_control_invalid") },
  {
    id: "5.3 - 5.5",
    frames: fragments(BINARY, "fragment1", "fragment2"),
    messages: [utf8("fragment1fragment2")],
  },
  {
    id: "5.6 - 5.8",
    frames: fragments(BINARY, "fragment1", "fragment2").toSpliced(1, 0, [FIN | PING, hello]),
    messages: [utf8("fragment1fragment2")],
    pongs: [hello],
  },
  ...["5.9 - 5.11", "5.12 - 5.14"].map((id, at): Case => ({
    id,
    frames: [[at === 0 ? FIN | CONT : CONT, hello], [FIN | BINARY, hello]],
    ...refused("websocket_fragment_unexpected"),
  })),
  {
    id: "5.15",
    frames: [...fragments(BINARY, "a", "b"), [CONT, hello], [FIN | BINARY, hello]],
    ...refused("websocket_fragment_unexpected"),
  },
  { id: "5.16", frames: [[CONT, hello], [FIN | BINARY, hello]], ...refused("websocket_fragment_unexpected") },
  {
    id: "5.17",
    frames: [[FIN | CONT, hello], [FIN | BINARY, hello]],
    ...refused("websocket_fragment_unexpected"),
  },
  {
    id: "5.18",
    frames: [[BINARY, hello], [FIN | BINARY, hello]],
    ...refused("websocket_fragment_unexpected"),
  },
  {
    id: "5.19, 5.20",
    frames: fragments(BINARY, "1", "2", "3", "4", "5").toSpliced(2, 0, [FIN | PING, of(1)]).toSpliced(5, 0, [
      FIN | PING,
      of(2),
    ]),
    messages: [utf8("12345")],
    pongs: [of(1), of(2)],
  },
  {
    id: "7.1.1",
    frames: [[FIN | BINARY, hello], [FIN | CLOSE, closing(1000)]],
    messages: [hello],
    closed: [1000, ""],
  },
  { id: "7.1.2", frames: [[FIN | CLOSE, closing(1000)], [FIN | CLOSE, closing(1001)]], closed: [1000, ""] },
  { id: "7.1.3", frames: [[FIN | CLOSE, closing(1000)], [FIN | PING]], closed: [1000, ""] },
  { id: "7.1.4", frames: [[FIN | CLOSE, closing(1000)], [FIN | BINARY, hello]], closed: [1000, ""] },
  {
    id: "7.1.5",
    frames: [[BINARY, hello], [FIN | CLOSE, closing(1000)], [FIN | CONT, hello]],
    closed: [1000, ""],
  },
  {
    id: "7.1.6",
    frames: [[FIN | BINARY, of(65_535)], [FIN | BINARY, hello], [FIN | CLOSE, closing(1000)], [FIN | PING]],
    messages: [of(65_535), hello],
    closed: [1000, ""],
  },
  { id: "7.3.1", frames: [[FIN | CLOSE]], closed: [1005, ""] },
  { id: "7.3.2", frames: [[FIN | CLOSE, of(1)]], ...refused("websocket_close_invalid") },
  { id: "7.3.3", frames: [[FIN | CLOSE, closing(1000)]], closed: [1000, ""] },
  { id: "7.3.4", frames: [[FIN | CLOSE, closing(1000, hello)]], closed: [1000, "Hello, world!"] },
  {
    id: "7.3.5",
    frames: [[FIN | CLOSE, closing(1000, utf8("*".repeat(123)))]],
    closed: [1000, "*".repeat(123)],
  },
  {
    id: "7.3.6",
    frames: [[FIN | CLOSE, closing(1000, utf8("*".repeat(124)))]],
    ...refused("websocket_control_invalid"),
  },
  {
    id: "7.5.1",
    frames: [[FIN | CLOSE, closing(1000, fromHex("cebae1bdb9cf83cebcceb5eda080656469746564"))]],
    ...refused("websocket_close_invalid", 1007),
  },
  ...valid.flatMap((code, at): Case[] => [
    { id: `7.7.${at + 1}`, frames: [[FIN | CLOSE, closing(code)]], closed: [code, ""] },
    {
      id: `7.7.${at + 1} with a reason`,
      frames: [[FIN | CLOSE, closing(code, hello)]],
      closed: [code, "Hello, world!"],
    },
  ]),
  ...[...invalid, 5000, 65_535].map((code, at): Case => ({
    id: at < invalid.length ? `7.9.${at + 1}` : `7.13.${at - invalid.length + 1}`,
    frames: [[FIN | CLOSE, closing(code)]],
    ...refused("websocket_close_invalid"),
  })),
];

const roles: Role[] = ["client", "server"];

/** Payloads of the pongs among what was said in reply. */
function pongsOf(replies: readonly Uint8Array[], sentBy: Role): Uint8Array[] {
  return replies.filter((reply) => (reply[0] & 0x0f) === PONG).map((reply) => {
    if (sentBy === "server") return reply.slice(2);
    const key = reply.subarray(2, 6);
    return reply.slice(6).map((byte, at) => byte ^ key[at & 3]);
  });
}

for (const each of CASES) {
  Deno.test(`WebSocketFraming, Autobahn case ${each.id}`, () => {
    for (const from of roles) {
      const wire = concat(...each.frames.map(([first, payload]) => raw(from, first, payload)));
      if (each.refused !== undefined) {
        const [code, closeCode] = each.refused;
        assertRefused(framing(other(from), each.maxMessageBytes), wire, code, closeCode);
        continue;
      }
      for (const chunks of [[wire], bytewise(wire)]) {
        const receiver = framing(other(from), each.maxMessageBytes);
        const seen = receive(receiver, chunks);
        assert.deepEqual(seen.messages, each.messages ?? []);
        // RFC 6455 5.5.3: of several pings that came together the latest may be answered alone.
        const pongs = each.pongs ?? [];
        const sent = pongsOf(seen.replies, other(from));
        assert.deepEqual(sent, chunks.length === 1 ? pongs.slice(pongs.length - sent.length) : pongs);
        assert.equal(sent.length > 0, pongs.length > 0);
        const { closed } = each;
        assert.equal(seen.log.at(-1) === "closed", closed !== undefined);
        if (closed !== undefined) {
          assert.deepEqual(receiver.peerClose, { code: closed[0], reason: closed[1] });
        }
      }
    }
  });
}
