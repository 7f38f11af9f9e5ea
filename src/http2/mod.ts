/** HTTP/2 as its server speaks it, without IO: frames, header compression, flow control, and what a request means. */
export { Http2Body } from "./body.ts";
export { Http2Connection, type Http2Handler } from "./connection.ts";
export { http1Required } from "./error.ts";
export { H2Error, type H2ErrorNumber, PREFACE } from "./frame.ts";
export { HeaderBlock } from "./header_block.ts";
export { HTTP2_LIMITS, type Http2Limits } from "./limits.ts";
export { requestHead, type RequestOptions } from "./request.ts";
export type { Http2Output } from "./sender.ts";
export { Http2Stream, type Http2StreamHandler } from "./stream.ts";
