/** TLS as a server: ours over `node:tls` and a gated stream, beside `Deno.listenTls`. Client and server share one process. */
import { createSecureContext } from "node:tls";
import { systemClock, systemRandom, TcpStream, writeAll } from "../src/driver/mod.ts";
import { acceptTls } from "../src/driver/tls/mod.ts";
import { makeDevCertificates } from "../src/identity/dev_certificate/mod.ts";
import type { ByteStream } from "../src/ports/mod.ts";

const messageBytes = 100;
const bulkBytes = 16 * 1024 * 1024;
const bufferBytes = 65_536;
const hostname = "127.0.0.1";

const { caCert, cert, key } = await makeDevCertificates({
  publicHost: "localhost",
  nowMs: Date.now(),
  random: systemRandom,
});

/** First byte of a connection: what the server is to do. */
const mode = { echo: 1, sink: 2, source: 3 } as const;

async function serve(stream: ByteStream): Promise<void> {
  const buffer = new Uint8Array(bufferBytes);
  await stream.read(buffer.subarray(0, 1));
  if (buffer[0] === mode.source) {
    for (;;) await writeAll(stream, buffer);
  }
  let received = 0;
  const echoes = buffer[0] === mode.echo;
  for (let bytes = await stream.read(buffer); bytes !== null; bytes = await stream.read(buffer)) {
    if (echoes) await writeAll(stream, buffer.subarray(0, bytes));
    received += bytes;
    if (!echoes && received % bulkBytes === 0) await writeAll(stream, buffer.subarray(0, 1));
  }
}

function ours(): number {
  const listener = Deno.listen({ hostname, port: 0 });
  const context = createSecureContext({ cert, key });
  const contexts = { contextFor: () => context };
  (async () => {
    for await (const conn of listener) {
      acceptTls(new TcpStream(conn), { contexts, clock: systemClock, timeoutMs: 10_000 })
        .then(({ stream }) => serve(stream)).catch(() => {});
    }
  })();
  return listener.addr.port;
}

function denos(): number {
  const listener = Deno.listenTls({ hostname, port: 0, cert, key });
  (async () => {
    for await (const conn of listener) serve(new TcpStream(conn)).catch(() => {});
  })();
  return listener.addr.port;
}

async function connect(port: number, what: number): Promise<Deno.TlsConn> {
  const conn = await Deno.connect({ hostname, port });
  conn.setNoDelay(true);
  const secured = await Deno.startTls(conn, { hostname: "localhost", caCerts: [caCert] });
  await secured.write(Uint8Array.of(what));
  return secured;
}

async function readExactly(conn: Deno.Conn, buffer: Uint8Array, bytes: number): Promise<void> {
  for (let left = bytes; left > 0;) left -= await conn.read(buffer.subarray(0, left)) ?? left;
}

for (const [name, port] of [["acceptTls", ours()], ["Deno.listenTls", denos()]] as const) {
  const baseline = name === "acceptTls";
  const buffer = new Uint8Array(bufferBytes);
  const echo = await connect(port, mode.echo);
  const sink = await connect(port, mode.sink);
  const source = await connect(port, mode.source);
  const message = new Uint8Array(messageBytes);
  Deno.bench(
    `${name}: echo of ${messageBytes} B`,
    { group: "echo", baseline, n: 1_000, warmup: 100 },
    async () => {
      await echo.write(message);
      await readExactly(echo, buffer, messageBytes);
    },
  );
  Deno.bench(`${name}: 16 MiB up`, { group: "up", baseline, n: 10, warmup: 2 }, async () => {
    for (let left = bulkBytes; left > 0;) {
      left -= await sink.write(buffer.subarray(0, Math.min(left, bufferBytes)));
    }
    await readExactly(sink, buffer, 1);
  });
  Deno.bench(`${name}: 16 MiB down`, { group: "down", baseline, n: 10, warmup: 2 }, async () => {
    await readExactly(source, buffer, bulkBytes);
  });
  Deno.bench(`${name}: handshake`, { group: "handshake", baseline, n: 100, warmup: 10 }, async () => {
    const conn = await Deno.connect({ hostname, port });
    const secured = await Deno.startTls(conn, { hostname: "localhost", caCerts: [caCert] });
    await secured.handshake();
    secured.close();
  });
}
