import assert from "node:assert/strict";
import { utf8 } from "../../src/bytes/mod.ts";
import { acceptWebSocketStream, systemClock, TcpStream, writeAll } from "../../src/driver/mod.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { listen, readRequest, receive, type Received, send } from "./echo.ts";
import { type CallLog, loggedSocket } from "./scripted_socket.ts";
import { memoryStreamPair } from "../support/memory_stream.ts";

const clock = systemClock;
const protocol = "postern.v1";
const request = "GET /_postern/channel HTTP/1.1\r\nHost: edge.example\r\nUpgrade: websocket\r\n" +
  "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" +
  `Sec-WebSocket-Protocol: ${protocol}\r\n\r\n`;

/** Echoes one connection after another; tells how each ended. */
function echoServer(maxMessageBytes?: number) {
  const endings: Received["ending"][] = [];
  const server = listen(async (stream) => {
    const { head, leftover } = await readRequest(stream);
    const connection = await acceptWebSocketStream(stream, head, leftover, { clock, maxMessageBytes });
    endings.push((await receive(connection, (message) => send(connection, message))).ending);
  });
  return { ...server, endings };
}

/** Deno's own client, as a stranger that follows RFC 6455. */
async function open(port: number): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/_postern/channel`, [protocol]);
  socket.binaryType = "arraybuffer";
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = reject;
  });
  return socket;
}

const closed = (socket: WebSocket) =>
  new Promise<number>((resolve) => socket.onclose = ({ code }) => resolve(code));

Deno.test("acceptWebSocketStream() serves Deno's WebSocket client: 0 to 200 KB echoed, then its close", async () => {
  const server = echoServer(200_000);
  const socket = await open(server.port);
  assert.equal(socket.protocol, protocol);
  assert.equal(socket.extensions, "");
  for (const size of [0, 1, 125, 126, 65_535, 65_536, 200_000]) {
    const message = Uint8Array.from({ length: size }, (_, i) => i * 17);
    const echo = new Promise<MessageEvent>((resolve) => socket.onmessage = resolve);
    socket.send(message);
    assert.deepEqual(new Uint8Array((await echo).data), message);
  }
  const ending = closed(socket);
  socket.close(4001, "bye");
  assert.equal(await ending, 4001);
  await server.close();
  assert.deepEqual(server.endings, [4001]);
});

Deno.test("acceptWebSocketStream() lets a client that breaks the rules know why, by close code", async () => {
  const server = echoServer(1000);
  const texting = await open(server.port);
  const first = closed(texting);
  texting.send("text");
  assert.equal(await first, 1003);
  const oversized = await open(server.port);
  const second = closed(oversized);
  oversized.send(new Uint8Array(1001));
  assert.equal(await second, 1009);
  await server.close();
  assert.deepEqual(server.endings, ["websocket_text_refused", "websocket_message_too_large"]);
});

Deno.test("acceptWebSocketStream() runs over a socket whose NODELAY is set before its first use", async () => {
  const log: CallLog = [];
  const [near, far] = memoryStreamPair();
  const stream = new TcpStream(loggedSocket(near, log));
  await writeAll(far, utf8(request + "frames"));
  const { head, leftover } = await readRequest(stream);
  const connection = await acceptWebSocketStream(stream, head, leftover, { clock });
  assert.deepEqual(log, ["tcp.setNoDelay(true)", "tcp.read", "tcp.write"]);
  assert.deepEqual(connection.leftover, utf8("frames"));
});

Deno.test("acceptWebSocketStream() throws on a bad request before it writes, and leaves the stream open", async () => {
  const [near, far] = memoryStreamPair();
  const head = { method: "GET", httpVersion: "1.1", header: () => null };
  await assert.rejects(acceptWebSocketStream(near, head, new Uint8Array(0), { clock }), {
    code: "websocket_upgrade_required",
  });
  await writeAll(near, utf8("HTTP/1.1 426"));
  assert.equal(await far.read(new Uint8Array(64)), 12);
});

Deno.test("acceptWebSocketStream() closes a stream whose peer does not read the answer in time", async () => {
  const clock = new VirtualClock();
  const [near, far] = memoryStreamPair({ bufferBytes: 16 });
  const { head } = await (async () => {
    const [a, b] = memoryStreamPair();
    await writeAll(a, utf8(request));
    return readRequest(b);
  })();
  const accepting = assert.rejects(acceptWebSocketStream(near, head, new Uint8Array(0), { clock }), {
    code: "websocket_upgrade_timeout",
  });
  await clock.advanceAsync(10_000);
  await accepting;
  assert.equal(await near.read(new Uint8Array(1)), null);
  assert.equal(await far.read(new Uint8Array(64)), 16);
  assert.equal(await far.read(new Uint8Array(64)), null);
});
