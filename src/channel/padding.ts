/**
 * Length buckets: a record is filled up with zeros to the next power of two, so that its length tells the relay less about
 * what it carries. Zeros, since what lay in memory before must not travel.
 */
import { FRAME_HEADER_BYTES, FrameType, RECORD_TAG_BYTES, writeFrameHeader } from "../wire/mod.ts";

/** The smallest record, header and tag included. */
const MIN_BUCKET_BYTES = 128;

/**
 * Adds a PADDING frame behind the frames that end at `bodyEnd` of the record that begins at `start`; returns the new end.
 * `bodyLimit - bodyEnd` is to hold a frame header at least.
 */
export function padToBucket(memory: Uint8Array, start: number, bodyEnd: number, bodyLimit: number): number {
  const least = bodyEnd + FRAME_HEADER_BYTES + RECORD_TAG_BYTES - start;
  let bucket = MIN_BUCKET_BYTES;
  while (bucket < least) bucket *= 2;
  const end = Math.min(start + bucket - RECORD_TAG_BYTES, bodyLimit);
  const payload = bodyEnd + FRAME_HEADER_BYTES;
  writeFrameHeader(memory, bodyEnd, FrameType.padding, 0, end - payload, 0);
  memory.fill(0, payload, end);
  return end;
}
