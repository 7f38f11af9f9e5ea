/**
 * Records: what one carrier message holds.
 *
 * ```
 *  0        1        2                 4
 *  +--------+--------+-----------------+----------------- ... -----------------+---------------+
 *  | kind   | 0      | epoch u16 BE    | body                                  | tag, 16 bytes |
 *  +--------+--------+-----------------+----------------- ... -----------------+---------------+
 *  handshake (1): epoch 0, body is one Noise message, no tag of the record's own
 *  transport (2): body is a batch of frames under ChaCha20-Poly1305, the four header bytes are its associated data
 * ```
 * The nonce is implicit: the number of records sealed under the epoch's key so far. Carriers keep order.
 */
import { PosternError } from "../errors/mod.ts";

/** Bytes in front of a record's body. */
export const RECORD_HEADER_BYTES = 4;
/** Bytes of the Poly1305 tag behind a transport record's body. */
export const RECORD_TAG_BYTES = 16;
/** Longest record in all, so that a WebSocket header needs the two-byte length form at most. */
export const MAX_RECORD_BYTES = 65_535;
/** Most bytes of frames in one record. */
export const MAX_RECORD_BODY_BYTES = MAX_RECORD_BYTES - RECORD_HEADER_BYTES - RECORD_TAG_BYTES;
/** Longest Noise message that is read before the peer is authenticated. */
export const MAX_HANDSHAKE_BODY_BYTES = 16_384;

export const RecordKind = { handshake: 1, transport: 2 } as const;
export type RecordKind = typeof RecordKind[keyof typeof RecordKind];

/** Writes the four header bytes at `at`. */
export function writeRecordHeader(buffer: Uint8Array, at: number, kind: RecordKind, epoch: number): void {
  buffer[at] = kind;
  buffer[at + 1] = 0;
  buffer[at + 2] = epoch >>> 8;
  buffer[at + 3] = epoch;
}

/**
 * Checks the header of the record at `[start, end)` and returns its kind.
 * @throws PosternError `record_truncated`, `record_unknown_kind`, `record_too_large`, `record_bad_epoch`
 */
export function readRecordKind(buffer: Uint8Array, start: number, end: number): RecordKind {
  const bytes = end - start;
  if (bytes < RECORD_HEADER_BYTES) {
    throw new PosternError("record_truncated", `Cannot read record: ${bytes} bytes are no header`);
  }
  const kind = buffer[start];
  if ((kind !== RecordKind.handshake && kind !== RecordKind.transport) || buffer[start + 1] !== 0) {
    throw new PosternError(
      "record_unknown_kind",
      `Cannot read record: kind ${kind}, flags ${buffer[start + 1]}`,
    );
  }
  if (kind === RecordKind.transport && bytes < RECORD_HEADER_BYTES + RECORD_TAG_BYTES) {
    throw new PosternError("record_truncated", `Cannot read record: ${bytes} bytes hold no tag`);
  }
  const most = kind === RecordKind.handshake
    ? RECORD_HEADER_BYTES + MAX_HANDSHAKE_BODY_BYTES
    : MAX_RECORD_BYTES;
  if (bytes > most) {
    throw new PosternError("record_too_large", `Cannot read record: ${bytes} bytes are over ${most}`);
  }
  if (kind === RecordKind.handshake && readRecordEpoch(buffer, start) !== 0) {
    throw new PosternError("record_bad_epoch", "Cannot read record: a handshake has no epochs");
  }
  return kind;
}

/** The epoch of a record whose header has been checked. */
export function readRecordEpoch(buffer: Uint8Array, start: number): number {
  return (buffer[start + 2] << 8) | buffer[start + 3];
}
