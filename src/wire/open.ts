/** The payload of OPEN: what the receiver needs to know before the first byte of a stream. */
import { PosternError } from "../errors/mod.ts";
import { STREAM_CLASSES } from "./stream_class.ts";

export type StreamKind = "http" | "tcp" | "udp";

export interface StreamOpening {
  /** Index into `STREAM_CLASSES`. */
  readonly class: number;
  readonly kind: StreamKind;
  /** Number of the service within the channel, as told in `ready`. */
  readonly service: number;
  /** `address:port` of the viewer, ASCII; for logs. Peer text. */
  readonly viewer: string;
  /** Request or connection id for correlation. Peer text. */
  readonly requestId: string;
  /** `address:port` that the viewer connected to, ASCII, not empty; for raw bytes only. Peer text. */
  readonly destination?: string;
}

const KINDS: readonly StreamKind[] = ["http", "tcp", "udp"];
/** Longest text of an OPEN: viewer, request id, destination. */
export const MAX_OPEN_TEXT_BYTES = 128;

/** Bytes of the payload that {@link writeOpening} makes. */
export function openingBytes(opening: StreamOpening): number {
  const { viewer, requestId, destination } = opening;
  return 6 + viewer.length + requestId.length + (destination === undefined ? 0 : 1 + destination.length);
}

/**
 * Writes the payload at `at` and returns its end. Texts have at most {@link MAX_OPEN_TEXT_BYTES} characters; what is not
 * printable ASCII is written as `?`, since the receiver would end the channel for it.
 */
export function writeOpening(buffer: Uint8Array, at: number, opening: StreamOpening): number {
  buffer[at] = opening.class;
  buffer[at + 1] = KINDS.indexOf(opening.kind) + 1;
  buffer[at + 2] = opening.service >>> 8;
  buffer[at + 3] = opening.service;
  const end = writeText(buffer, writeText(buffer, at + 4, opening.viewer), opening.requestId);
  return opening.destination === undefined ? end : writeText(buffer, end, opening.destination);
}

/** @throws PosternError `frame_bad_open` */
export function readOpening(buffer: Uint8Array, start: number, end: number): StreamOpening {
  const kind = KINDS[buffer[start + 1] - 1];
  if (buffer[start] >= STREAM_CLASSES.length || kind === undefined) {
    throw new PosternError("frame_bad_open", "Cannot read OPEN frame: unknown class or kind");
  }
  const viewer = readText(buffer, start + 4, end);
  const requestId = readText(buffer, start + 5 + viewer.length, end);
  const after = start + 6 + viewer.length + requestId.length;
  const destination = after < end ? readText(buffer, after, end) : undefined;
  if (destination !== undefined && (destination === "" || after + 1 + destination.length !== end)) {
    throw new PosternError("frame_bad_open", "Cannot read OPEN frame: bytes are left over");
  }
  return {
    class: buffer[start],
    kind,
    service: (buffer[start + 2] << 8) | buffer[start + 3],
    viewer,
    requestId,
    ...(destination === undefined ? {} : { destination }),
  };
}

function writeText(buffer: Uint8Array, at: number, text: string): number {
  if (text.length > MAX_OPEN_TEXT_BYTES) throw new RangeError(`text of ${text.length} bytes in OPEN`);
  buffer[at++] = text.length;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    buffer[at++] = code < 0x20 || code > 0x7e ? 0x3f : code;
  }
  return at;
}

function readText(buffer: Uint8Array, at: number, end: number): string {
  const length = at < end ? buffer[at] : MAX_OPEN_TEXT_BYTES + 1;
  if (length > MAX_OPEN_TEXT_BYTES || at + 1 + length > end) {
    throw new PosternError("frame_bad_open", "Cannot read OPEN frame: a text runs over the end");
  }
  let text = "";
  for (let i = at + 1; i <= at + length; i++) {
    const byte = buffer[i];
    if (byte < 0x20 || byte > 0x7e) {
      throw new PosternError("frame_bad_open", "Cannot read OPEN frame: a text is not printable ASCII");
    }
    text += String.fromCharCode(byte);
  }
  return text;
}
