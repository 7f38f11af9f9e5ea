/** What is said of a failure in RST_STREAM and GOAWAY. */
import { type ErrorCode, PosternError } from "../errors/mod.ts";
import { frame, FrameType, goaway, H2Error, type H2ErrorNumber } from "./frame.ts";
import { concat } from "../bytes/mod.ts";

const NUMBERS: Partial<Record<ErrorCode, H2ErrorNumber>> = {
  h2_protocol_violation: H2Error.protocol,
  h2_frame_size: H2Error.frameSize,
  h2_flow_control: H2Error.flowControl,
  h2_compression: H2Error.compression,
  h2_rapid_reset: H2Error.enhanceYourCalm,
  h2_control_flood: H2Error.enhanceYourCalm,
  h2_header_flood: H2Error.enhanceYourCalm,
  head_timeout: H2Error.enhanceYourCalm,
};

/** The number of RFC 9113 7 for a code of ours. */
export function numberOf(code: ErrorCode): H2ErrorNumber {
  return NUMBERS[code] ?? H2Error.internal;
}

/** A violation after which the connection cannot go on. */
export function connectionError(code: ErrorCode, why: string): PosternError {
  return new PosternError(code, `Cannot go on with HTTP/2 connection: ${why}`);
}

/** All that is said to a client that speaks HTTP/2 where it may not: SETTINGS, as it must be, and GOAWAY. */
export function http1Required(): Uint8Array<ArrayBuffer> {
  return concat(frame(FrameType.settings, 0, 0), goaway(0, H2Error.http11Required, "http_h2_preface"));
}
