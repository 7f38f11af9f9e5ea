/**
 * The frame table. A record's body is a run of frames, each a fixed header and its payload:
 *
 * ```
 *  0        1        2                 4                                   8
 *  +--------+--------+-----------------+-----------------------------------+---- ... ----+
 *  | type   | flags  | length u16 BE   | stream u32 BE (0: the channel)    | payload     |
 *  +--------+--------+-----------------+-----------------------------------+---- ... ----+
 * ```
 *
 * {@link FRAME_TABLE} is the specification; docs/reference/frames.md is generated from it.
 */
import { PosternError } from "../errors/mod.ts";

/** Bytes in front of a frame's payload. */
export const FRAME_HEADER_BYTES = 8;

export const FrameType = {
  padding: 0x00,
  open: 0x01,
  data: 0x02,
  reset: 0x03,
  credit: 0x04,
  ping: 0x05,
  pong: 0x06,
  goaway: 0x07,
  control: 0x08,
  close: 0x09,
} as const;
export type FrameType = typeof FrameType[keyof typeof FrameType];

export const FrameFlag = {
  /** DATA: the last bytes of this direction (half-close). */
  end: 0x01,
  /** DATA: the payload is an HTTP trailer section, only together with `end`. */
  trailers: 0x02,
} as const;

/** One row: where a type may stand, which flags it may carry and how long its payload is. */
export interface FrameRow {
  readonly name: string;
  readonly type: FrameType;
  /** `channel`: stream id 0. `stream`: any other. `either`: both. */
  readonly on: "channel" | "stream" | "either";
  readonly flags: number;
  /** Payload bytes, both ends included. */
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly payload: string;
}

const DATA_MAX_BYTES = 65_507;

/** Indexed by type. */
export const FRAME_TABLE: readonly FrameRow[] = [
  {
    name: "PADDING",
    type: 0x00,
    on: "channel",
    flags: 0,
    minBytes: 0,
    maxBytes: DATA_MAX_BYTES,
    payload: "ignored",
  },
  {
    name: "OPEN",
    type: 0x01,
    on: "stream",
    flags: 0,
    minBytes: 6,
    maxBytes: 1_024,
    payload:
      "class u8 · kind u8 (1 http, 2 tcp, 3 udp) · service u16 · viewer address (u8 length, ASCII) · request id (u8 length, ASCII) · for tcp, unless unknown: address that the viewer asked for (u8 length, ASCII)",
  },
  {
    name: "DATA",
    type: 0x02,
    on: "stream",
    flags: FrameFlag.end | FrameFlag.trailers,
    minBytes: 0,
    maxBytes: DATA_MAX_BYTES,
    payload: "bytes of the stream; counted against stream and channel credit",
  },
  { name: "RESET", type: 0x03, on: "stream", flags: 0, minBytes: 2, maxBytes: 2, payload: "reason u16" },
  {
    name: "CREDIT",
    type: 0x04,
    on: "either",
    flags: 0,
    minBytes: 4,
    maxBytes: 4,
    payload: "further bytes that may be sent u32, not 0",
  },
  {
    name: "PING",
    type: 0x05,
    on: "channel",
    flags: 0,
    minBytes: 8,
    maxBytes: 8,
    payload: "opaque to the receiver, 8 bytes",
  },
  {
    name: "PONG",
    type: 0x06,
    on: "channel",
    flags: 0,
    minBytes: 8,
    maxBytes: 8,
    payload: "the PING's 8 bytes",
  },
  {
    name: "GOAWAY",
    type: 0x07,
    on: "channel",
    flags: 0,
    minBytes: 6,
    maxBytes: 6,
    payload: "reason u16 · milliseconds until open streams are cut u32; the receiver opens no further stream",
  },
  {
    name: "CONTROL",
    type: 0x08,
    on: "channel",
    flags: 0,
    minBytes: 2,
    maxBytes: 16_384,
    payload: "JSON object with a `type`, UTF-8 (handshake result, service status, re-authentication)",
  },
  {
    name: "CLOSE",
    type: 0x09,
    on: "channel",
    flags: 0,
    minBytes: 0,
    maxBytes: 64,
    payload: "error code, ASCII; empty for a clean end. Nothing follows it",
  },
];

/** Most payload bytes of a DATA frame: a full record holds exactly one. */
export const MAX_DATA_BYTES = DATA_MAX_BYTES;

/** Writes a frame header at `at`; the payload follows at `at + FRAME_HEADER_BYTES`. */
export function writeFrameHeader(
  buffer: Uint8Array,
  at: number,
  type: FrameType,
  flags: number,
  length: number,
  stream: number,
): void {
  buffer[at] = type;
  buffer[at + 1] = flags;
  buffer[at + 2] = length >>> 8;
  buffer[at + 3] = length;
  buffer[at + 4] = stream >>> 24;
  buffer[at + 5] = stream >>> 16;
  buffer[at + 6] = stream >>> 8;
  buffer[at + 7] = stream;
}

/** Reads frames one after the other out of an opened record, without allocating. */
export class FrameReader {
  type: FrameType = FrameType.padding;
  flags = 0;
  stream = 0;
  /** Payload of the frame just read: `[payloadStart, payloadEnd)` of the buffer. */
  payloadStart = 0;
  payloadEnd = 0;

  /**
   * Reads the frame at `at` of a body that ends at `end`. The next one starts at {@link payloadEnd}.
   * @throws PosternError `frame_truncated`, `frame_unknown_type`, `frame_bad_flags`, `frame_bad_stream`,
   *   `frame_bad_length`: all end the channel
   */
  read(buffer: Uint8Array, at: number, end: number): void {
    if (end - at < FRAME_HEADER_BYTES) {
      throw new PosternError("frame_truncated", `Cannot read frame: ${end - at} bytes are no header`);
    }
    const type = buffer[at];
    const row = FRAME_TABLE[type];
    if (row === undefined) throw new PosternError("frame_unknown_type", `Cannot read frame: type ${type}`);
    const flags = buffer[at + 1];
    if ((flags & ~row.flags) !== 0) {
      throw new PosternError("frame_bad_flags", `Cannot read ${row.name} frame: flags ${flags}`);
    }
    const length = (buffer[at + 2] << 8) | buffer[at + 3];
    if (length < row.minBytes || length > row.maxBytes) {
      throw new PosternError("frame_bad_length", `Cannot read ${row.name} frame: length ${length}`);
    }
    const stream =
      ((buffer[at + 4] << 24) | (buffer[at + 5] << 16) | (buffer[at + 6] << 8) | buffer[at + 7]) >>> 0;
    if (stream === 0 ? row.on === "stream" : row.on === "channel") {
      throw new PosternError("frame_bad_stream", `Cannot read ${row.name} frame: on stream ${stream}`);
    }
    const payloadStart = at + FRAME_HEADER_BYTES;
    if (end - payloadStart < length) {
      throw new PosternError("frame_truncated", `Cannot read ${row.name} frame: ${length} bytes announced`);
    }
    this.type = row.type;
    this.flags = flags;
    this.stream = stream;
    this.payloadStart = payloadStart;
    this.payloadEnd = payloadStart + length;
  }
}
