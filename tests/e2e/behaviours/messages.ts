/** What messages say and hold: methods, targets, fields, bodies, statuses. */
import { answer, ask, type Behaviour, ok, request } from "./behaviour.ts";
import type { Message } from "./wire.ts";

const large = Array.from({ length: 300_000 }, (_, at) => String.fromCharCode(at * 31 >> 3 & 255)).join("");
const chunked = "Transfer-Encoding: chunked\r\n";

/** Sends the request in these pieces, one after the other, and reads one response. */
function inPieces(pieces: readonly string[], method = "POST"): Behaviour["viewer"] {
  return async ({ wire, host, response }) => {
    for (const piece of pieces) {
      await wire.send(piece.replaceAll("HOST", host));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await response(method);
  };
}

function withoutProxy(note: unknown): unknown {
  const { fields } = note as { fields: [string, string][] };
  return { ...note as object, fields: fields.filter(([name]) => !name.startsWith("Proxy-")) };
}

export const MESSAGES: readonly Behaviour[] = [
  {
    name: "a body of known length goes both ways",
    origin: answer(ok(large)),
    viewer: ask(request("POST /", `Content-Length: ${large.length}\r\n`, large)),
  },
  {
    name: "an empty body of known length stays one",
    origin: answer(ok("")),
    viewer: ask(request("POST /", "Content-Length: 0\r\n")),
  },
  {
    name: "chunks, their extensions and trailers, upwards",
    origin: answer(ok()),
    viewer: inPieces([
      request("POST /", `${chunked}Trailer: X-Sum\r\n`),
      '3;a;b=c;d="e\\"f"\r\none\r\n',
      "00000A\r\n0123456789\r\n",
      "0;last\r\nX-Sum: 6\r\nX-Empty:\r\n\r\n",
    ]),
  },
  {
    name: "chunks, their extensions and trailers, downwards",
    origin: answer(
      `HTTP/1.1 200 OK\r\n${chunked}Trailer: X-Sum\r\n\r\n3;ext="x"\r\none\r\nA\r\n0123456789\r\n0\r\nX-Sum: 6\r\nX-Sum: 7\r\n\r\n`,
    ),
    viewer: ask(request("GET /", "TE: trailers\r\nConnection: TE\r\n")),
  },
  {
    name: "a chunked body without a chunk",
    origin: answer(`HTTP/1.1 200 OK\r\n${chunked}\r\n0\r\n\r\n`),
    viewer: ask(request("POST /", chunked, "0\r\n\r\n")),
  },
  {
    name: "a chunked body in single octets",
    origin: answer(ok()),
    viewer: (viewing) =>
      inPieces([
        ...request("POST /", `X-A: b\r\n${chunked}`, "2\r\nab\r\n0\r\nX-B: c\r\n\r\n").replace(
          "HOST",
          viewing.host,
        ),
      ])(
        viewing,
      ),
  },
  {
    name: "a body of GET and of DELETE",
    origin: answer(ok()),
    viewer: async (viewing) => {
      await ask(request("GET /", "Content-Length: 3\r\n", "abc"))(viewing);
      await ask(request("DELETE /", chunked, "3\r\nabc\r\n0\r\n\r\n"))(viewing);
    },
    notes: 2,
  },
  {
    name: "HEAD has the length of the body that it leaves out",
    origin: answer('HTTP/1.1 200 OK\r\nContent-Length: 4711\r\nETag: "a"\r\n\r\n'),
    viewer: ask(request("HEAD /")),
  },
  {
    name: "HEAD of a chunked body",
    origin: answer(`HTTP/1.1 200 OK\r\n${chunked}\r\n`),
    viewer: ask(request("HEAD /")),
  },
  {
    name: "204 has no body and no length",
    origin: answer("HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n"),
    viewer: ask(request("DELETE /")),
  },
  {
    name: "304 has no body but the length of it",
    origin: answer('HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 4711\r\n\r\n'),
    viewer: ask(request("GET /", 'If-None-Match: "a"\r\n')),
  },
  {
    name: "205, 206, 299, 418 and 599 pass",
    origin: async (head, serving) => {
      await serving.body(head);
      await serving.wire.send(
        `HTTP/1.1 ${head.line.split("/")[1].slice(0, 3)} X\r\nContent-Length: 0\r\n\r\n`,
      );
    },
    viewer: async (viewing) => {
      for (const status of [205, 206, 299, 418, 599]) await ask(request(`GET /${status}`))(viewing);
    },
    notes: 5,
  },
  {
    name: "a status line without reason, and with one of obs-text",
    origin: async (head, serving) => {
      await serving.body(head);
      await serving.wire.send(
        `HTTP/1.1 200${head.line.includes("/a") ? "" : " \xe4"}\r\nContent-Length: 0\r\n\r\n`,
      );
    },
    viewer: async (viewing) => {
      await ask(request("GET /a"))(viewing);
      await ask(request("GET /b"))(viewing);
    },
    notes: 2,
  },
  {
    name: "Set-Cookie lines stay apart and in order",
    origin: answer(ok("", "Set-Cookie: a=1; Path=/\r\nX: 1\r\nSet-Cookie: b=2, 3\r\nset-cookie: a=4\r\n")),
    viewer: ask(request("GET /", "Cookie: a=1\r\nCookie: b=2\r\n")),
    http2: {
      key: "http2-cookie",
      seen: ({ origin }) => ({
        origin: origin.map((note) => ({
          ...note as object,
          fields: [...(note as Message).fields.filter(([name]) => name !== "Cookie"), ["cookie", "a=1; b=2"]],
        })),
      }),
    },
  },
  {
    name: "fields keep order, spelling, repetition, empty values and obs-text",
    origin: answer(
      ok(
        "",
        "X-b: 1\r\nX-A: \xe4\xf6\xff\xa0\r\nx-B: 2\r\nX-Empty:\r\nX-Inner: a  \t b\r\nX-Spaced: \t v \t\r\n",
      ),
    ),
    viewer: ask(
      request(
        "GET /",
        "x-LOWER: 1\r\nX-A: \xe4\xf6\xff\xa0\r\nx-lower: 2\r\nX-Empty:\r\nX-Inner: a  \t b\r\n~x!#$%&'*+^`|: y\r\n",
      ),
    ),
  },
  {
    name: "fields that may stand once only pass when they are repeated",
    origin: answer(
      ok("", 'Content-Type: a/b\r\nContent-Type: c/d\r\nETag: "1"\r\nETag: "2"\r\nLocation: /a\r\n'),
    ),
    viewer: ask(
      request("GET /", "Authorization: a\r\nAuthorization: b\r\nUser-Agent: x\r\nUser-Agent: y\r\n"),
    ),
    http2: "Node's client sends none of them twice",
  },
  {
    name: "Date, Server, Via and Age are the origin's",
    origin: answer(
      ok("", "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nServer: old/0.1 (x)\r\nVia: 1.1 a, 1.0 b\r\nAge: 7\r\n"),
    ),
    viewer: ask(request("GET /", "Via: 1.1 c\r\nMax-Forwards: 3\r\nDate: x\r\n")),
  },
  {
    name: "Proxy-Authenticate and Proxy-Authorization, which are of one connection",
    origin: answer("HTTP/1.1 407 X\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n"),
    viewer: ask(request("GET /", "Proxy-Authorization: Basic eDp5\r\n")),
    differs: {
      key: "proxy-fields",
      seen: ({ viewer, origin }) => ({ viewer: viewer.map(withoutProxy), origin: origin.map(withoutProxy) }),
    },
  },
  {
    name: "a target passes octet for octet",
    origin: answer(ok()),
    viewer: async (viewing) => {
      for (
        const target of [
          "//a//b/",
          "/../a/./b",
          "/%2e%2E/%00%zz%",
          '/a;b=c?d=e?f&g={h}|i^`<>"\\[]',
          "/?",
          "/a:80@b",
        ]
      ) await ask(request(`GET ${target}`))(viewing);
    },
    notes: 6,
  },
  {
    name: "methods of every kind pass",
    origin: answer(ok("")),
    viewer: async (viewing) => {
      for (const method of ["PATCH", "PURGE", "PROPFIND", "M-SEARCH", "A", "UPDATEREDIRECTREF", "GET2"]) {
        await ask(request(`${method} /`))(viewing);
      }
    },
    notes: 7,
  },
  {
    name: "OPTIONS *",
    origin: answer(ok("", "Allow: GET\r\n")),
    viewer: ask(request("OPTIONS *")),
  },
  {
    name: "absolute-form",
    origin: answer(ok()),
    viewer: ask(request("GET http://HOST/a?b")),
    differs: {
      key: "absolute-form",
      seen: ({ origin }) => ({ origin: origin.map((note) => ({ ...note as object, line: "GET /a?b" })) }),
    },
    http2: "there is one form only",
  },
  {
    name: "compressed content and its length pass untouched",
    origin: answer(ok("\x1f\x8b\b\0\0\0\0\0", "Content-Encoding: gzip\r\nVary: Accept-Encoding\r\n")),
    viewer: ask(request("GET /", "Accept-Encoding: gzip;q=1.0, br;q=0\r\n")),
  },
  {
    name: "interim responses are passed on, with their fields",
    origin: answer(
      "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\nLink: </b>\r\n\r\n" +
        "HTTP/1.1 103 Early Hints\r\nLink: </c>\r\n\r\nHTTP/1.1 104 X\r\nX-A: b\r\n\r\n" + ok(),
    ),
    viewer: async (viewing) => {
      await ask(request("GET /"))(viewing);
      for (let left = 4; left > 0; left--) await viewing.response();
    },
  },
  {
    name: "interim responses beyond 16",
    origin: answer("HTTP/1.1 102 Processing\r\n\r\n".repeat(40) + ok()),
    viewer: async (viewing) => {
      await viewing.wire.send(request("GET /").replace("HOST", viewing.host));
      let response = await viewing.wire.response();
      while (response?.line.includes(" 102 ")) response = await viewing.wire.response();
      viewing.note(response?.line.split(" ")[1]);
    },
    probe: false,
    differs: { key: "interim-flood", seen: () => ({ viewer: ["502"] }) },
  },
];
