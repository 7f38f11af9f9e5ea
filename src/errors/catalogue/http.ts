/** Failures of HTTP/1.1 messages. */
import type { ErrorFacts } from "../error.ts";

/** Why most requests are refused instead of repaired. */
const STRICT =
  "Two parsers that read one message differently can be played against each other (request smuggling), so such a message is refused, never repaired.";

export const HTTP_ERRORS = {
  http_bad_request_line: {
    title: "Malformed request line",
    blame: "viewer",
    retryable: false,
    status: 400,
    cause:
      `The first line is not "METHOD target HTTP/1.1" with single spaces, or something precedes it. ${STRICT}`,
    remedy: "Send a request line as RFC 9112 section 3 has it, with no empty line before it.",
  },
  http_bad_method: {
    title: "Malformed request method",
    blame: "viewer",
    retryable: false,
    status: 400,
    cause:
      "The method holds characters that no method has, is too long, or is not in upper case. Methods are case-sensitive: `get` is not GET.",
    remedy: "Send the method in upper case. Note that fetch() does not raise `patch` to `PATCH`.",
  },
  http_connect_refused: {
    title: "CONNECT is not served",
    blame: "viewer",
    retryable: false,
    status: 501,
    cause:
      "The request asks for a proxy tunnel. This is an entry to published services, not a forward proxy.",
    remedy: "Connect to the service by its own hostname or port.",
  },
  http_trace_refused: {
    title: "TRACE is not served",
    blame: "viewer",
    retryable: false,
    status: 501,
    cause:
      "The request asks for its own echo. The echo would show fields that are added on the way to the service, and credentials that scripts are not to read.",
    remedy: "Look at the request where it is made, or at the service behind the agent.",
  },
  http_bad_target: {
    title: "Malformed request target",
    blame: "viewer",
    retryable: false,
    status: 400,
    cause:
      "The target holds white space, control characters, a fragment or text that is not ASCII, or is neither a path nor an http URL nor the `*` of OPTIONS.",
    remedy: "Percent-encode the path and query, and leave the fragment out.",
  },
  http_uri_too_long: {
    title: "Request target too long",
    blame: "viewer",
    retryable: false,
    status: 414,
    cause: "The request target is longer than `limits.max_target_bytes` (16 KiB by default).",
    remedy: "Shorten the query, or move it into a request body.",
  },
  http_unsupported_version: {
    title: "HTTP version not supported",
    blame: "viewer",
    retryable: false,
    status: 505,
    cause: "The message is neither HTTP/1.1 nor HTTP/1.0.",
    remedy: "Speak HTTP/1.1, or HTTP/2 where TLS negotiates it.",
  },
  http_h2_preface: {
    title: "HTTP/2 without negotiation",
    blame: "viewer",
    retryable: false,
    status: 505,
    cause:
      "The connection opens with the HTTP/2 preface where HTTP/1.1 is expected: without TLS HTTP/2 is spoken only with addresses that `h2c_from` names. The answer is GOAWAY with HTTP_1_1_REQUIRED.",
    remedy:
      "Use HTTP/2 over TLS with ALPN, or HTTP/1.1; for a load balancer of yours add its address to `h2c_from`.",
  },
  http_head_too_large: {
    title: "Message head too large",
    blame: "viewer",
    retryable: false,
    status: 431,
    cause: "The first line and the header fields together are longer than the limit (32 KiB by default).",
    remedy: "Send fewer or shorter header fields; large cookies are the usual reason.",
  },
  http_too_many_headers: {
    title: "Too many header fields",
    blame: "viewer",
    retryable: false,
    status: 431,
    cause: "The message has more field lines than the limit (100 by default, 32 in trailers).",
    remedy: "Send fewer header fields.",
  },
  http_bare_line_ending: {
    title: "Bare CR or LF",
    blame: "viewer",
    retryable: false,
    status: 400,
    cause: `A carriage return or a line feed stands alone where only the two together end a line. ${STRICT}`,
    remedy: "End every line with CR LF.",
  },
  http_obs_fold: {
    title: "Folded header field",
    blame: "viewer",
    retryable: false,
    status: 400,
    cause: `A field line starts with white space, which once continued the line before it. ${STRICT}`,
    remedy: "Send each header field in one line.",
  },
  http_bad_header_name: {
    title: "Malformed header field name",
    blame: "viewer",
    retryable: false,
    status: 400,
    cause:
      `A field line has no colon, an empty name, white space before the colon, or a name with characters that no name has. ${STRICT}`,
    remedy: "Send field names that are tokens (RFC 9110 section 5.6.2), directly followed by a colon.",
  },
  http_lookalike_header: {
    title: "Lookalike header field",
    blame: "viewer",
    retryable: false,
    status: 400,
    cause:
      "A field name differs from one that frames or routes the message only by punctuation (such as Content_Length). Many origins take the two for the same.",
    remedy: "Spell the field name with hyphens, or choose another name.",
  },
  http_bad_header_value: {
    title: "Malformed header field value",
    blame: "viewer",
    retryable: false,
    status: 400,
    cause: "A field value holds NUL or another control character.",
    remedy: "Encode the value so that it consists of visible characters, spaces and tabs.",
  },
  http_bad_host: {
    title: "Missing or malformed Host",
    blame: "viewer",
    retryable: false,
    status: 400,
    cause:
      "An HTTP/1.1 request must have exactly one Host field with a hostname or IP address and at most a port.",
    remedy: "Send one well-formed Host field.",
  },
  http_host_mismatch: {
    title: "Host contradicts the target",
    blame: "viewer",
    retryable: false,
    status: 400,
    cause: `The request target names one host, the Host field another. ${STRICT}`,
    remedy: "Send the path only as target, or the same host in both places.",
  },
  http_conflicting_framing: {
    title: "Conflicting message length",
    blame: "viewer",
    retryable: false,
    status: 400,
    cause:
      `The message states its length more than once: two Content-Length fields, or Content-Length and Transfer-Encoding. ${STRICT}`,
    remedy: "Send either one Content-Length or Transfer-Encoding: chunked.",
  },
  http_bad_content_length: {
    title: "Malformed Content-Length",
    blame: "viewer",
    retryable: false,
    status: 400,
    cause: `Content-Length is not one decimal number without sign and leading zeros, below 2^53. ${STRICT}`,
    remedy: "Send the body's length in octets as plain digits.",
  },
  http_bad_transfer_encoding: {
    title: "Malformed Transfer-Encoding",
    blame: "viewer",
    retryable: false,
    status: 400,
    cause:
      `Transfer-Encoding is something else than \`chunked\`, is repeated, or is sent with HTTP/1.0. ${STRICT}`,
    remedy: "Send Transfer-Encoding: chunked once, with HTTP/1.1.",
  },
  http_unsupported_transfer_encoding: {
    title: "Transfer coding not supported",
    blame: "viewer",
    retryable: false,
    status: 501,
    cause: "The body has a compressing transfer coding under chunked.",
    remedy: "Compress with Content-Encoding instead; only `chunked` is understood as Transfer-Encoding.",
  },
  http_bad_connection: {
    title: "Malformed Connection",
    blame: "viewer",
    retryable: false,
    status: 400,
    cause:
      `Connection holds something that is no token, or declares Host, Content-Length or Transfer-Encoding to be for one hop only, so that the next hop would misread the message. ${STRICT}`,
    remedy: "Name only connection options there, such as close, keep-alive or upgrade.",
  },
  http_bad_upgrade: {
    title: "Malformed Upgrade",
    blame: "viewer",
    retryable: false,
    status: 400,
    cause:
      `Upgrade is present but Connection does not nominate it, or it does not name a protocol. ${STRICT}`,
    remedy: "Send Connection: Upgrade together with Upgrade.",
  },
  http_bad_expectation: {
    title: "Unknown expectation",
    blame: "viewer",
    retryable: false,
    status: 417,
    cause: "Expect holds something else than 100-continue.",
    remedy: "Leave Expect out, or send Expect: 100-continue.",
  },
  http_bad_chunk: {
    title: "Malformed chunk",
    blame: "viewer",
    retryable: false,
    status: 400,
    cause:
      `A chunk has a malformed size, malformed or overlong extensions, or data that does not end where its size says. ${STRICT}`,
    remedy: "Frame the body as RFC 9112 section 7.1 has it.",
  },
  http_chunk_too_large: {
    title: "Chunk too large",
    blame: "viewer",
    retryable: false,
    status: 413,
    cause: "A chunk declares a size above the limit (1 TiB by default).",
    remedy: "Send smaller chunks.",
  },
  http_trailers_too_large: {
    title: "Trailers too large",
    blame: "viewer",
    retryable: false,
    status: 431,
    cause: "The fields after a chunked body are longer than the limit (8 KiB by default).",
    remedy: "Send fewer or shorter trailer fields.",
  },
  http_truncated_body: {
    title: "Body ended early",
    blame: "peer",
    retryable: true,
    status: 502,
    cause: "The connection was closed before the body was as long as its head had announced.",
    remedy:
      "Send the request again. If an origin does this repeatedly, look for crashes or time limits there.",
  },
  http_bad_status_line: {
    title: "Malformed status line",
    blame: "origin",
    retryable: false,
    status: 502,
    cause:
      'The first line of the origin\'s response is not "HTTP/1.1 status reason". Often the port speaks TLS.',
    remedy: "Check that the service's address and scheme are those of an HTTP/1.1 server.",
  },
  http_bad_response: {
    title: "Unusable response of the origin",
    blame: "origin",
    retryable: false,
    status: 502,
    cause:
      "The origin's response breaks HTTP/1.1 so that its end could be read in two ways. `violation` in the details is the code of the rule that it breaks.",
    remedy: "Look up the violation's code; correct the origin server or what it runs.",
  },
  http_header_injection: {
    title: "Header injection prevented",
    blame: "local",
    retryable: false,
    status: 500,
    cause:
      "A message was about to be written with a part that holds a line break or does not belong in its place.",
    remedy:
      "Look at where the header value comes from: configuration first. If it is none of yours, report a bug.",
  },
} as const satisfies Record<string, ErrorFacts>;
