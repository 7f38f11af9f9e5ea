/** The wire: records, frames and their payloads. */
export { DATAGRAM_HEADER_BYTES, DatagramReader, frameDatagram, MAX_DATAGRAM_BYTES } from "./datagram.ts";
export {
  FRAME_HEADER_BYTES,
  FRAME_TABLE,
  FrameFlag,
  FrameReader,
  type FrameRow,
  FrameType,
  MAX_DATA_BYTES,
  writeFrameHeader,
} from "./frame.ts";
export {
  MAX_OPEN_TEXT_BYTES,
  openingBytes,
  readOpening,
  type StreamKind,
  type StreamOpening,
  writeOpening,
} from "./open.ts";
export {
  MAX_HANDSHAKE_BODY_BYTES,
  MAX_RECORD_BODY_BYTES,
  MAX_RECORD_BYTES,
  readRecordEpoch,
  readRecordKind,
  RECORD_HEADER_BYTES,
  RECORD_TAG_BYTES,
  RecordKind,
  writeRecordHeader,
} from "./record.ts";
export { RESET_REASONS, resetNumber, type ResetReason, resetReason } from "./reset_reason.ts";
export { STREAM_CLASSES, streamClass, type StreamClassName, type StreamClassRow } from "./stream_class.ts";
