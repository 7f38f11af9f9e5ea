/** Failures of HTTP/2 connections and requests. */
import type { ErrorFacts } from "../error.ts";

export const HTTP2_ERRORS = {
  h2_protocol_violation: {
    title: "HTTP/2 rule broken",
    blame: "viewer",
    retryable: false,
    cause:
      "A frame came that RFC 9113 does not allow where it came. The connection ended with GOAWAY and PROTOCOL_ERROR.",
    remedy: "Look for a bug in the HTTP/2 client, or in a proxy between it and the edge.",
  },
  h2_frame_size: {
    title: "HTTP/2 frame of the wrong size",
    blame: "viewer",
    retryable: false,
    cause:
      "A frame is larger than 16,384 bytes, or has not the size that its type demands. The connection ended with GOAWAY and FRAME_SIZE_ERROR.",
    remedy: "Let the client obey SETTINGS_MAX_FRAME_SIZE; look for a bug in it.",
  },
  h2_flow_control: {
    title: "HTTP/2 window exceeded",
    blame: "viewer",
    retryable: false,
    cause:
      "The client sent more than its window allowed, or raised a window beyond 2^31-1. The connection ended with GOAWAY and FLOW_CONTROL_ERROR.",
    remedy: "Look for a bug in the HTTP/2 client.",
  },
  h2_compression: {
    title: "Malformed header block",
    blame: "viewer",
    retryable: false,
    cause:
      "A header block cannot be decompressed (RFC 7541). Both ends would disagree about all further ones, so the connection ended with GOAWAY and COMPRESSION_ERROR.",
    remedy: "Look for a bug in the HTTP/2 client, or in a proxy between it and the edge.",
  },
  h2_rapid_reset: {
    title: "Too many requests were cut",
    blame: "viewer",
    retryable: true,
    cause:
      "The client reset more requests before their answers than 200 in one go or 33 a second: each costs the origin work that nobody wants (CVE-2023-44487). The connection ended with GOAWAY and ENHANCE_YOUR_CALM.",
    remedy: "Wait for answers, or send fewer requests that are cancelled at once.",
  },
  h2_control_flood: {
    title: "Too many control frames",
    blame: "viewer",
    retryable: true,
    cause:
      "PING, SETTINGS, PRIORITY, empty DATA and other frames that carry no request came faster than 100 a second, after 1,000 in one go. The connection ended with GOAWAY and ENHANCE_YOUR_CALM.",
    remedy: "Send keep-alive PINGs once a minute or so; look for a client that has gone wrong.",
  },
  h2_header_flood: {
    title: "Header block without end",
    blame: "viewer",
    retryable: false,
    cause:
      "A header block is longer than 128 KiB compressed, or in more than 16 CONTINUATION frames. The connection ended with GOAWAY and ENHANCE_YOUR_CALM.",
    remedy: "Send fewer or shorter header fields, in frames of full size.",
  },
  h2_bad_pseudo_header: {
    title: "Malformed pseudo-header fields",
    blame: "viewer",
    retryable: false,
    status: 400,
    cause:
      "`:method`, `:scheme` and `:path` must come once each before all other fields, `:authority` at most once; nothing else may begin with a colon, and trailers have none.",
    remedy: "Send the pseudo-header fields as RFC 9113 section 8.3 has them.",
  },
  h2_connection_field: {
    title: "Field for HTTP/1.1 connections only",
    blame: "viewer",
    retryable: false,
    status: 400,
    cause:
      "Connection, Keep-Alive, Proxy-Connection, Transfer-Encoding, Upgrade, or TE other than `trailers` came in an HTTP/2 request. Passed on, it could change how the next server reads the message.",
    remedy: "Leave the field out, as RFC 9113 section 8.2.2 demands.",
  },
  h2_body_length: {
    title: "Body is not as long as announced",
    blame: "viewer",
    retryable: false,
    status: 400,
    cause: "The DATA frames of the request are more or fewer bytes than its Content-Length says.",
    remedy: "Send the right Content-Length, or none.",
  },
} as const satisfies Record<string, ErrorFacts>;
