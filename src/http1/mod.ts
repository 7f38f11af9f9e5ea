/** HTTP/1.1 messages without IO: strict parsing, bodies, serialising, and what a gateway changes on the way. */
export { type BodyEvent, BodyReader, responseFraming } from "./body.ts";
export {
  CHUNK_END_BYTES,
  lastChunkBytes,
  MAX_CHUNK_HEADER_BYTES,
  writeChunkEnd,
  writeChunkHeader,
  writeLastChunk,
} from "./chunked.ts";
export {
  errorMessage,
  type ErrorResponse,
  errorResponse,
  errorResponseOf,
  explainedError,
} from "./error_response.ts";
export { escapeHtml } from "./error_page.ts";
export { gatewayName } from "./fields.ts";
export { isFieldName, isFieldValue, isManagedField } from "./field_rules.ts";
export {
  acceptedRequestId,
  CONTINUE,
  forwardedRequest,
  responseToViewer,
  type ViewerConnection,
  type ViewerFacts,
  viewerFraming,
} from "./forward.ts";
export { CHUNKED, type Framing, NO_BODY, UNTIL_CLOSE, UPGRADE } from "./framing.ts";
export type { Minor } from "./head.ts";
export { type Header, HeaderList } from "./header_list.ts";
export { type Authority, parseAuthority, sameAuthority } from "./host.ts";
export {
  BODY_LIMITS,
  type BodyLimits,
  HEAD_LIMITS,
  type HeadLimits,
  MAX_INTERIM_RESPONSES,
} from "./limits.ts";
export { PartialHead } from "./partial_head.ts";
export { persistent } from "./persistent.ts";
export { isRepeatable } from "./repeatable.ts";
export { listedRequestHead, listedTrailers } from "./listed_head.ts";
export { latin1 } from "./octets.ts";
export { type OutgoingRequest, parseRequestHead, type RequestHead } from "./request_head.ts";
export { type OutgoingResponse, parseResponseHead, type ResponseHead } from "./response_head.ts";
export { serializeRequestHead, serializeResponseHead } from "./serialize.ts";
export { parseTrailers, serializeTrailers } from "./trailers.ts";
export { reasonPhrase } from "./status.ts";
