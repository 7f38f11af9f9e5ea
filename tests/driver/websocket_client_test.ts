import assert from "node:assert/strict";
import { utf8 } from "../../src/bytes/mod.ts";
import {
  acceptWebSocketStream,
  connectWebSocket,
  systemClock,
  systemRandom,
  type WebSocketClientOptions,
  writeAll,
} from "../../src/driver/mod.ts";
import type { ByteStream } from "../../src/ports/mod.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { listen, readRequest, receive, send } from "./echo.ts";
import { type CallLog, loggedNetwork } from "./scripted_socket.ts";
import { memoryStreamPair } from "../support/memory_stream.ts";

const options: WebSocketClientOptions = { clock: systemClock, random: systemRandom };

/** Answers every connection with the bytes, once its request has come, and closes. */
function answering(...responses: string[]) {
  return listen(async (stream) => {
    await readRequest(stream);
    for (const response of responses) await writeAll(stream, utf8(response));
  });
}

Deno.test("connectWebSocket() talks to Deno.serve's WebSocket: messages of 0 to 200 KB come back, then a close", async () => {
  let path = "";
  const closed = Promise.withResolvers<[number, string]>();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    path = new URL(request.url).pathname;
    const { socket, response } = Deno.upgradeWebSocket(request, { protocol: "postern.v1" });
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => socket.send(data);
    socket.onclose = ({ code, reason }) => closed.resolve([code, reason]);
    return response;
  });
  const connection = await connectWebSocket(`ws://localhost:${server.addr.port}`, {
    ...options,
    maxMessageBytes: 200_000,
  });
  const sizes = [0, 1, 125, 126, 127, 4096, 65_535, 65_536, 200_000];
  const messages = sizes.map((size) => Uint8Array.from({ length: size }, (_, i) => i * 31));
  const [received] = await Promise.all([
    receive(connection, undefined, sizes.length),
    (async () => {
      for (const message of messages) await send(connection, message);
    })(),
  ]);
  assert.deepEqual(received.messages, messages);
  assert.equal(path, "/_postern/channel");
  await writeAll(connection.stream, connection.framing.closing(3001, "done"));
  assert.deepEqual(await receive(connection), { messages: [], ending: 3001 });
  assert.deepEqual(await closed.promise, [3001, "done"]);
  connection.stream.close();
  await server.shutdown();
});

Deno.test("connectWebSocket() meets acceptWebSocketStream(), and hands over frames that came with the answer", async () => {
  const server = listen(async (stream) => {
    const { head, path, leftover } = await readRequest(stream);
    assert.equal(path, "/custom");
    // One write, so that the frame arrives together with the head.
    const gathered = new Uint8Array(4096);
    let filled = 0;
    const gather: ByteStream = {
      read: () => Promise.resolve(null),
      closeWrite: () => Promise.resolve(),
      remoteAddress: "gather",
      close: () => {},
      write(bytes) {
        gathered.set(bytes, filled);
        filled += bytes.length;
        return Promise.resolve(bytes.length);
      },
    };
    const accepted = await acceptWebSocketStream(gather, head, leftover, options);
    await send(accepted, utf8("first"));
    await writeAll(stream, gathered.subarray(0, filled));
    const { ending } = await receive({ ...accepted, stream });
    assert.equal(ending, 1000);
  });
  const connection = await connectWebSocket(`ws://127.0.0.1:${server.port}`, { ...options, path: "/custom" });
  assert.ok(connection.leftover.length > 0);
  const { messages } = await receive(connection, undefined, 1);
  assert.deepEqual(messages, [utf8("first")]);
  await writeAll(connection.stream, connection.framing.closing(1000, ""));
  connection.stream.close();
  await server.close();
});

Deno.test("connectWebSocket() sets NODELAY before the first byte, for ws and before TLS for wss", async () => {
  for (const tls of [false, true]) {
    const log: CallLog = [];
    const [near, far] = memoryStreamPair();
    const connecting = connectWebSocket(`${tls ? "wss" : "ws"}://edge.example/c`, {
      ...options,
      network: loggedNetwork(near, log),
    });
    const { head, leftover } = await readRequest(far);
    await acceptWebSocketStream(far, head, leftover, options);
    await connecting;
    const first = log.filter((call, i) => log.indexOf(call) === i);
    assert.deepEqual(
      first,
      tls
        ? [
          "connect edge.example 443",
          "tcp.setNoDelay(true)",
          "startTls edge.example http/1.1",
          "tls.handshake",
          "tls.write",
          "tls.read",
        ]
        : ["connect edge.example 80", "tcp.setNoDelay(true)", "tcp.write", "tcp.read"],
    );
    assert.equal(head.header("host"), "edge.example");
  }
});

Deno.test("connectWebSocket() throws websocket_url_invalid without repeating the URL", async () => {
  const urls = [
    "edge.example",
    "https://edge.example",
    "ws://user:hunter2@edge.example",
    "wss://edge.example/?token=hunter2",
    "wss://edge.example/#hunter2",
  ];
  for (const url of urls) {
    await assert.rejects(connectWebSocket(url, options), (error: Error & { code?: string }) => {
      assert.equal(error.code, "websocket_url_invalid");
      assert.ok(!error.message.includes("hunter2"));
      return true;
    });
  }
});

Deno.test("connectWebSocket() explains a refusal by its status, code and Retry-After", async () => {
  const body = '{"code":"rate_limited","title":"Too many"}';
  const server = answering(
    `HTTP/1.1 429 Too Many\r\nRetry-After: 3\r\nContent-Length: ${body.length}\r\n\r\n`,
    body,
  );
  await assert.rejects(connectWebSocket(`ws://127.0.0.1:${server.port}`, options), {
    code: "websocket_unavailable",
    detail: { status: 429, retry_after_ms: 3000, peer_code: "rate_limited", peer_title: "Too many" },
  });
  await server.close();
});

Deno.test("connectWebSocket() reports a refusal whose body is cut off, and an answer that never comes", async () => {
  const cut = answering("HTTP/1.1 403 Forbidden\r\nContent-Length: 400\r\n\r\n{");
  await assert.rejects(connectWebSocket(`ws://127.0.0.1:${cut.port}`, options), {
    code: "websocket_refused",
  });
  await cut.close();
  const silent = answering();
  await assert.rejects(connectWebSocket(`ws://127.0.0.1:${silent.port}`, options), {
    code: "websocket_response_invalid",
  });
  await silent.close();
});

Deno.test("connectWebSocket() bounds the upgrade in time and closes the socket", async () => {
  const stages: [string, string][] = [
    ["", "websocket_upgrade_timeout"],
    ["HTTP/1.1 101 Switch", "websocket_upgrade_timeout"],
    ["HTTP/1.1 403 Forbidden\r\nContent-Length: 400\r\n\r\n{", "websocket_refused"],
  ];
  for (const [answer, code] of stages) {
    const clock = new VirtualClock();
    const log: CallLog = [];
    const [near, far] = memoryStreamPair();
    const connecting = assert.rejects(
      connectWebSocket("ws://edge.example", { ...options, clock, network: loggedNetwork(near, log) }),
      { code },
    );
    await readRequest(far);
    await writeAll(far, utf8(answer));
    await clock.advanceAsync(10_000);
    await connecting;
    assert.equal(log.at(-1), "tcp.close");
    assert.equal(clock.pending, 0);
  }
});

Deno.test("connectWebSocket() gives up with connect_aborted, and the signal has no say afterwards", async () => {
  const control = new AbortController();
  const [near, far] = memoryStreamPair();
  const network = loggedNetwork(near, []);
  const connecting = assert.rejects(
    connectWebSocket("ws://edge.example", { ...options, network, signal: control.signal }),
    { code: "connect_aborted" },
  );
  await readRequest(far);
  control.abort();
  await connecting;
  assert.equal(await far.read(new Uint8Array(1)), null);

  const later = new AbortController();
  const [near2, far2] = memoryStreamPair();
  const opening = connectWebSocket("ws://edge.example", {
    ...options,
    network: loggedNetwork(near2, []),
    signal: later.signal,
  });
  const { head, leftover } = await readRequest(far2);
  await acceptWebSocketStream(far2, head, leftover, options);
  const { stream } = await opening;
  later.abort();
  await writeAll(far2, utf8("x"));
  assert.equal(await stream.read(new Uint8Array(1)), 1);
});
