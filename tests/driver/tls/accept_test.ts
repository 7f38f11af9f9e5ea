import assert from "node:assert/strict";
import { systemClock, writeAll } from "../../../src/driver/mod.ts";
import { acceptTls } from "../../../src/driver/tls/mod.ts";
import { codeOf } from "../../../src/errors/mod.ts";
import { CertificateAuthority } from "../../support/certificates.ts";
import { Process } from "../../support/process.ts";
import { settle, VirtualClock } from "../../support/virtual_clock.ts";
import { openSslHello } from "./openssl_hello.ts";
import { connectOver, contextsOf, handshakeTimeoutMs, readAll, TlsServer } from "./tls_server.ts";
import { memoryStreamPair } from "../../support/memory_stream.ts";

const decoder = new TextDecoder();

/** Runs s_client with one line of input; the server ends the connection. */
async function sClient(port: number, ...args: string[]) {
  const { code, stdout, stderr } = await Process.run("openssl", {
    args: ["s_client", "-connect", `127.0.0.1:${port}`, "-brief", "-ign_eof", ...args],
    stdin: "hello\n",
  });
  return { code, stdout, stderr };
}

/** Answers a line with it and with what the handshake said. */
function answering(contexts: ReturnType<typeof contextsOf>): TlsServer {
  return new TlsServer(contexts, async ({ stream, serverName, alpn }) => {
    const buffer = new Uint8Array(100);
    const bytes = await stream.read(buffer) ?? 0;
    const line = decoder.decode(buffer.subarray(0, bytes)).trim();
    await writeAll(stream, new TextEncoder().encode(`<${line} ${serverName} ${alpn}>\n`));
    await stream.closeWrite();
  });
}

Deno.test("acceptTls() speaks TLS 1.2 and 1.3 with openssl and tells name and protocol", async () => {
  await using authority = await CertificateAuthority.make();
  await using server = answering(contextsOf(await authority.issue({ names: ["DNS:a.test"] })));
  const trust = ["-CAfile", authority.ca.certPath, "-verify_return_error"];
  for (const [flag, version] of [["-tls1_2", "TLSv1.2"], ["-tls1_3", "TLSv1.3"]]) {
    const named = ["-servername", "A.Test", "-verify_hostname", "a.test", "-alpn", "h2,http/1.1"];
    const { stdout, stderr } = await sClient(server.port, flag, ...trust, ...named);
    assert.match(stdout, /<hello a\.test http\/1\.1>/, stderr);
    assert.match(stderr, new RegExp(version));
    assert.match(stderr, /Verification: OK/);
  }
  const nameless = await sClient(server.port, ...trust, "-noservername");
  assert.match(nameless.stdout, /<hello undefined undefined>/);
  assert.deepEqual(server.codes, []);
});

Deno.test("acceptTls() answers what it refuses with the alert that says why", async () => {
  await using authority = await CertificateAuthority.make();
  const pair = await authority.issue({ names: ["DNS:a.test"] });
  const { contextFor } = contextsOf(pair);
  const named = {
    contextFor: (name: string | undefined) => name === "a.test" ? contextFor(name) : undefined,
  };
  await using server = answering(named);
  const cases = [
    { args: ["-servername", "a.test", "-alpn", "h2"], alert: 120, code: "tls_no_common_protocol" },
    { args: ["-servername", "b.test"], alert: 112, code: "tls_unknown_name" },
    { args: ["-noservername"], alert: 112, code: "tls_unknown_name" },
    {
      args: ["-servername", "a.test", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
      alert: 70,
      code: "tls_handshake_failed",
    },
    { args: ["-servername", "a.test", "-groups", "X448"], alert: 40, code: "tls_handshake_failed" },
  ];
  for (const { args, alert } of cases) {
    const { code, stderr } = await sClient(server.port, ...args);
    assert.notEqual(code, 0);
    assert.match(stderr, new RegExp(`alert number ${alert}\\b`), args.join(" "));
  }
  assert.deepEqual(server.codes, cases.map(({ code }) => code));
});

Deno.test("acceptTls() answers a plain request with alert 50 and tls_malformed_hello", async () => {
  await using authority = await CertificateAuthority.make();
  const contexts = contextsOf(await authority.issue({ names: ["DNS:a.test"] }));
  const [client, server] = memoryStreamPair();
  await writeAll(client, new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"));
  const accepting = acceptTls(server, { contexts, clock: systemClock, timeoutMs: handshakeTimeoutMs });
  await assert.rejects(accepting, { code: "tls_malformed_hello" });
  assert.deepEqual([...await readAll(client)], [21, 3, 3, 0, 2, 2, 50]);
});

Deno.test("acceptTls() takes the bytes that were peeked, wherever they were cut", async () => {
  await using authority = await CertificateAuthority.make();
  const contexts = contextsOf(await authority.issue({ names: ["DNS:a.test"] }));
  for (const peekedBytes of [1, 5, 44, 100_000]) {
    const [client, server] = memoryStreamPair();
    const connecting = connectOver(client, authority.ca.cert);
    const buffer = new Uint8Array(peekedBytes);
    const peeked = buffer.subarray(0, await server.read(buffer) ?? 0);
    const options = { contexts, clock: systemClock, timeoutMs: handshakeTimeoutMs, peeked };
    const [socket, { stream, serverName }] = await Promise.all([connecting, acceptTls(server, options)]);
    assert.equal(serverName, "a.test");
    await writeAll(stream, new Uint8Array([1, 2, 3]));
    assert.deepEqual([...await new Promise<Uint8Array>((resolve) => socket.once("data", resolve))], [
      1,
      2,
      3,
    ]);
    socket.destroy();
    stream.close();
  }
});

Deno.test("acceptTls() gives up on silent clients with tls_timeout, before and within the handshake", async () => {
  await using authority = await CertificateAuthority.make();
  const contexts = contextsOf(await authority.issue({ names: ["DNS:a.test"] }));
  const hello = await openSslHello("-servername", "a.test", "-alpn", "http/1.1");
  for (const sent of [new Uint8Array(), hello.subarray(0, 60), hello]) {
    const clock = new VirtualClock();
    const [client, server] = memoryStreamPair();
    await writeAll(client, sent);
    const outcome = acceptTls(server, { contexts, clock, timeoutMs: 1_000 }).then(() => "accepted", codeOf);
    // Whatever it can do without an answer is done by then.
    for (let turn = 0; turn < 20; turn++) await settle();
    await clock.advanceAsync(999);
    assert.equal(await Promise.race([outcome, settle().then(() => "waiting")]), "waiting");
    await clock.advanceAsync(1);
    assert.equal(await outcome, "tls_timeout");
    assert.equal(clock.pending, 0);
    await assert.rejects(client.write(new Uint8Array(1)), { code: "connection_reset" });
  }
});

Deno.test("acceptTls() says tls_handshake_failed when the client leaves within it or breaks it", async () => {
  await using authority = await CertificateAuthority.make();
  const contexts = contextsOf(await authority.issue({ names: ["DNS:a.test"] }));
  const hello = await openSslHello("-servername", "a.test", "-alpn", "http/1.1");
  const garbage = Uint8Array.of(...hello, 23, 3, 3, 0, 2, 1, 2);
  for (const sent of [new Uint8Array(), hello.subarray(0, 60), hello, garbage]) {
    const clock = new VirtualClock();
    const [client, server] = memoryStreamPair();
    await writeAll(client, sent);
    await client.closeWrite();
    await assert.rejects(acceptTls(server, { contexts, clock, timeoutMs: 1_000 }), {
      code: "tls_handshake_failed",
    });
    assert.equal(clock.pending, 0);
  }
});
