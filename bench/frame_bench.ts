/** Frame headers: written, and read back out of a full record body. No allocation in either. */
import {
  FRAME_HEADER_BYTES,
  FrameReader,
  FrameType,
  MAX_RECORD_BODY_BYTES,
  writeFrameHeader,
} from "../src/wire/mod.ts";

/** A body full of DATA frames with payloads of `payloadBytes`; returns where they end. */
function fillBody(body: Uint8Array, payloadBytes: number): number {
  const frameBytes = FRAME_HEADER_BYTES + payloadBytes;
  let at = 0;
  for (let stream = 1; at + frameBytes <= body.length; stream += 2) {
    writeFrameHeader(body, at, FrameType.data, 0, payloadBytes, stream);
    at += frameBytes;
  }
  return at;
}

const reader = new FrameReader();
for (const payloadBytes of [100, 1_000, 16_384]) {
  const body = new Uint8Array(MAX_RECORD_BODY_BYTES);
  const end = fillBody(body, payloadBytes);
  const frames = end / (FRAME_HEADER_BYTES + payloadBytes);

  Deno.bench(`write ${frames} headers, ${payloadBytes} bytes each`, { group: "write a body" }, () => {
    fillBody(body, payloadBytes);
  });

  Deno.bench(`read ${frames} headers, ${payloadBytes} bytes each`, { group: "read a body" }, () => {
    for (let at = 0; at < end; at = reader.payloadEnd) reader.read(body, at, end);
  });
}
