import assert from "node:assert/strict";
import { utf8 } from "../../src/bytes/mod.ts";
import {
  acceptWebSocketStream,
  connectWebSocket,
  dialTcp,
  parseProxyUrl,
  type ProxyChooser,
  systemClock,
  systemRandom,
  writeAll,
} from "../../src/driver/mod.ts";
import type { ByteStream } from "../../src/ports/mod.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { listen, readRequest, receive, send } from "./echo.ts";
import { loggedNetwork } from "./scripted_socket.ts";
import { memoryStreamPair } from "../support/memory_stream.ts";

const clock = systemClock;
const options = { clock, random: systemRandom };

async function pipe(from: ByteStream, to: ByteStream): Promise<void> {
  const chunk = new Uint8Array(4096);
  for (;;) {
    const bytes = await from.read(chunk);
    if (bytes === null) return to.closeWrite();
    await writeAll(to, chunk.subarray(0, bytes));
  }
}

/** A proxy that leads everything to one port, and keeps what it was asked. */
function proxyTo(port: number) {
  const requests: string[] = [];
  const server = listen(async (client) => {
    requests.push((await readRequest(client)).text);
    const upstream = await dialTcp("127.0.0.1", port, { clock });
    await writeAll(client, utf8("HTTP/1.0 200 Connection established\r\nVia: test\r\n\r\n"));
    await Promise.all([pipe(client, upstream), pipe(upstream, client)]);
    upstream.close();
  });
  return { ...server, requests };
}

function through(url: string, credentials?: string): ProxyChooser {
  return () => Promise.resolve(parseProxyUrl(url, credentials));
}

function answering(response: string) {
  return listen(async (stream) => {
    await readRequest(stream);
    await writeAll(stream, utf8(response));
  });
}

Deno.test("connectWebSocket() goes through an HTTP proxy, which resolves the edge's name, with credentials", async () => {
  const edge = listen(async (stream) => {
    const { head, leftover } = await readRequest(stream);
    assert.equal(head.header("host"), "edge.example:81");
    assert.equal(head.header("proxy-authorization"), undefined);
    const connection = await acceptWebSocketStream(stream, head, leftover, options);
    await receive(connection, (message) => send(connection, message));
  });
  const proxy = proxyTo(edge.port);
  const connection = await connectWebSocket("ws://edge.example:81", {
    ...options,
    proxyFor: through(`http://localhost:${proxy.port}`, "us@er:päss:word"),
  });
  await send(connection, utf8("through"));
  assert.deepEqual((await receive(connection, undefined, 1)).messages, [utf8("through")]);
  connection.stream.close();
  await Promise.all([proxy.close(), edge.close()]);
  assert.deepEqual(proxy.requests, [
    "CONNECT edge.example:81 HTTP/1.1\r\nHost: edge.example:81\r\n" +
    `Proxy-Authorization: Basic ${utf8("us@er:päss:word").toBase64()}`,
  ]);
});

Deno.test("connectWebSocket() tells a proxy's refusals apart, and no error repeats its credentials", async () => {
  const cases: [string, string][] = [
    ["HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "proxy_auth_required"],
    ["HTTP/1.1 403 Forbidden\r\n\r\n", "proxy_refused"],
    ["HTTP/1.1 502 Bad Gateway\r\n\r\n", "proxy_refused"],
    ["HTTP/1.1 101 Switching\r\n\r\n", "proxy_response_invalid"],
    ["HTTP/1.1 200 OK\r\n\r\nearly", "proxy_response_invalid"],
    ["SSH-2.0-OpenSSH\r\n\r\n", "proxy_response_invalid"],
    ["HTTP/1.1 200", "proxy_response_invalid"],
    ["HTTP/1.1 200 OK\r\nX: " + "x".repeat(9000), "proxy_response_invalid"],
  ];
  for (const [response, code] of cases) {
    const proxy = answering(response);
    await assert.rejects(
      connectWebSocket("ws://edge.example", {
        ...options,
        proxyFor: through(`http://127.0.0.1:${proxy.port}`, "user:hunter2"),
      }),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, code);
        assert.ok(!Deno.inspect(error).includes("hunter2"));
        return true;
      },
    );
    await proxy.close();
  }
});

Deno.test("connectWebSocket() throws proxy_timeout when the proxy does not answer", async () => {
  const clock = new VirtualClock();
  const [near, far] = memoryStreamPair();
  const connecting = assert.rejects(
    connectWebSocket("ws://edge.example", {
      ...options,
      clock,
      proxyFor: through("http://proxy.example"),
      network: loggedNetwork(near, []),
    }),
    { code: "proxy_timeout" },
  );
  await readRequest(far);
  await clock.advanceAsync(10_000);
  await connecting;
  assert.equal(await far.read(new Uint8Array(1)), null);
});

Deno.test("parseProxyUrl() reads http and https, with the port of the scheme and IPv6 addresses", () => {
  assert.deepEqual(parseProxyUrl("http://proxy.example"), { tls: false, host: "proxy.example", port: 80 });
  assert.deepEqual(parseProxyUrl("https://proxy.example/"), { tls: true, host: "proxy.example", port: 443 });
  assert.deepEqual(parseProxyUrl("https://[::1]:3128"), { tls: true, host: "::1", port: 3128 });
});

Deno.test("parseProxyUrl() throws proxy_url_invalid without repeating the URL", () => {
  const urls = [
    "proxy.example:3128",
    "https://user:hunter2@proxy.example",
    "http://hunter2@proxy.example",
    "socks5://hunter2@proxy.example",
    "http://proxy.example/hunter2",
    "http://proxy.example/?hunter2",
  ];
  for (const url of urls) {
    assert.throws(() => parseProxyUrl(url), (error: Error) => {
      assert.equal((error as { code?: string }).code, "proxy_url_invalid");
      assert.ok(!Deno.inspect(error).includes("hunter2"));
      return true;
    });
  }
});

Deno.test("parseProxyUrl() throws proxy_credentials_invalid for what is not one line user:password", () => {
  for (const credentials of ["hunter2", ":hunter2", "user:hunter2\r\nX: y", "a:hunter2\u0000"]) {
    assert.throws(() => parseProxyUrl("http://proxy.example", credentials), (error: Error) => {
      assert.equal((error as { code?: string }).code, "proxy_credentials_invalid");
      assert.ok(!Deno.inspect(error).includes("hunter2"));
      return true;
    });
  }
  assert.equal(parseProxyUrl("http://p", "user:").authorization, `Basic ${utf8("user:").toBase64()}`);
});
