/**
 * The frame layer of HTTP/2 (RFC 9113 4 and 6): every number that crosses the wire.
 *
 * ```
 *   +---------------+---------------+---------------+
 *   |              length: 24, octets of the payload |
 *   +---------------+---------------+---------------+
 *   |    type: 8    |   flags: 8    |
 *   +-+-------------+---------------+---------------+
 *   |R|          stream identifier: 31               |
 *   +=+=============================================+
 * ```
 */
export const FRAME_HEADER_BYTES = 9;

/** What a client sends first (3.4). */
export const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

export const FrameType = {
  data: 0x0,
  headers: 0x1,
  priority: 0x2,
  rstStream: 0x3,
  settings: 0x4,
  pushPromise: 0x5,
  ping: 0x6,
  goaway: 0x7,
  windowUpdate: 0x8,
  continuation: 0x9,
} as const;

export const Flag = {
  /** DATA, HEADERS. */
  endStream: 0x1,
  /** SETTINGS, PING. */
  ack: 0x1,
  /** HEADERS, CONTINUATION. */
  endHeaders: 0x4,
  /** DATA, HEADERS. */
  padded: 0x8,
  /** HEADERS. */
  priority: 0x20,
} as const;

export const SettingId = {
  headerTableSize: 0x1,
  enablePush: 0x2,
  maxConcurrentStreams: 0x3,
  initialWindowSize: 0x4,
  maxFrameSize: 0x5,
  maxHeaderListSize: 0x6,
  /** RFC 8441 3. */
  enableConnectProtocol: 0x8,
} as const;

/** Error codes of RST_STREAM and GOAWAY (7). */
export const H2Error = {
  noError: 0x0,
  protocol: 0x1,
  internal: 0x2,
  flowControl: 0x3,
  streamClosed: 0x5,
  frameSize: 0x6,
  refusedStream: 0x7,
  cancel: 0x8,
  compression: 0x9,
  connect: 0xa,
  enhanceYourCalm: 0xb,
  http11Required: 0xd,
} as const;
export type H2ErrorNumber = typeof H2Error[keyof typeof H2Error];

/** Windows and frame sizes before SETTINGS say otherwise (6.5.2, 6.9.2). */
export const DEFAULT_WINDOW_BYTES = 65_535;
export const MAX_WINDOW_BYTES = 0x7fff_ffff;
/** Largest payload that is sent and accepted here: the smallest that a peer may choose. */
export const MAX_FRAME_BYTES = 16_384;
export const LARGEST_FRAME_SETTING = 16_777_215;
export const MAX_STREAM_ID = 0x7fff_ffff;

/** One whole frame. */
export function frame(
  type: number,
  flags: number,
  streamId: number,
  payload: Uint8Array = EMPTY,
): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(FRAME_HEADER_BYTES + payload.length);
  writeFrameHeader(out, payload.length, type, flags, streamId);
  out.set(payload, FRAME_HEADER_BYTES);
  return out;
}

const EMPTY = new Uint8Array(0);

/** GOAWAY: the last stream that was looked at, a number of RFC 9113 7, and text for whoever looks at the peer's log. */
export function goaway(lastStreamId: number, code: number, debug: string): Uint8Array<ArrayBuffer> {
  const payload = new Uint8Array(8 + debug.length);
  payload.set(uint32(lastStreamId, code));
  for (let at = 0; at < debug.length; at++) payload[8 + at] = debug.charCodeAt(at);
  return frame(FrameType.goaway, 0, 0, payload);
}

/** Writes a frame's header at the front of `out`. */
export function writeFrameHeader(
  out: Uint8Array,
  length: number,
  type: number,
  flags: number,
  streamId: number,
): void {
  out[0] = length >>> 16;
  out[1] = length >>> 8;
  out[2] = length;
  out[3] = type;
  out[4] = flags;
  writeUint32(out, 5, streamId);
}

export function uint32(...values: number[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(4 * values.length);
  values.forEach((value, at) => writeUint32(out, 4 * at, value));
  return out;
}

function writeUint32(out: Uint8Array, at: number, value: number): void {
  out[at] = value >>> 24;
  out[at + 1] = value >>> 16;
  out[at + 2] = value >>> 8;
  out[at + 3] = value;
}

export function readUint32(from: Uint8Array, at: number): number {
  return ((from[at] << 24) | (from[at + 1] << 16) | (from[at + 2] << 8) | from[at + 3]) >>> 0;
}

/** Payload of SETTINGS: pairs of identifier and value. */
export function settingsPayload(settings: readonly (readonly [id: number, value: number])[]): Uint8Array {
  const out = new Uint8Array(6 * settings.length);
  settings.forEach(([id, value], at) => {
    out[6 * at + 1] = id;
    writeUint32(out, 6 * at + 2, value);
  });
  return out;
}
