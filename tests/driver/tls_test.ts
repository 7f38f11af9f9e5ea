import assert from "node:assert/strict";
import { utf8 } from "../../src/bytes/mod.ts";
import {
  acceptWebSocketStream,
  connectWebSocket,
  type Network,
  systemClock,
  systemRandom,
  TcpStream,
  writeAll,
} from "../../src/driver/mod.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { listen, readRequest, receive, send } from "./echo.ts";
import { loggedNetwork, loggedTls } from "./scripted_socket.ts";
import { makeTestCa } from "./test_ca.ts";
import { memoryStreamPair } from "../support/memory_stream.ts";

const clock = systemClock;
const options = { clock, random: systemRandom };
const pki = makeTestCa();

/** A TLS server that echoes one connection after another. */
async function tlsEcho(hostname: string, alpnProtocols: string[] = ["h2", "http/1.1"]) {
  const { key, cert } = await pki;
  const listener = Deno.listenTls({ hostname, port: 0, key, cert, alpnProtocols });
  const alpn: (string | null)[] = [];
  const accepting = (async () => {
    for await (const conn of listener) {
      const stream = new TcpStream(conn);
      try {
        alpn.push((await conn.handshake()).alpnProtocol);
        const { head, leftover } = await readRequest(stream);
        const connection = await acceptWebSocketStream(stream, head, leftover, { clock });
        await receive(connection, (message) => send(connection, message));
      } catch {
        // A client that does not trust the server leaves.
      }
      stream.close();
    }
  })();
  return {
    alpn,
    port: listener.addr.port,
    async close() {
      listener.close();
      await accepting;
    },
  };
}

for (
  const [address, name] of [["127.0.0.1", "edge.localhost"], ["127.0.0.1", "127.0.0.1"], ["::1", "[::1]"]]
) {
  Deno.test(`connectWebSocket() trusts ${name} by a private authority and speaks HTTP/1.1 over TLS`, async () => {
    const server = await tlsEcho(address);
    const { stream, ...rest } = await connectWebSocket(`wss://${name}:${server.port}`, {
      ...options,
      caCerts: [(await pki).ca],
    });
    const connection = { stream, ...rest };
    const message = new Uint8Array(50_000).fill(3);
    await send(connection, message);
    assert.deepEqual((await receive(connection, undefined, 1)).messages, [message]);
    await writeAll(stream, connection.framing.closing(1000, ""));
    assert.equal((await receive(connection)).ending, 1000);
    stream.close();
    await server.close();
    assert.deepEqual(server.alpn, ["http/1.1"]);
  });
}

Deno.test("connectWebSocket() throws certificate_invalid for an unknown authority and for another name", async () => {
  const server = await tlsEcho("127.0.0.1");
  const { ca } = await pki;
  await assert.rejects(connectWebSocket(`wss://edge.localhost:${server.port}`, options), {
    code: "certificate_invalid",
    detail: { target: "edge.localhost", reason: "UnknownIssuer" },
  });
  await assert.rejects(
    connectWebSocket(`wss://other.localhost:${server.port}`, { ...options, caCerts: [ca] }),
    {
      code: "certificate_invalid",
    },
  );
  await server.close();
});

Deno.test("connectWebSocket() throws tls_handshake_failed where no TLS or no HTTP/1.1 is spoken", async () => {
  const plain = listen(async (stream) => {
    await stream.read(new Uint8Array(100));
    await writeAll(stream, utf8("HTTP/1.1 400 Bad Request\r\n\r\n"));
  });
  const silent = listen(() => Promise.resolve());
  const h2only = await tlsEcho("127.0.0.1", ["h2"]);
  for (const { port } of [plain, silent, h2only]) {
    await assert.rejects(
      connectWebSocket(`wss://edge.localhost:${port}`, { ...options, caCerts: [(await pki).ca] }),
      (error: Error & { code?: string }) => {
        // A socket closed with unread bytes is reset, which may be seen before the alert is.
        assert.equal(error.code, "tls_handshake_failed");
        return true;
      },
    );
  }
  await Promise.all([plain.close(), silent.close(), h2only.close()]);
});

Deno.test("connectWebSocket() throws ca_certificates_invalid instead of going on without the authority", async () => {
  const server = listen(() => Promise.resolve());
  const broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  for (const pem of ["", "junk", broken]) {
    await assert.rejects(connectWebSocket(`wss://127.0.0.1:${server.port}`, { ...options, caCerts: [pem] }), {
      code: "ca_certificates_invalid",
    });
  }
  await server.close();
});

Deno.test("connectWebSocket() throws tls_timeout and closes when the handshake hangs", async () => {
  const clock = new VirtualClock();
  const log: string[] = [];
  const [near] = memoryStreamPair();
  const network: Network = {
    ...loggedNetwork(near, log),
    startTls: () => Promise.resolve({ ...loggedTls(near, log), handshake: () => new Promise(() => {}) }),
  };
  const connecting = assert.rejects(connectWebSocket("wss://edge.example", { ...options, clock, network }), {
    code: "tls_timeout",
  });
  await clock.advanceAsync(10_000);
  await connecting;
  assert.equal(log.at(-1), "tls.close");
  assert.equal(clock.pending, 0);
});
