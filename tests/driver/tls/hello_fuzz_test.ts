import assert from "node:assert/strict";
import { writeAll } from "../../../src/driver/mod.ts";
import { GatedTransport } from "../../../src/driver/tls/gated_transport.ts";
import { acceptTls } from "../../../src/driver/tls/mod.ts";
import { TlsServerSocket } from "../../../src/driver/tls/tls_server_socket.ts";
import { codeOf } from "../../../src/errors/mod.ts";
import { CertificateAuthority } from "../../support/certificates.ts";
import { mutate, seeded } from "../../support/mutation.ts";
import { VirtualClock } from "../../support/virtual_clock.ts";
import { openSslHello } from "./openssl_hello.ts";
import { contextsOf } from "./tls_server.ts";
import { memoryStreamPair } from "../../support/memory_stream.ts";

const mutations = 600;
/** What a client that sends one broken message and leaves can bring about. */
const expectedCodes = [
  "tls_malformed_hello",
  "tls_no_common_protocol",
  "tls_unknown_name",
  "tls_handshake_failed",
];

Deno.test("acceptTls() survives mutated ClientHellos, and says what was wrong", async () => {
  await using authority = await CertificateAuthority.make();
  const contexts = contextsOf(await authority.issue({ names: ["DNS:a.test"] }));
  const hellos = [
    await openSslHello("-servername", "a.test", "-alpn", "h2,http/1.1"),
    await openSslHello("-servername", "a.test", "-alpn", "http/1.1", "-tls1_2"),
  ];
  const random = seeded(1);
  const counts = new Map<string, number>();
  for (let run = 0; run < mutations; run++) {
    const bytes = mutate(hellos[run % hellos.length], random);
    const [client, server] = memoryStreamPair();
    await writeAll(client, bytes);
    await client.closeWrite();
    const clock = new VirtualClock();
    const code = await acceptTls(server, { contexts, clock, timeoutMs: 1_000 }).then(
      () => "accepted",
      codeOf,
    );
    assert.ok(expectedCodes.includes(code), `${code} for ${bytes.toHex()}`);
    assert.equal(clock.pending, 0);
    counts.set(code, (counts.get(code) ?? 0) + 1);
  }
  assert.ok((counts.get("tls_malformed_hello") ?? 0) > mutations / 10);
  assert.ok((counts.get("tls_handshake_failed") ?? 0) > mutations / 10);
});

Deno.test("TlsServerSocket outlives a ClientHello without a common protocol that got past the peek", async () => {
  await using authority = await CertificateAuthority.make();
  const context = contextsOf(await authority.issue({ names: ["DNS:a.test"] })).contextFor("a.test")!;
  const hello = await openSslHello("-servername", "a.test", "-alpn", "h2");
  for (const pushedAtOnce of [true, false]) {
    const [, server] = memoryStreamPair();
    const transport = new GatedTransport(server);
    const socket = new TlsServerSocket(transport, context, ["http/1.1"], false);
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    const failed = new Promise<unknown>((resolve) => socket.once("error", resolve));
    if (pushedAtOnce) transport.start(socket, hello);
    else setImmediate(() => transport.start(socket, hello));
    assert.match(String(await failed), /known protocol|_flushEncOut/);
    await closed;
  }
});
