/** What connections do: order, waiting, closing, switching. */
import { answer, ask, type Behaviour, ok, request } from "./behaviour.ts";
import { type Field, valueOf } from "./wire.ts";

const chunked = "Transfer-Encoding: chunked\r\n";
const persists = () => ({ persists: true });
const websocket =
  "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
  "Sec-WebSocket-Version: 13\r\n";
const switched = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";

export const CONNECTIONS: readonly Behaviour[] = [
  {
    name: "requests one after the other on one connection",
    origin: async (head, serving) => {
      await serving.body(head);
      await serving.wire.send(ok(head.line));
    },
    viewer: async (viewing) => {
      for (let at = 0; at < 5; at++) await ask(request(`GET /${at}`))(viewing);
    },
    notes: 5,
  },
  {
    name: "pipelined requests are answered in order, also when the first is slow",
    origin: async (head, serving) => {
      await serving.body(head);
      if (head.line.includes("/0 ")) await serving.until("all are sent");
      await serving.wire.send(ok(head.line));
    },
    viewer: async (viewing) => {
      const all = [0, 1, 2, 3].map((at) => request(`GET /${at}`)).join("").replaceAll("HOST", viewing.host);
      await viewing.wire.send(all);
      viewing.release("all are sent");
      for (let at = 0; at < 4; at++) await viewing.response();
    },
    notes: 4,
  },
  {
    name: "pipelined bodies, of known length and chunked, between other requests",
    origin: async (head, serving) => {
      const { body } = await serving.body(head);
      const whole = ok(head.line.slice(0, 6) + body);
      await serving.wire.send(head.line.startsWith("HEAD") ? whole.slice(0, -6) : whole);
    },
    viewer: async (viewing) => {
      await viewing.wire.send(
        [
          request("GET /0"),
          request("POST /1", "Content-Length: 5\r\n", "GET /"),
          request("POST /2", chunked, "5\r\nGET /\r\n0\r\n\r\n"),
          request("HEAD /3"),
          request("GET /4"),
        ].join("").replaceAll("HOST", viewing.host),
      );
      for (const method of ["GET", "POST", "POST", "HEAD", "GET"]) await viewing.response(method);
    },
    notes: 5,
  },
  {
    name: "100 (Continue) comes from the origin, and the body after it",
    origin: async (head, serving) => {
      serving.note(valueOf(head, "expect"));
      await serving.wire.send("HTTP/1.1 100 Continue\r\nX-A: b\r\n\r\n");
      await serving.body(head);
      await serving.wire.send(ok());
    },
    viewer: async (viewing) => {
      await ask(request("POST /", "Content-Length: 4\r\nExpect: 100-Continue\r\n"))(viewing);
      await viewing.wire.send("body");
      await viewing.response();
    },
    notes: 2,
  },
  {
    name: "100 (Continue) that nobody asked for",
    origin: answer("HTTP/1.1 100 Continue\r\n\r\n" + ok()),
    viewer: async (viewing) => {
      await ask(request("POST /", "Content-Length: 4\r\n", "body"))(viewing);
      await viewing.response();
    },
  },
  {
    name: "a viewer that expects 100 (Continue) and does not wait for it",
    origin: answer(ok()),
    viewer: ask(request("POST /", "Content-Length: 4\r\nExpect: 100-continue\r\n", "body")),
  },
  {
    name: "a refusal in the place of 100 (Continue) with Connection: close",
    origin: async (head, { wire, note }) => {
      note(head.line);
      await wire.send("HTTP/1.1 413 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
      return "close";
    },
    viewer: ask(request("POST /", "Content-Length: 4\r\nExpect: 100-continue\r\n")),
  },
  {
    name: "a refusal in the place of 100 (Continue), after which the body comes all the same",
    origin: async (head, serving) => {
      await serving.wire.send("HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno");
      await serving.body(head).catch(() => {});
    },
    viewer: async (viewing) => {
      await ask(request("POST /", "Content-Length: 4\r\nExpect: 100-continue\r\n"))(viewing);
      await viewing.wire.send("body").catch(() => {});
    },
    differs: {
      key: "expect-refused",
      seen: ({ origin }) => ({
        origin: origin.map((note) => ({ ...note as object, body: "", whole: false })),
        persists: false,
      }),
    },
  },
  {
    name: "an answer before the body, which is closed on",
    origin: async (head, { wire, note }) => {
      note(head.line);
      await wire.send("HTTP/1.1 413 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
      await wire.endWriting();
      await wire.rest();
      return "close";
    },
    viewer: async (viewing) => {
      const { wire, host } = viewing;
      await wire.send(request("POST /", "Content-Length: 3000000\r\n").replace("HOST", host));
      await wire.send("x".repeat(2_000)).catch(() => {});
      await viewing.response();
      await wire.send("x".repeat(100_000)).catch(() => {});
    },
  },
  {
    name: "an answer before the body, which is read to its end",
    origin: async (head, serving) => {
      serving.note(head.line);
      await serving.wire.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly");
      await serving.wire.requestBody(head);
    },
    viewer: async (viewing) => {
      await ask(request("POST /", "Content-Length: 20000\r\n", "x".repeat(10_000)))(viewing);
      await viewing.wire.send("x".repeat(10_000));
    },
  },
  {
    name: "an answer that streams while the body does",
    origin: async (head, serving) => {
      await serving.wire.send(`HTTP/1.1 200 OK\r\n${chunked}\r\n5\r\nready\r\n`);
      const { body } = await serving.body(head);
      await serving.wire.send(`${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`);
    },
    viewer: async (viewing) => {
      const { wire, host, note } = viewing;
      await wire.send(request("POST /", chunked).replace("HOST", host));
      note((await wire.head())?.line.split(" ")[1]);
      note(await wire.through("ready\r\n"));
      await wire.send("4\r\nbody\r\n0\r\n\r\n");
      note(await wire.through("0\r\n\r\n"));
    },
  },
  {
    name: "a viewer that asks to close",
    origin: answer(ok()),
    viewer: ask(request("GET /", "Connection: close\r\n")),
  },
  {
    name: "an origin that closes after its answer",
    origin: answer(ok("ok", "Connection: close\r\n"), "close"),
    viewer: ask(request("GET /")),
    differs: { key: "origin-close", seen: persists },
  },
  {
    name: "an answer that ends with its connection",
    origin: answer("HTTP/1.1 200 OK\r\nX-A: b\r\n\r\nuntil the end", "close"),
    viewer: ask(request("GET /")),
    differs: { key: "until-close", seen: persists },
  },
  {
    name: "an answer of HTTP/1.0 that ends with its connection",
    origin: answer("HTTP/1.0 200 OK\r\n\r\nuntil the end", "close"),
    viewer: ask(request("GET /")),
    differs: { key: "until-close", seen: persists },
  },
  {
    name: "an answer of HTTP/1.0 with keep-alive",
    origin: answer("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok"),
    viewer: ask(request("GET /")),
  },
  {
    name: "a viewer of HTTP/1.0",
    origin: answer(ok()),
    viewer: ask("GET / HTTP/1.0\r\nHost: HOST\r\n\r\n"),
  },
  {
    name: "a viewer of HTTP/1.0 and an answer without length",
    origin: answer("HTTP/1.1 200 OK\r\nX-A: b\r\n\r\nuntil the end", "close"),
    viewer: ask("GET / HTTP/1.0\r\nHost: HOST\r\nConnection: keep-alive\r\n\r\n"),
  },
  {
    name: "a viewer of HTTP/1.0 that asks for keep-alive",
    origin: answer(ok("ok", "Connection: keep-alive\r\n")),
    viewer: ask("GET / HTTP/1.0\r\nHost: HOST\r\nConnection: keep-alive\r\n\r\n"),
  },
  {
    name: "fields of one connection, and those that Connection names",
    origin: answer(
      ok("ok", "Connection: X-Hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nX-End: 2\r\n"),
    ),
    viewer: ask(
      request(
        "GET /",
        "Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nX-End: 2\r\n",
      ),
    ),
  },
  {
    name: "server-sent events, each sent when the one before has arrived",
    origin: async (head, serving) => {
      await serving.body(head);
      await serving.wire.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
      for (let at = 0; at < 20; at++) {
        await serving.wire.send(`data: ${at}\n\n`);
        await serving.until(`event ${at}`);
      }
      return "close";
    },
    viewer: async (viewing) => {
      await viewing.wire.send(request("GET /").replace("HOST", viewing.host));
      for (let at = 0; at < 20; at++) {
        await viewing.wire.through(`data: ${at}\n\n`);
        viewing.note(at);
        viewing.release(`event ${at}`);
      }
    },
    probe: false,
  },
  {
    name: "a body of known length that comes in single octets, each when the one before has arrived",
    origin: async (head, serving) => {
      await serving.body(head);
      await serving.wire.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
      for (let at = 0; at < 10; at++) {
        await serving.wire.send(`${at}`);
        await serving.until(`octet ${at}`);
      }
    },
    viewer: async (viewing) => {
      await viewing.wire.send(request("POST /", "Content-Length: 0\r\n").replace("HOST", viewing.host));
      await viewing.wire.head();
      for (let at = 0; at < 10; at++) {
        viewing.note(await viewing.wire.exactly(1));
        viewing.release(`octet ${at}`);
      }
    },
  },
  ...["Content-Length: 100\r\n", chunked].map((framing): Behaviour => ({
    name: `an answer that breaks off (${framing.trim()})`,
    origin: answer(`HTTP/1.1 200 OK\r\n${framing}\r\n5\r\nhello\r\n`, "close"),
    viewer: ask(request("POST /", "Content-Length: 0\r\n")),
  })),
  {
    name: "a small answer to GET that breaks off",
    origin: answer("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello", "close"),
    viewer: async (viewing) => {
      await viewing.wire.send(request("GET /").replace("HOST", viewing.host));
      const response = await viewing.wire.response();
      viewing.note([response?.line.split(" ")[1], response?.whole]);
    },
    differs: {
      key: "small-answer",
      seen: () => ({ viewer: [["502", true]], persists: true }),
    },
  },
  ...["Content-Length: 100\r\n", chunked].map((framing): Behaviour => ({
    name: `a viewer that leaves within its body (${framing.trim()})`,
    origin: async (head, serving) => {
      serving.release("head");
      await serving.body(head);
    },
    viewer: async ({ wire, host, until }) => {
      await wire.send(request("POST /", framing, "5\r\nhello\r\n").replace("HOST", host));
      await until("head");
      wire[Symbol.dispose]();
    },
    probe: false,
  })),
  ...["", "Content-Length: 1\r\n"].map((framing): Behaviour => ({
    name: `a viewer that leaves before the answer (${framing.trim() || "no body"})`,
    origin: async (head, serving) => {
      await serving.body(head);
      serving.release("request");
      serving.note(await serving.wire.rest());
      return "close";
    },
    viewer: async ({ wire, host, until }) => {
      await wire.send(request("POST /", framing, framing === "" ? "" : "x").replace("HOST", host));
      await until("request");
      wire[Symbol.dispose]();
    },
    notes: 2,
    probe: false,
  })),
  {
    name: "a switch to WebSocket, octets of either side at once, and half-close",
    origin: async (head, { wire, note }) => {
      note([head.line, valueOf(head, "upgrade"), valueOf(head, "sec-websocket-extensions")]);
      await wire.send(
        `${switched}Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Extensions: ` +
          "permessage-deflate; client_no_context_takeover\r\n\r\nfirst",
      );
      note(await wire.exactly(5));
      await wire.send("\xc1\x03abc\0\r\n");
      note(await wire.rest());
      await wire.send("after the end");
      return "close";
    },
    viewer: async ({ wire, host, note }) => {
      const extensions = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
      await wire.send(request("GET /ws", websocket + extensions).replace("HOST", host));
      const head = await wire.head();
      note([
        head?.line.split(" ")[1],
        ...["upgrade", "sec-websocket-accept", "sec-websocket-extensions"]
          .map((key) => valueOf(head!, key)),
      ]);
      note(await wire.exactly(5));
      await wire.send("early");
      note(await wire.exactly(8));
      await wire.send("GET / HTTP/1.1\r\n\r\n");
      await wire.endWriting();
      note(await wire.rest());
    },
    notes: 3,
    probe: false,
  },
  {
    name: "close frames of every kind of code and reason pass as they are",
    origin: async (_, { wire, note }) => {
      await wire.send(`${switched}\r\n`);
      for (let frame = await wire.through("\n"); frame !== undefined; frame = await wire.through("\n")) {
        note(frame);
        await wire.send(frame);
      }
      return "close";
    },
    viewer: async ({ wire, host, note }) => {
      await wire.send(request("GET /ws", websocket).replace("HOST", host));
      note((await wire.head())?.line.split(" ")[1]);
      for (const code of CLOSE_CODES) {
        await wire.send(`\x88\x04${String.fromCharCode(code >> 8, code & 255)}\xe4\n`);
        note(await wire.through("\n"));
      }
    },
    get notes() {
      return CLOSE_CODES.length;
    },
    probe: false,
  },
  {
    name: "octets of the new protocol that come before the switch",
    origin: async (_, { wire, note }) => {
      await wire.send(`${switched}\r\nok`);
      note(await wire.exactly(5));
      return "close";
    },
    viewer: async ({ wire, host, note }) => {
      await wire.send(request("GET /ws", websocket).replace("HOST", host) + "early");
      note((await wire.head())?.line.split(" ")[1]);
      note(await wire.rest());
    },
    probe: false,
  },
  {
    name: "a switch to another protocol",
    origin: async (head, { wire, note }) => {
      note(valueOf(head, "upgrade")?.toLowerCase());
      await wire.send("HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: Echo/2\r\n\r\n");
      await wire.send(await wire.exactly(4));
      return "close";
    },
    viewer: async ({ wire, host, note }) => {
      await wire.send(request("POST /", "Connection: Upgrade\r\nUpgrade: Echo/2\r\n").replace("HOST", host));
      const head = await wire.head();
      note([head?.line.split(" ")[1], valueOf(head!, "upgrade")?.toLowerCase()]);
      await wire.send("ping");
      note(await wire.rest());
    },
    probe: false,
  },
  {
    name: "a switch that the origin declines, and a request behind it",
    origin: answer("HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno"),
    viewer: ask(request("GET /ws", websocket)),
    differs: {
      key: "declined-upgrade",
      seen: ({ origin }) => ({ origin: origin.map(upgradeLast), persists: false }),
    },
  },
  {
    name: "an Upgrade to HTTP/2, which is never passed on",
    origin: answer(ok()),
    viewer: ask(
      request("GET /", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"),
    ),
    differs: {
      key: "h2c",
      seen: ({ origin }) => ({
        origin: origin.map((note) => fieldsOf(note, (fields) => fields.slice(0, 1))),
      }),
    },
  },
];

/** RFC 6455 7.4 in full, and the borders of 3000-4999. */
const CLOSE_CODES = [
  ...Array.from({ length: 16 }, (_, at) => 1000 + at),
  2999,
  3000,
  3999,
  4000,
  4999,
  5000,
  0,
  65_535,
];

function fieldsOf(note: unknown, change: (fields: readonly Field[]) => readonly Field[]): unknown {
  return { ...note as object, fields: change((note as { fields: Field[] }).fields) };
}

/** The edge writes Connection and Upgrade behind all other fields. */
function upgradeLast(note: unknown): unknown {
  const isUpgrade = ([name]: Field) => name === "Upgrade";
  return fieldsOf(
    note,
    (fields) => [...fields.filter((field) => !isUpgrade(field)), ...fields.filter(isUpgrade)],
  );
}
