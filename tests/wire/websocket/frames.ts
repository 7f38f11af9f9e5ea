/** Ends of a WebSocket as tests want them: frames right or wrong, received as a pump receives. */
import assert from "node:assert/strict";
import { concat } from "../../../src/bytes/mod.ts";
import { type ErrorCode, PosternError } from "../../../src/errors/mod.ts";
import type { Random } from "../../../src/ports/mod.ts";
import { WebSocketFraming } from "../../../src/wire/websocket/mod.ts";

export type Role = "client" | "server";

/** Not random at all, so that bytes on the wire can be stated. */
export const counting: Random = (bytes) => Uint8Array.from({ length: bytes }, (_, i) => (i * 7 + 1) & 0xff);

export function framing(role: Role, maxMessageBytes?: number): WebSocketFraming {
  const options = { maxMessageBytes };
  return role === "client" ? WebSocketFraming.client(counting, options) : WebSocketFraming.server(options);
}

export const other = (role: Role): Role => role === "client" ? "server" : "client";

/** Wire bytes of one message. */
export function wireOf(sender: WebSocketFraming, message: Uint8Array): Uint8Array {
  const start = sender.headerBytes + 3;
  const buffer = concat(new Uint8Array(start), message, new Uint8Array(2));
  const end = sender.frame(buffer, start, start + message.length);
  return buffer.slice(start - sender.headerBytes, end);
}

/** One frame as the given role would send it, right or wrong. */
export function raw(
  from: Role,
  first: number,
  payload: Uint8Array = new Uint8Array(0),
  lengthBytes?: 1 | 2 | 8,
): Uint8Array {
  const maskBit = from === "client" ? 0x80 : 0;
  const form = lengthBytes ?? (payload.length < 126 ? 1 : payload.length < 65_536 ? 2 : 8);
  const header = new DataView(new ArrayBuffer(form === 1 ? 2 : 2 + form));
  header.setUint8(0, first);
  header.setUint8(1, maskBit | (form === 1 ? payload.length : form === 2 ? 126 : 127));
  if (form === 2) header.setUint16(2, payload.length);
  if (form === 8) header.setBigUint64(2, BigInt(payload.length));
  const headerBytes = new Uint8Array(header.buffer);
  if (!maskBit) return concat(headerBytes, payload);
  const key = Uint8Array.of(0x37, 0xfa, 0x21, 0x3d);
  return concat(headerBytes, key, payload.map((byte, i) => byte ^ key[i & 3]));
}

export interface Seen {
  readonly messages: Uint8Array[];
  readonly replies: Uint8Array[];
  /** What happened in order: `message`, `pong`... */
  readonly log: string[];
}

/**
 * Receives as a pump does: a buffer of no more than the stated size, compacted when it is full, bytes arriving in the
 * given chunks. Fails if the framing needs more room than it says, or makes no progress.
 */
export function receive(receiver: WebSocketFraming, chunks: Iterable<Uint8Array>): Seen {
  const buffer = new Uint8Array(receiver.receiveBufferBytes);
  const seen: Seen = { messages: [], replies: [], log: [] };
  let start = 0, end = 0;
  const reply = () => {
    const bytes = receiver.takeReply();
    if (!bytes) return;
    seen.replies.push(bytes);
    seen.log.push("reply");
  };
  for (const whole of chunks) {
    for (let rest = whole; rest.length > 0;) {
      buffer.copyWithin(0, start, end);
      end -= start;
      start = 0;
      const part = rest.subarray(0, buffer.length - end);
      assert.ok(part.length > 0, "no room left, and no progress");
      buffer.set(part, end);
      end += part.length;
      rest = rest.subarray(part.length);
      for (;;) {
        const result = receiver.next(buffer, start, end);
        assert.ok(receiver.nextStart >= start && receiver.nextStart <= end);
        if (result === "incomplete") break;
        if (result === "message") {
          assert.ok(receiver.messageStart >= start && receiver.messageEnd <= receiver.nextStart);
          seen.messages.push(buffer.slice(receiver.messageStart, receiver.messageEnd));
          seen.log.push("message");
        }
        start = receiver.nextStart;
        reply();
        if (result === "closed") {
          seen.log.push("closed");
          return seen;
        }
      }
    }
  }
  return seen;
}

export function bytewise(bytes: Uint8Array): Uint8Array[] {
  return Array.from(bytes, (byte) => Uint8Array.of(byte));
}

export function assertRefused(
  receiver: WebSocketFraming,
  wire: Uint8Array,
  code: ErrorCode,
  closeCode: number,
): void {
  const refused = (error: unknown) => {
    assert.ok(error instanceof PosternError, String(error));
    assert.equal(error.code, code);
    assert.equal(error.detail.close_code, closeCode);
    return true;
  };
  assert.throws(() => receive(receiver, [wire]), refused);
  const owed = receiver.takeReply();
  assert.ok(owed, "a close frame is owed");
  assert.throws(() => receiver.next(new Uint8Array(8), 0, 8), refused, "it stays refused");
  const end = receive(framing(owed[1] >= 0x80 ? "server" : "client"), [owed]);
  assert.deepEqual(end.log, ["reply", "closed"]);
}
