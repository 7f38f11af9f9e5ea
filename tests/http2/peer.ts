/** A client made of raw frames, on a connection in memory: it may break every rule. */
import {
  type HeaderBlock,
  HTTP2_LIMITS,
  Http2Connection,
  type Http2Handler,
  type Http2Limits,
  type Http2Stream,
  PREFACE,
} from "../../src/http2/mod.ts";
import { frame, FrameType, readUint32, settingsPayload, uint32 } from "../../src/http2/frame.ts";
import { HpackEncoder } from "../../src/http2/hpack_encoder.ts";
import { HpackDecoder } from "../../src/http2/hpack_decoder.ts";
import { utf8 } from "../../src/bytes/mod.ts";

export type Fields = readonly (readonly [name: string, value: string])[];

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Uint8Array;
}

export const GET: Fields = [
  [":method", "GET"],
  [":scheme", "https"],
  [":path", "/"],
  [":authority", "shop.test"],
];
export const POST: Fields = [[":method", "POST"], ...GET.slice(1)];

/** A header block of these fields; a fresh encoder each time never refers to a table. */
export function block(fields: Fields): Uint8Array<ArrayBuffer> {
  const encoder = new HpackEncoder();
  encoder.allowTable(0);
  encoder.begin();
  for (const [name, value] of fields) encoder.field(name, value);
  return encoder.block().slice();
}

/** HEADERS with END_HEADERS. */
export function headers(stream: number, fields: Fields, end = true): Uint8Array<ArrayBuffer> {
  return frame(FrameType.headers, 0x4 | (end ? 0x1 : 0), stream, block(fields));
}

export function data(stream: number, bytes: number, end = false): Uint8Array<ArrayBuffer> {
  return frame(FrameType.data, end ? 0x1 : 0, stream, new Uint8Array(bytes).fill(0x61));
}

/** Whole frames of what a server sent. */
export function framesOf(bytes: Uint8Array): Frame[] {
  const frames: Frame[] = [];
  for (let at = 0; at + 9 <= bytes.length;) {
    const length = (bytes[at] << 16) | (bytes[at + 1] << 8) | bytes[at + 2];
    frames.push({
      type: bytes[at + 3],
      flags: bytes[at + 4],
      stream: readUint32(bytes, at + 5),
      payload: bytes.slice(at + 9, at + 9 + length),
    });
    at += 9 + length;
  }
  return frames;
}

/** A server's connection with its client's hand on it. */
export class Peer implements Http2Handler {
  readonly connection: Http2Connection;
  readonly requests: { stream: Http2Stream; block: HeaderBlock }[] = [];
  readonly decoder = new HpackDecoder();
  now = 0;
  /** As it was told. */
  unread = 0;
  /** What the output says that it has queued. */
  queuedBytes = 0;
  onOpen: (stream: Http2Stream) => void = () => {};
  #out: Uint8Array[] = [];
  #rest: Uint8Array = new Uint8Array(0);

  constructor(limits: Partial<Http2Limits> = {}, settings: readonly (readonly [number, number])[] = []) {
    // deno-lint-ignore no-this-alias
    const peer = this;
    this.connection = new Http2Connection(
      { ...HTTP2_LIMITS, ...limits },
      {
        write: (bytes) => void this.#out.push(bytes.slice()),
        get queuedBytes() {
          return peer.queuedBytes;
        },
      },
      this,
    );
    this.connection.start();
    this.send(utf8(PREFACE), frame(FrameType.settings, 0, 0, settingsPayload(settings)));
    this.frames();
  }

  onRequest(stream: Http2Stream, head: HeaderBlock): void {
    this.requests.push({ stream, block: head });
    this.onOpen(stream);
  }

  wake(): void {}
  onUnread(difference: number): void {
    this.unread += difference;
  }

  send(...parts: Uint8Array[]): void {
    let bytes = this.#rest;
    for (const part of parts) {
      const joined = new Uint8Array(bytes.length + part.length);
      joined.set(bytes);
      joined.set(part, bytes.length);
      bytes = joined;
    }
    const at = this.connection.receive(bytes, 0, bytes.length, this.now);
    this.#rest = bytes.slice(at);
  }

  /** Frames since the last call, everything that may go out included. */
  frames(): Frame[] {
    this.connection.pump();
    const all = framesOf(joined(this.#out));
    this.#out = [];
    return all;
  }

  /** Number and debug data of the GOAWAY that was sent last, if any. */
  goaway(): [number, string] | undefined {
    const last = this.frames().findLast(({ type }) => type === FrameType.goaway);
    return last === undefined
      ? undefined
      : [readUint32(last.payload, 4), new TextDecoder().decode(last.payload.slice(8))];
  }

  /** Pairs of stream and number of the RST_STREAMs since the last call. */
  resets(): [number, number][] {
    return this.frames().filter(({ type }) => type === FrameType.rstStream)
      .map(({ stream, payload }) => [stream, readUint32(payload, 0)]);
  }

  fieldsOf(payload: Uint8Array): [string, string][] {
    const fields: [string, string][] = [];
    this.decoder.decode(payload, 0, payload.length, (name, value) => void fields.push([name, value]));
    return fields;
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

export { frame, FrameType, uint32 };
