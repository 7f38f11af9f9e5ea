import assert from "node:assert/strict";
import { once } from "node:events";
import { systemClock, writeAll } from "../../../src/driver/mod.ts";
import { type AcceptedTls, acceptTls } from "../../../src/driver/tls/mod.ts";
import type { ByteStream } from "../../../src/ports/mod.ts";
import { CertificateAuthority } from "../../support/certificates.ts";
import { curl } from "../../support/curl.ts";
import { settle } from "../../support/virtual_clock.ts";
import {
  connectOver,
  contextsOf,
  echo,
  handshakeTimeoutMs,
  patternBytes,
  readAll,
  TlsServer,
} from "./tls_server.ts";
import { memoryStreamPair } from "../../support/memory_stream.ts";

const bulkBytes = 20 * 1024 * 1024;

/** Client and server ends of one session in memory; `carrier` is what the server's end stands on. */
async function session(options: { readonly maxTransferBytes?: number } = {}) {
  const authority = await CertificateAuthority.make();
  const contexts = contextsOf(await authority.issue({ names: ["DNS:a.test"] }));
  const [clientEnd, serverEnd] = memoryStreamPair(options);
  const carrier = new Counted(serverEnd);
  const [client, { stream }] = await Promise.all([
    connectOver(clientEnd, authority.ca.cert),
    acceptTls(carrier, { contexts, clock: systemClock, timeoutMs: handshakeTimeoutMs }),
  ]);
  return {
    client,
    clientEnd,
    stream,
    carrier,
    [Symbol.asyncDispose]: async () => {
      client.destroy();
      clientEnd.close();
      stream.close();
      await authority[Symbol.asyncDispose]();
    },
  };
}

class Counted implements ByteStream {
  readonly #stream: ByteStream;
  readBytes = 0;
  writtenBytes = 0;

  constructor(stream: ByteStream) {
    this.#stream = stream;
  }

  get remoteAddress(): string {
    return this.#stream.remoteAddress;
  }

  async read(into: Uint8Array): Promise<number | null> {
    const bytes = await this.#stream.read(into);
    this.readBytes += bytes ?? 0;
    return bytes;
  }

  async write(from: Uint8Array): Promise<number> {
    const bytes = await this.#stream.write(from);
    this.writtenBytes += bytes;
    return bytes;
  }

  closeWrite(): Promise<void> {
    return this.#stream.closeWrite();
  }

  close(): void {
    this.#stream.close();
  }
}

/** Goes around the event loop until the value has not changed for a hundred turns. */
async function stable(value: () => number): Promise<number> {
  let last = value();
  for (let still = 0; still < 100; still++) {
    await settle();
    if (value() !== last) still = 0;
    last = value();
  }
  return last;
}

const hash = async (bytes: Uint8Array) =>
  new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>)).toHex();

/** Answers one HTTP/1.1 request with its own body. */
async function echoBody({ stream }: AcceptedTls): Promise<void> {
  let head = "";
  const octet = new Uint8Array(1);
  while (!head.endsWith("\r\n\r\n") && await stream.read(octet) !== null) {
    head += String.fromCharCode(octet[0]);
  }
  const body = new Uint8Array(Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0));
  for (let at = 0; at < body.length;) {
    const bytes = await stream.read(body.subarray(at));
    if (bytes === null) return;
    at += bytes;
  }
  const answer = `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`;
  await writeAll(stream, new TextEncoder().encode(answer));
  await writeAll(stream, body);
  await stream.closeWrite();
}

Deno.test("TlsStream carries 20 MiB up and down with curl, over TLS 1.2 and 1.3", async () => {
  await using authority = await CertificateAuthority.make();
  await using server = new TlsServer(contextsOf(await authority.issue({ names: ["DNS:a.test"] })), echoBody);
  const body = patternBytes(bulkBytes);
  for (const version of [["--tlsv1.3"], ["--tlsv1.2", "--tls-max", "1.2"]]) {
    const result = await curl("https://a.test/", {
      args: ["--http1.1", "--cacert", authority.ca.certPath, "-H", "Expect:", ...version],
      connectTo: { "a.test:443": server.port },
      body,
    });
    assert.equal(result.status, 200, result.stderr);
    assert.equal(await hash(result.body), await hash(body));
  }
});

Deno.test("TlsStream serves many connections at once", async () => {
  await using authority = await CertificateAuthority.make();
  await using server = new TlsServer(contextsOf(await authority.issue({ names: ["DNS:localhost"] })), echo);
  const caCerts = [authority.ca.cert];
  await Promise.all(Array.from({ length: 32 }, async (_, number) => {
    const conn = await Deno.connectTls({ hostname: "localhost", port: server.port, caCerts });
    const sent = patternBytes(100_000 + number * 1_111);
    const received = readAll(conn);
    await writeConn(conn, sent);
    await conn.closeWrite();
    assert.equal(await hash(await received), await hash(sent));
    conn.close();
  }));
  await server.idle();
  assert.deepEqual(server.codes, []);
});

Deno.test("TlsStream takes less than 8 MiB from a socket while nobody reads, then all of it", async () => {
  await using authority = await CertificateAuthority.make();
  const reading = Promise.withResolvers<void>();
  const received = Promise.withResolvers<Uint8Array>();
  await using server = new TlsServer(
    contextsOf(await authority.issue({ names: ["DNS:localhost"] })),
    async ({ stream }) => {
      await reading.promise;
      received.resolve(await readAll(stream));
    },
  );
  const sent = patternBytes(bulkBytes);
  const conn = await Deno.connectTls({
    hostname: "localhost",
    port: server.port,
    caCerts: [authority.ca.cert],
  });
  const sending = writeConn(conn, sent).then(() => conn.closeWrite());
  const taken = await stable(() => server.readBytes);
  assert.ok(taken < 8 * 1024 * 1024, `${taken} bytes`);
  reading.resolve();
  assert.equal(await hash(await received.promise), await hash(sent));
  await sending;
  conn.close();
});

Deno.test("TlsStream.read() holds back what is below while nobody reads", async () => {
  await using pair = await session();
  const sent = patternBytes(4_000_000);
  pair.client.end(sent);
  assert.ok(await stable(() => pair.carrier.readBytes) < 400_000, `${pair.carrier.readBytes} bytes`);
  assert.equal(await hash(await readAll(pair.stream, 1_000)), await hash(sent));
});

Deno.test("TlsStream.write() waits for a peer that does not read", async () => {
  await using pair = await session();
  const before = pair.carrier.writtenBytes;
  const sent = patternBytes(4_000_000);
  let accepted = 0;
  const writing = (async () => {
    while (accepted < sent.length) accepted += await pair.stream.write(sent.subarray(accepted));
    await pair.stream.closeWrite();
  })();
  const taken = await stable(() => accepted);
  assert.ok(taken < 1_000_000, `${taken} bytes`);
  assert.ok(pair.carrier.writtenBytes - before >= taken, "what was accepted is on its way");
  const chunks: Uint8Array[] = [];
  for await (const chunk of pair.client) chunks.push(chunk);
  await writing;
  assert.equal(
    await hash(new Uint8Array(await new Blob(chunks as BlobPart[]).arrayBuffer())),
    await hash(sent),
  );
});

Deno.test("TlsStream carries bytes unchanged over a stream of one byte at a time", async () => {
  await using pair = await session({ maxTransferBytes: 1 });
  const sent = patternBytes(3_000);
  pair.client.end(sent);
  assert.equal(await hash(await readAll(pair.stream, 7)), await hash(sent));
  await writeAll(pair.stream, sent);
  await pair.stream.closeWrite();
  assert.equal(await hash(await readClient(pair.client)), await hash(sent));
});

Deno.test("TlsStream.read() gives null after close_notify while writing goes on", async () => {
  await using authority = await CertificateAuthority.make();
  await using server = new TlsServer(
    contextsOf(await authority.issue({ names: ["DNS:localhost"] })),
    async ({ stream }) => {
      const request = await readAll(stream);
      assert.equal(await stream.read(new Uint8Array(1)), null, "and again");
      await writeAll(stream, patternBytes(500_000 + request.length));
      await stream.closeWrite();
      await stream.closeWrite();
      await assert.rejects(stream.write(new Uint8Array(1)), { code: "connection_closed" });
    },
  );
  const conn = await Deno.connectTls({
    hostname: "localhost",
    port: server.port,
    caCerts: [authority.ca.cert],
  });
  await conn.write(new Uint8Array(10));
  await conn.closeWrite();
  // Deno's client fails on an end without close_notify.
  assert.equal((await readAll(conn)).length, 500_010);
  conn.close();
  await server.idle();
  assert.deepEqual(server.codes, []);
});

Deno.test("TlsStream.closeWrite() ends one direction: what the peer sends still arrives", async () => {
  await using pair = await session();
  await writeAll(pair.stream, new Uint8Array([1, 2, 3]));
  await pair.stream.closeWrite();
  pair.client.write(new Uint8Array([4, 5]));
  const into = new Uint8Array(10);
  assert.equal(await pair.stream.read(into), 2);
  assert.deepEqual([...await readClient(pair.client)], [1, 2, 3]);
});

Deno.test("TlsStream.read() throws connection_reset when the peer cuts the connection, not before its bytes", async () => {
  await using pair = await session();
  pair.client.write(new Uint8Array([1, 2]));
  await stable(() => pair.carrier.readBytes);
  await pair.clientEnd.closeWrite();
  assert.equal(await pair.stream.read(new Uint8Array(10)), 2);
  await assert.rejects(pair.stream.read(new Uint8Array(10)), {
    code: "connection_reset",
    message: /close_notify/,
  });
});

Deno.test("TlsStream throws connection_reset on forged records, in both directions", async () => {
  await using pair = await session();
  const reading = pair.stream.read(new Uint8Array(10));
  await writeAll(pair.clientEnd, Uint8Array.of(23, 3, 3, 0, 20, ...new Uint8Array(20)));
  await assert.rejects(reading, { code: "connection_reset", message: /broke/ });
  await assert.rejects(pair.stream.write(new Uint8Array(10)), { code: "connection_reset" });
});

Deno.test("TlsStream.write() passes on why the stream below failed", async () => {
  await using pair = await session();
  pair.clientEnd.close();
  await assert.rejects(writeAll(pair.stream, new Uint8Array(1_000_000)), {
    code: "connection_reset",
    message: /the other end closed it/,
  });
});

Deno.test("TlsStream.close() ends reads and writes under way, closes what is below and is idempotent", async () => {
  await using pair = await session();
  const reading = pair.stream.read(new Uint8Array(10));
  const writing = writeAll(pair.stream, new Uint8Array(2_000_000));
  await settle();
  const refused = assert.rejects(writing, { code: "connection_closed" });
  pair.stream.close();
  pair.stream.close();
  assert.equal(await reading, null);
  await refused;
  assert.equal(await pair.stream.read(new Uint8Array(10)), null);
  await assert.rejects(pair.stream.write(new Uint8Array(1)), { code: "connection_closed" });
  await pair.stream.closeWrite();
  await assert.rejects(pair.clientEnd.write(new Uint8Array(1)), { code: "connection_reset" });
});

Deno.test("TlsStream moves nothing for empty views", async () => {
  await using pair = await session();
  assert.equal(await pair.stream.read(new Uint8Array()), 0);
  assert.equal(await pair.stream.write(new Uint8Array()), 0);
});

async function readClient(
  client: NodeJS.ReadableStream & { readonly readableEnded?: boolean },
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  client.on("data", (chunk: Uint8Array) => chunks.push(chunk));
  if (client.readableEnded !== true) await once(client, "end");
  return new Uint8Array(await new Blob(chunks as BlobPart[]).arrayBuffer());
}

async function writeConn(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}
