/** Requests that a gateway must not pass on, by the code that each is refused with. Known from published attacks. */
import type { ErrorCode } from "../../src/errors/mod.ts";

export interface Refusal {
  readonly name: string;
  readonly text: string;
  readonly code: ErrorCode;
}

const rows: Refusal[] = [];

function raw(code: ErrorCode, name: string, text: string): void {
  rows.push({ name, text, code });
}

/** A request with these field lines besides Host. */
function fields(code: ErrorCode, name: string, lines: string, method = "POST"): void {
  raw(code, name, `${method} / HTTP/1.1\r\nHost: a.example\r\n${lines}\r\n\r\n`);
}

/** A well-formed request but for its first line. */
function line(code: ErrorCode, name: string, first: string): void {
  raw(code, name, `${first}\r\nHost: a.example\r\n\r\n`);
}

// Request line
line("http_bad_request_line", "leading CRLF", "\r\nGET / HTTP/1.1");
line("http_bad_request_line", "leading space", " GET / HTTP/1.1");
line("http_bad_request_line", "two spaces before the target", "GET  / HTTP/1.1");
line("http_bad_request_line", "two spaces before the version", "GET /  HTTP/1.1");
line("http_bad_request_line", "space behind the version", "GET / HTTP/1.1 ");
line("http_bad_request_line", "fourth word", "GET / HTTP/1.1 HTTP/1.1");
line("http_bad_request_line", "space in the target", "GET /a b HTTP/1.1");
line("http_bad_request_line", "method only", "GET");
line("http_bad_request_line", "no target", "GET ");
line("http_bad_request_line", "version in lower case", "GET / http/1.1");
line("http_bad_request_line", "version without dot", "GET / HTTP/11");
line("http_bad_request_line", "version with two digits", "GET / HTTP/1.10");
line("http_bad_request_line", "version with leading zero", "GET / HTTP/01.1");
line("http_bad_request_line", "another protocol", "GET / ICY/1.1");
line("http_unsupported_version", "HTTP/0.9 without version", "GET /");
line("http_unsupported_version", "HTTP/0.9", "GET / HTTP/0.9");
line("http_unsupported_version", "HTTP/1.2", "GET / HTTP/1.2");
line("http_unsupported_version", "HTTP/2.0", "GET / HTTP/2.0");
line("http_unsupported_version", "HTTP/9.9", "GET / HTTP/9.9");
raw("http_h2_preface", "HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
line("http_bad_method", "PRI as a method", "PRI / HTTP/1.1");
line("http_bad_method", "method in lower case", "get / HTTP/1.1");
line("http_bad_method", "method in mixed case", "HeaD / HTTP/1.1");
line("http_bad_method", "method with colon", "GE:T / HTTP/1.1");
line("http_bad_method", "method with NUL", "GE\0T / HTTP/1.1");
line("http_bad_method", "tab behind the method", "GET\t/ HTTP/1.1");
line("http_bad_method", "method too long", `${"A".repeat(25)} / HTTP/1.1`);
line("http_bad_method", "TLS ClientHello", "\x16\x03\x01\x02\x00\x01");
line("http_connect_refused", "CONNECT", "CONNECT a.example:443 HTTP/1.1");
line("http_trace_refused", "TRACE", "TRACE / HTTP/1.1");
line("http_trace_refused", "TRACE in absolute-form", "TRACE http://a.example/ HTTP/1.1");
line("http_bad_target", "authority-form without CONNECT", "GET a.example:80 HTTP/1.1");
line("http_bad_target", "asterisk-form without OPTIONS", "GET * HTTP/1.1");
line("http_bad_target", "asterisk with query", "OPTIONS *?a HTTP/1.1");
line("http_bad_target", "relative path", "GET a/b HTTP/1.1");
line("http_bad_target", "fragment", "GET /a#b HTTP/1.1");
line("http_bad_target", "NUL in the target", "GET /\0 HTTP/1.1");
line("http_bad_target", "tab in the target", "GET /a\tb HTTP/1.1");
line("http_bad_target", "DEL in the target", "GET /\x7f HTTP/1.1");
line("http_bad_target", "non-ASCII in the target", "GET /\xe4 HTTP/1.1");
line("http_bad_target", "foreign scheme", "GET ftp://a.example/ HTTP/1.1");
line("http_bad_target", "user information in the target", "GET http://u@a.example/ HTTP/1.1");
line("http_bad_target", "empty authority", "GET http:///a HTTP/1.1");
line("http_bad_target", "backslash in the authority", "GET http://a.example\\@b/ HTTP/1.1");
line("http_uri_too_long", "target too long", `GET /${"a".repeat(8192)} HTTP/1.1`);
line("http_bare_line_ending", "bare CR in the target", "GET /a\rb HTTP/1.1");
line("http_bare_line_ending", "bare LF in the target", "GET /a\nb HTTP/1.1");
raw("http_bare_line_ending", "LF behind the request line", "GET / HTTP/1.1\nHost: a.example\n\n");
raw("http_bare_line_ending", "CR behind the request line", "GET / HTTP/1.1\rHost: a.example\r\n\r\n");
raw("http_bare_line_ending", "LF behind the method", "GET\n/ HTTP/1.1\r\n\r\n");

// Field lines
raw("http_bare_line_ending", "LF behind a field", "GET / HTTP/1.1\r\nHost: a.example\nX: y\r\n\r\n");
raw("http_bare_line_ending", "CR behind a field", "GET / HTTP/1.1\r\nHost: a.example\rX: y\r\n\r\n");
raw("http_bare_line_ending", "CR CR LF behind a field", "GET / HTTP/1.1\r\nHost: a.example\r\r\n\r\n");
raw("http_bare_line_ending", "LF as empty line", "GET / HTTP/1.1\r\nHost: a.example\r\n\nGET");
raw("http_bare_line_ending", "CR as empty line", "GET / HTTP/1.1\r\nHost: a.example\r\n\rGET");
raw("http_bare_line_ending", "LF in a field name", "GET / HTTP/1.1\r\nHo\nst: a.example\r\n\r\n");
fields("http_obs_fold", "folded field", "X-A: b\r\n c");
fields("http_obs_fold", "field folded with a tab", "Transfer-Encoding:\r\n\tchunked");
raw("http_obs_fold", "first field line starts with a space", "GET / HTTP/1.1\r\n Host: a.example\r\n\r\n");
fields("http_bad_header_name", "space before the colon", "Transfer-Encoding : chunked");
fields("http_bad_header_name", "tab before the colon", "Content-Length\t: 3");
fields("http_bad_header_name", "no colon", "X-A");
fields("http_bad_header_name", "empty name", ": b");
fields("http_bad_header_name", "NUL in the name", "Transfer-Encoding\0: chunked");
fields("http_bad_header_name", "vertical tab before the colon", "Content-Length\x0b: 3");
fields("http_bad_header_name", "non-ASCII in the name", "Content-Length\xa0: 3");
fields("http_bad_header_name", "parentheses in the name", "X(A): b");
fields("http_bad_header_name", "space in the name", "Content Length: 3");
fields("http_bad_header_name", "request in a field line", "GET /admin HTTP/1.1");
fields("http_lookalike_header", "Content_Length", "Content_Length: 3");
fields("http_lookalike_header", "Transfer_Encoding", "transfer_encoding: chunked");
fields("http_lookalike_header", "Content.Length", "Content.Length: 3");
fields("http_lookalike_header", "Transfer~Encoding", "Transfer~Encoding: chunked");
fields("http_bad_header_value", "NUL in a value", "X-A: a\0b");
fields("http_bad_header_value", "vertical tab in a value", "Transfer-Encoding: \x0bchunked");
fields("http_bad_header_value", "form feed in a value", "Transfer-Encoding: chunked\x0c");
fields("http_bad_header_value", "backspace in a value", "X-A: \x08");
fields("http_bad_header_value", "DEL in a value", "X-A: \x7f");
fields(
  "http_too_many_headers",
  "101 fields",
  Array.from({ length: 100 }, (_, at) => `X-${at}: a`).join("\r\n"),
);
fields(
  "http_head_too_large",
  "head above 32 KiB",
  Array.from({ length: 5 }, (_, at) => `X-${at}: ${"a".repeat(8000)}`).join("\r\n"),
);

// Host
raw("http_bad_host", "no Host", "GET / HTTP/1.1\r\nX: y\r\n\r\n");
raw("http_bad_host", "no field at all", "GET / HTTP/1.1\r\n\r\n");
raw("http_bad_host", "absolute-form without Host", "GET http://a.example/ HTTP/1.1\r\n\r\n");
fields("http_bad_host", "second Host", "Host: b.example");
fields("http_bad_host", "same Host twice", "host: a.example");
for (
  const host of [
    "",
    "a.example, b.example",
    "u@a.example",
    "a.example/b",
    "a.example:",
    "a.example:0",
    "a.example:080",
    "a.example:65536",
    "a.example:80:80",
    "a.example:8a",
    "a..example",
    ".a.example",
    ".",
    "a b",
    "a%2eexample",
    "a.example#",
    "a.example\\b",
    "http://a.example",
    "\xe4.example",
    "[::1",
    "[::g]",
    "[]",
    "[::1]a",
    "[fe80::1%25eth0]",
    "::1",
    `${"a".repeat(64)}.example`,
    `${"a.".repeat(127)}example`,
  ]
) {
  raw(
    "http_bad_host",
    `Host ${JSON.stringify(host.slice(0, 24))}`,
    `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
  );
}
line("http_host_mismatch", "absolute-form with another host", "GET http://b.example/ HTTP/1.1");
line("http_host_mismatch", "absolute-form with another port", "GET http://a.example:81/ HTTP/1.1");
line(
  "http_host_mismatch",
  "absolute-form whose scheme has another port",
  "GET http://a.example:443/ HTTP/1.1",
);

// Framing
fields("http_conflicting_framing", "CL.TE", "Content-Length: 6\r\nTransfer-Encoding: chunked");
fields("http_conflicting_framing", "TE.CL", "Transfer-Encoding: chunked\r\nContent-Length: 6");
fields("http_conflicting_framing", "TE that is unknown, and CL", "Transfer-Encoding: x\r\nContent-Length: 6");
fields("http_conflicting_framing", "no length and chunks", "Content-Length: 0\r\nTransfer-Encoding: chunked");
fields(
  "http_conflicting_framing",
  "the two in other spelling, apart",
  "CONTENT-LENGTH: 6\r\nX: y\r\ntransfer-encoding: Chunked",
);
raw(
  "http_conflicting_framing",
  "CL.TE in HTTP/1.0",
  "POST / HTTP/1.0\r\nHost: a.example\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n",
);
fields("http_bare_line_ending", "CR behind chunked", "Transfer-Encoding: chunked\r\r\nX: y");
fields("http_bare_line_ending", "CR within a value hides chunked", "X: y\rTransfer-Encoding: chunked");
fields("http_bare_line_ending", "LF within a value hides chunked", "X: y\nTransfer-Encoding: chunked");
fields("http_bare_line_ending", "CR before the name hides chunked", "X: y\r\n\rTransfer-Encoding: chunked");
fields("http_bare_line_ending", "CR before a value", "Transfer-Encoding:\rchunked");
fields("http_bad_header_name", "line break before the colon", "Transfer-Encoding\r\n : chunked");
fields("http_bad_header_name", "colon first", ":Transfer-Encoding: chunked");
fields("http_bad_header_name", "quoted name", '"Transfer-Encoding": chunked');
fields("http_bad_header_name", "byte order mark before a name", "\xef\xbb\xbfTransfer-Encoding: chunked");
fields("http_bad_header_value", "NUL behind chunked", "Transfer-Encoding: chunked\0");
fields("http_bad_header_value", "NUL in a length", "Content-Length: 6\0");
fields("http_conflicting_framing", "two lengths", "Content-Length: 6\r\nContent-Length: 5");
fields("http_conflicting_framing", "the same length twice", "Content-Length: 6\r\ncontent-length: 6");
for (
  const length of [
    "",
    "+6",
    "-6",
    "0x6",
    "6a",
    "6.0",
    "6, 6",
    "6,5",
    "6 6",
    "06",
    "00",
    "1e3",
    "9007199254740992",
    "18446744073709551616",
    "\xb2",
    '"6"',
  ]
) fields("http_bad_content_length", `Content-Length ${JSON.stringify(length)}`, `Content-Length: ${length}`);
for (
  const coding of [
    "",
    "identity",
    "identity, chunked",
    "chunked, identity",
    "chunked, chunked",
    "chunked,",
    ", chunked",
    "chunked;q=1",
    "xchunked",
    "chunked x",
    '"chunked"',
    "'chunked'",
    "chunked\xa0",
    "x, chunked",
    "gzip",
    "chunked, gzip",
    "chu nked",
  ]
) {
  fields(
    "http_bad_transfer_encoding",
    `Transfer-Encoding ${JSON.stringify(coding)}`,
    `Transfer-Encoding: ${coding}`,
  );
}
fields(
  "http_bad_transfer_encoding",
  "chunked twice",
  "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
);
fields(
  "http_bad_transfer_encoding",
  "identity besides chunked",
  "Transfer-Encoding: chunked\r\nTransfer-encoding: identity",
);
raw(
  "http_bad_transfer_encoding",
  "chunked in HTTP/1.0",
  "POST / HTTP/1.0\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n",
);
for (const text of ["\tchunked", "chunked\t", " \t chunked", "chunked \t "]) {
  fields("http_bad_transfer_encoding", `tab beside ${JSON.stringify(text)}`, `Transfer-Encoding:${text}`);
}
fields("http_bad_content_length", "tab before a length", "Content-Length:\t3");
fields("http_bad_content_length", "tab behind a length", "Content-Length: 3\t");
fields("http_unsupported_transfer_encoding", "gzip under chunked", "Transfer-Encoding: gzip, chunked");

// Connection, Upgrade, Expect
fields(
  "http_bad_connection",
  "Connection nominates the framing",
  "Connection: close, Transfer-Encoding\r\nTransfer-Encoding: chunked",
);
fields(
  "http_bad_connection",
  "Connection nominates the length",
  "Connection: content-length\r\nContent-Length: 3",
);
fields("http_bad_connection", "Connection nominates Host", "Connection: HOST");
fields("http_bad_connection", "Connection option is no token", "Connection: close;a");
fields("http_bad_upgrade", "Upgrade without Connection", "Upgrade: websocket", "GET");
fields("http_bad_upgrade", "Upgrade with other Connection", "Connection: close\r\nUpgrade: websocket", "GET");
fields("http_bad_upgrade", "Upgrade that names nothing", "Connection: upgrade\r\nUpgrade: ,", "GET");
fields(
  "http_bad_upgrade",
  "Upgrade that is no protocol",
  "Connection: upgrade\r\nUpgrade: web socket",
  "GET",
);
fields("http_bad_expectation", "unknown expectation", "Expect: 200-ok");
fields("http_bad_expectation", "list of expectations", "Expect: 100-continue, 100-continue");

export const REFUSALS: readonly Refusal[] = rows;

/** Chunked bodies that a gateway must not pass on. */
export const BODY_REFUSALS: readonly (readonly [code: ErrorCode, text: string])[] = [
  ["http_bad_chunk", "\r\n"],
  ["http_bad_chunk", ";a\r\n"],
  ["http_bad_chunk", "g\r\n"],
  ["http_bad_chunk", "0x5\r\nhello\r\n"],
  ["http_bad_chunk", "-1\r\n"],
  ["http_bad_chunk", "+5\r\nhello"],
  ["http_bad_chunk", " 5\r\nhello"],
  ["http_bad_chunk", "5 \r\nhello"],
  ["http_bad_chunk", "5\t;a\r\nhello"],
  ["http_bad_chunk", "5,\r\nhello"],
  ["http_bad_chunk", "5\0\r\nhello"],
  ["http_bad_chunk", "5\xa0\r\nhello"],
  ["http_bad_chunk", "5;\r\nhello"],
  ["http_bad_chunk", "5;a=\r\nhello"],
  ["http_bad_chunk", "5;a b\r\nhello"],
  ["http_bad_chunk", "5; a\r\nhello"],
  ["http_bad_chunk", "5;a=b c\r\nhello"],
  ["http_bad_chunk", '5;a="b\r\nhello'],
  ["http_bad_chunk", '5;a="b"c\r\nhello'],
  ["http_bad_chunk", '5;a="\\\r\nhello'],
  ["http_bad_chunk", "5\r\nhellox\r\n0\r\n\r\n"],
  ["http_bad_chunk", "5\r\nhello0\r\n\r\n"],
  ["http_bad_chunk", "00000000000000005\r\nhello"],
  ["http_bare_line_ending", "5\nhello\r\n0\r\n\r\n"],
  ["http_bare_line_ending", "5\rhello\r\n0\r\n\r\n"],
  ["http_bare_line_ending", "5;a\nhello\r\n0\r\n\r\n"],
  ["http_bare_line_ending", '5;a="\nhello\r\n0\r\n\r\n'],
  ["http_bare_line_ending", "5;a\rhello\r\n0\r\n\r\n"],
  ["http_bare_line_ending", "5\r\nhello\n0\r\n\r\n"],
  ["http_bare_line_ending", "5\r\nhello\r0\r\n\r\n"],
  ["http_bare_line_ending", "0\r\n\n"],
  ["http_bare_line_ending", "0\r\n\rX"],
  ["http_bare_line_ending", "0\r\nA: b\n\r\n"],
  ["http_bare_line_ending", "0\r\nA: b\r\n\n"],
  ["http_obs_fold", "0\r\nA: b\r\n c\r\n\r\n"],
  ["http_obs_fold", "0\r\n A: b\r\n\r\n"],
  ["http_bad_header_name", "0\r\nGET / HTTP/1.1\r\n\r\n"],
  ["http_conflicting_framing", "0\r\nContent-Length: 5\r\n\r\n"],
  ["http_conflicting_framing", "0\r\ntransfer-encoding: chunked\r\n\r\n"],
  ["http_lookalike_header", "0\r\nContent_Length: 5\r\n\r\n"],
  ["http_chunk_too_large", "10000000001\r\n"],
  ["http_chunk_too_large", "fffffffffffffff0\r\n"],
  ["http_too_many_headers", `0\r\n${"A: b\r\n".repeat(33)}\r\n`],
  ["http_trailers_too_large", `0\r\nA: ${"b".repeat(8192)}`],
];
