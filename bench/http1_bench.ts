/** HTTP/1.1 heads: ours beside llhttp (WebAssembly) with strings, and serialising. `deno bench bench/http1_bench.ts` */
import {
  BodyReader,
  forwardedRequest,
  parseRequestHead,
  parseResponseHead,
  serializeRequestHead,
} from "../src/http1/mod.ts";
import { llhttpRequest } from "../tests/reference/llhttp.ts";

const encoder = new TextEncoder();

/** 364 octets: what a browser sends for a sub-resource. */
const SMALL = encoder.encode(
  "GET /assets/app.js?v=20 HTTP/1.1\r\nHost: app.example.com\r\n" +
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n" +
    "Accept: */*\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n" +
    "Referer: https://app.example.com/\r\nConnection: keep-alive\r\nSec-Fetch-Dest: script\r\n" +
    "Sec-Fetch-Mode: no-cors\r\nSec-Fetch-Site: same-origin\r\n\r\n",
);
/** About 2 KB: the same with cookies. */
const LARGE = encoder.encode(
  new TextDecoder().decode(SMALL).replace(
    "\r\n\r\n",
    `\r\nCookie: session=${"a1B2".repeat(200)}; theme=dark\r\nAuthorization: Bearer ${
      "e".repeat(800)
    }\r\n\r\n`,
  ),
);
const RESPONSE = encoder.encode(
  "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Tue, 01 Jul 2025 00:00:00 GMT\r\nContent-Type: text/html\r\n" +
    'Content-Length: 1024\r\nConnection: keep-alive\r\nETag: "6863"\r\nAccept-Ranges: bytes\r\n\r\n',
);
const FACTS = {
  clientIp: "192.0.2.7",
  scheme: "https",
  proxied: false,
  host: "app.example.com",
  requestId: "r",
} as const;

for (const [name, bytes] of [["364 B", SMALL], ["2 KB", LARGE]] as const) {
  Deno.bench({ name: `parseRequestHead() ${name}`, group: name, baseline: true }, () => {
    parseRequestHead(bytes, 0, bytes.length);
  });
  Deno.bench({ name: `llhttp ${name}`, group: name }, () => {
    llhttpRequest(bytes);
  });
}

const head = parseRequestHead(SMALL, 0, SMALL.length)!;
Deno.bench("forwardedRequest()", () => {
  forwardedRequest(head, FACTS);
});
Deno.bench("serializeRequestHead()", () => {
  serializeRequestHead(head);
});
Deno.bench("parse, forward, serialize", () => {
  serializeRequestHead(forwardedRequest(parseRequestHead(SMALL, 0, SMALL.length)!, FACTS));
});
Deno.bench("parseResponseHead()", () => {
  parseResponseHead(RESPONSE, 0, RESPONSE.length);
});

const CHUNKED_HEAD = encoder.encode("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
const chunkedHead = parseRequestHead(CHUNKED_HEAD, 0, CHUNKED_HEAD.length)!;
const CHUNKS = encoder.encode(`1000\r\n${"x".repeat(4096)}\r\n`.repeat(16) + "0\r\n\r\n");
Deno.bench("BodyReader.push() 64 KiB in 16 chunks", () => {
  const reader = BodyReader.forRequest(chunkedHead);
  for (let at = 0; reader.push(CHUNKS, at, CHUNKS.length) === "data";) at = reader.nextStart;
});
