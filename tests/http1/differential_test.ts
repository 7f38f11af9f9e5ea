import assert from "node:assert/strict";
import fc from "fast-check";
import { codeOf, PosternError } from "../../src/errors/mod.ts";
import { BodyReader, parseRequestHead, parseResponseHead, responseFraming } from "../../src/http1/mod.ts";
import { type LlhttpMessage, llhttpRequest, llhttpResponse } from "../reference/llhttp.ts";
import { octets, pairs, type ReadBody, readBody, textOf } from "./support.ts";

/** Mutated messages each way; more by `FUZZ_RUNS`, another sequence by `FUZZ_SEED`. */
const RUNS = Number(Deno.env.get("FUZZ_RUNS") ?? 3000);
const SEED = Number(Deno.env.get("FUZZ_SEED") ?? 1);

/** mulberry32: reproducible, which is all that is asked of it. */
function numbers(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const REQUESTS = [
  "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
  "GET /a?b=c|d HTTP/1.1\r\nHost: a.example:81\r\nAccept: */*\r\nCookie: a=b; c=\xe4\r\nConnection: close\r\n\r\nGET",
  "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhelloGET / HTTP/1.1\r\n",
  "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n\r\nGET / HTTP/1.1\r\n",
  'PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n1;a;b="c\\"d"\r\nx\r\n0\r\nX-Sum: y\r\nB: \r\n\r\n',
  "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
  "GET http://a.example/b HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n",
  "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\n\r\n",
  "HEAD / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
  "GET / HTTP/1.0\r\n\r\n",
];

const RESPONSES = [
  "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n\r\nhelloHTTP/1.1 200 OK\r\n",
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: a\r\n\r\nHTTP/1.1",
  "HTTP/1.1 200 \r\nConnection: close\r\n\r\nhello",
  "HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n",
  "HTTP/1.1 204 No Content\r\nSet-Cookie: a=b\r\nSet-Cookie: c=\xe4\r\n\r\nHTTP/1.1",
  'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 9\r\n\r\nHTTP/1.1',
  "HTTP/1.1 404\r\nContent-Length: 1\r\n\r\nx",
];

/** What attacks are made of. */
const SHARDS = [
  "\r",
  "\n",
  "\r\n",
  "\r\n\r\n",
  " ",
  "\t",
  "\0",
  "\x0b",
  "\x7f",
  "\xa0",
  "\xff",
  ":",
  ",",
  ";",
  '"',
  "\\",
  "#",
  "_",
  "0",
  "1",
  "a",
  "g",
  "5\r\n",
  "0\r\n\r\n",
  "; a",
  ";a=",
  "Content-Length: 3\r\n",
  "Content-Length: 5\r\n",
  "content-length:+5\r\n",
  "Content-Length: 05\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Transfer-Encoding: identity\r\n",
  "transfer-encoding: \tchunked \r\n",
  "Transfer-Encoding: gzip, chunked\r\n",
  "Connection: upgrade\r\nUpgrade: websocket\r\n",
  "Connection: close\r\n",
  "Connection: keep-alive\r\n",
  "Host: b\r\n",
  "X: y\r\n z\r\n",
  "X:\r\n",
  "HTTP/1.0",
  "HTTP/1.1",
  "http://a.example",
];

function mutated(text: string, below: (limit: number) => number): string {
  const rounds = 1 + below(3);
  for (let round = 0; round < rounds; round++) {
    // Half of the shards go to the start of a line, where they mean something.
    const starts = [...text.matchAll(/\r\n/g)].map((match) => match.index + 2);
    const at = below(2) === 0 && starts.length > 0 ? starts[below(starts.length)] : below(text.length + 1);
    switch (below(5)) {
      case 0:
        text = text.slice(0, at) + text.slice(at + 1 + below(3));
        break;
      case 1:
        text = text.slice(0, at) + String.fromCharCode(below(256)) + text.slice(at + 1);
        break;
      case 2:
        text = text.slice(0, at) + text.slice(at, at + below(20)) + text.slice(at);
        break;
      default:
        text = text.slice(0, at) + SHARDS[below(SHARDS.length)] + text.slice(at);
    }
  }
  return text;
}

function lowered(list: [string, string][]): [string, string][] {
  return list.map(([name, value]) => [name.toLowerCase(), value]);
}

function agree(theirs: LlhttpMessage, headers: [string, string][], body: ReadBody, minor: number) {
  assert.equal(theirs.minor, minor);
  assert.deepEqual(theirs.headers.slice(0, theirs.headHeaders), lowered(headers));
  assert.equal(textOf(theirs.body), body.body);
  // We judge a trailer section line by line, llhttp octet by octet: an unfinished one may have been refused there.
  if (body.end < 0) return assert.equal(theirs.complete, false);
  assert.equal(theirs.error, "HPE_OK");
  assert.equal(theirs.complete, true);
  assert.equal(theirs.bytes, body.end);
  const trailers = theirs.headers.slice(theirs.headHeaders);
  for (const [name, value] of lowered(body.trailers)) {
    assert.ok(trailers.some((trailer) => trailer[0] === name && trailer[1] === value));
  }
}

/** Runs `judge` on mutations; says the input of a failure. Only PosternError counts as a refusal. */
function fuzz(seeds: readonly string[], judge: (text: string) => void): number {
  const below = numbers(SEED);
  let accepted = 0;
  for (let run = 0; run < RUNS; run++) {
    const text = run < seeds.length ? seeds[run] : mutated(seeds[below(seeds.length)], below);
    try {
      judge(text);
      accepted++;
    } catch (error) {
      if (error instanceof PosternError) assert.ok(codeOf(error).startsWith("http_"));
      else throw new Error(`run ${run} of seed ${SEED}: ${JSON.stringify(text)}`, { cause: error });
    }
  }
  return accepted;
}

/** Throws a PosternError for a refusal, an AssertionError where llhttp reads the request otherwise. */
function judgeRequest(text: string): void {
  const bytes = octets(text);
  const head = parseRequestHead(bytes, 0, bytes.length);
  if (head === null) return;
  const read = readBody(BodyReader.forRequest(head), bytes, head.bytes);
  const theirs = llhttpRequest(bytes);
  // llhttp knows a list of methods; RFC 9110 9.1 leaves it open.
  if (theirs.error === "HPE_INVALID_METHOD") return;
  const headers = pairs(head.headers);
  const absolute = /^https?:\/\//i.test(theirs.target);
  // HTTP/1.0 in absolute-form without Host: ours carries on the target's.
  if (absolute && theirs.headHeaders === headers.length - 1) headers.pop();
  agree(theirs, headers, read, head.minor);
  assert.equal(theirs.method, head.method);
  if (!absolute) assert.equal(theirs.target, head.target);
  else if (head.target !== "/" && head.target !== "*") assert.ok(theirs.target.endsWith(head.target));
}

/** As {@link judgeRequest}, for the response to a GET or a HEAD. */
function judgeResponse(text: string, ofHead: boolean): void {
  const method = ofHead ? "HEAD" : "GET";
  const bytes = octets(text);
  const head = parseResponseHead(bytes, 0, bytes.length);
  // After 101 and 1xx llhttp goes on in its own ways.
  if (head === null || head.status < 200) return;
  const read = readBody(BodyReader.forResponse(head, method), bytes, head.bytes);
  const theirs = llhttpResponse(bytes, ofHead);
  agree(theirs, pairs(head.headers), read, head.minor);
  assert.equal(theirs.status, head.status);
  if (responseFraming(head, method).kind === "until_close") assert.equal(textOf(theirs.body), read.body);
}

Deno.test("llhttp reads every request that we accept as we do", () => {
  const accepted = fuzz(REQUESTS, judgeRequest);
  assert.ok(accepted > RUNS / 10, `only ${accepted} of ${RUNS} were accepted: the mutations are too wild`);
});

Deno.test("llhttp reads every response that we accept as we do", () => {
  let ofHead = false;
  const accepted = fuzz(RESPONSES, (text) => judgeResponse(text, ofHead = !ofHead));
  assert.ok(accepted > RUNS / 10, `only ${accepted} of ${RUNS} were accepted: the mutations are too wild`);
});

const blank = fc.constantFrom("", " ", "  ", "\t");
const framing = fc.constantFrom(
  "Content-Length: 5",
  "Content-Length: 0",
  "Content-Length: 05",
  "Content-Length: 5, 5",
  "Content-Length: +5",
  "Transfer-Encoding: chunked",
  "Transfer-Encoding: Chunked",
  "Transfer-Encoding: gzip, chunked",
  "Transfer-Encoding: identity",
  "Transfer-Encoding: chunked, chunked",
  "transfer-encoding: xchunked",
  "Content_Length: 5",
);
const field = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom("Accept: */*", "X-A:", "X-B: \xe4 \t y", "Cookie: a=b; c", "TE: trailers"),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom("Connection: close", "Connection: keep-alive", "Expect: 100-continue"),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(" folded", "X-C : y", "X-D", "X\0: y", "X-E: a\rb", "Host: b", "X-F: a\nX: b"),
  },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.constantFrom("X-G", "x-h"), blank, blank).map(([n, a, b]) => `${n}:${a}v${b}`),
  },
);
const chunk = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      "5\r\nhello\r\n",
      "1;a=b\r\nx\r\n",
      '2;a="b;c"\r\nxy\r\n',
      "A\r\n0123456789\r\n",
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      "5\nhello\n",
      "0x1\r\nx\r\n",
      "2 \r\nxy\r\n",
      "2\r\nxyz\r\n",
      "-1\r\n",
      "2; a\r\nxy\r\n",
    ),
  },
);
const last = fc.constantFrom(
  "0\r\n\r\n",
  "0;a\r\n\r\n",
  "000\r\nX-Sum: y\r\n\r\n",
  "0\r\nContent-Length: 3\r\n\r\n",
  "0\r\n\n",
  "",
);
const behind = fc.constantFrom(
  "",
  "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
  "\r\n",
  "HTTP/1.1 200 OK\r\n\r\n",
  "hello",
);
const lineEnd = fc.oneof(
  { weight: 20, arbitrary: fc.constant("\r\n") },
  fc.constantFrom("\n", "\r", "\r\r\n"),
);

/** Messages built as the grammar has them, each part with its bad neighbours; fast-check makes a failure small. */
function messages(line: fc.Arbitrary<string>, always: string): fc.Arbitrary<string> {
  return fc.record({
    line,
    fields: fc.array(field, { maxLength: 4 }),
    framing: fc.array(framing, { maxLength: 2 }),
    chunks: fc.array(chunk, { maxLength: 3 }),
    last,
    behind,
    lineEnd,
  }).map((part) =>
    [part.line, always, ...part.fields, ...part.framing].filter((text) => text !== "").join(part.lineEnd) +
    `${part.lineEnd}\r\n${part.chunks.join("")}${part.last}${part.behind}`
  );
}

const requests = messages(
  fc.tuple(
    fc.constantFrom("GET", "POST", "PUT", "HEAD", "OPTIONS", "get"),
    fc.constantFrom("/", "/a?b=c", "*", "http://a/b", "/a b", "/\x80", "/a#b", ""),
    fc.constantFrom("HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "http/1.1", ""),
  ).map((parts) => parts.join(" ")),
  "Host: a",
);
const responses = messages(
  fc.constantFrom(
    "HTTP/1.1 200 OK",
    "HTTP/1.1 204 N",
    "HTTP/1.1 304 N",
    "HTTP/1.0 200 OK",
    "HTTP/1.1 404",
    "HTTP/1.1 99 X",
  ),
  "",
);

/** Refusals are ours to make; whatever else is thrown is a difference. Returns how many were accepted. */
function compared(arbitrary: fc.Arbitrary<string>, judge: (text: string) => void): number {
  let accepted = 0;
  fc.assert(
    fc.property(arbitrary, (text) => {
      try {
        judge(text);
        accepted++;
      } catch (error) {
        if (!(error instanceof PosternError)) throw error;
        assert.ok(codeOf(error).startsWith("http_"));
      }
    }),
    { numRuns: RUNS, seed: SEED },
  );
  return accepted;
}

Deno.test("llhttp reads requests and responses of any build that we accept as we do", () => {
  assert.ok(compared(requests, judgeRequest) > RUNS / 50);
  assert.ok(compared(responses, (text) => judgeResponse(text, false)) > RUNS / 20);
  assert.ok(compared(responses, (text) => judgeResponse(text, true)) > RUNS / 20);
});

Deno.test("llhttp accepts some of what we refuse, which is why the refusals are ours", () => {
  const cases = [
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
    "GET / HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nContent_Length: 3\r\n\r\n",
  ];
  for (const text of cases) {
    const bytes = octets(text);
    assert.equal(llhttpRequest(bytes).complete, true, text);
    assert.throws(() => parseRequestHead(bytes, 0, bytes.length), PosternError);
  }
});
