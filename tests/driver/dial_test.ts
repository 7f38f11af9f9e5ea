import assert from "node:assert/strict";
import { utf8 } from "../../src/bytes/mod.ts";
import { dialTcp, systemClock, writeAll } from "../../src/driver/mod.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { listen } from "./echo.ts";
import { failingNetwork } from "./scripted_socket.ts";

const clock = systemClock;

/** A port on which nothing listens. */
function closedPort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}

for (const address of ["127.0.0.1", "::1"]) {
  Deno.test(`dialTcp() finds localhost and names below it at ${address} without DNS`, async () => {
    const server = listen(async (stream) => {
      const buffer = new Uint8Array(8);
      const bytes = await stream.read(buffer);
      await writeAll(stream, buffer.subarray(0, bytes ?? 0));
    }, address);
    for (const name of ["localhost", "LOCALHOST", "api.web.localhost", address]) {
      const stream = await dialTcp(name, server.port, { clock });
      await writeAll(stream, utf8("hi"));
      assert.equal(await stream.read(new Uint8Array(8)), 2);
      assert.ok(stream.remoteAddress.endsWith(`:${server.port}`));
      stream.close();
    }
    await server.close();
  });
}

Deno.test("dialTcp() throws connect_refused where nothing listens", async () => {
  const port = closedPort();
  const target = `localhost:${port}`;
  await assert.rejects(dialTcp("localhost", port, { clock }), {
    code: "connect_refused",
    detail: { target },
  });
});

Deno.test("dialTcp() tells DNS, timeout and other failures of the platform apart", async () => {
  const cases: [Error, string][] = [
    [new Error("failed to lookup address information: Name or service not known"), "dns_failed"],
    [new Deno.errors.TimedOut("os error 110"), "connect_timeout"],
    [new Deno.errors.NetworkUnreachable("os error 101"), "connect_failed"],
    [new Deno.errors.ConnectionRefused("os error 111"), "connect_refused"],
  ];
  for (const [error, code] of cases) {
    const network = failingNetwork(() => error);
    await assert.rejects(dialTcp("edge.example", 443, { clock, network }), { code, cause: error });
  }
});

Deno.test("dialTcp() throws connect_timeout after connectTimeoutMs and leaves nothing behind", async () => {
  const clock = new VirtualClock();
  const network = failingNetwork(() => "hang");
  const dialing = assert.rejects(
    dialTcp("edge.example", 443, { clock, network, connectTimeoutMs: 5000 }),
    { code: "connect_timeout" },
  );
  await clock.advanceAsync(4999);
  assert.equal(network.aborted, 0);
  await clock.advanceAsync(1);
  await dialing;
  assert.equal(network.aborted, 1);
  assert.equal(clock.pending, 0);
});

Deno.test("dialTcp() throws connect_aborted when the signal aborts, before or during the attempt", async () => {
  const clock = new VirtualClock();
  const network = failingNetwork(() => "hang");
  const control = new AbortController();
  const dialing = assert.rejects(
    dialTcp("edge.example", 443, { clock, network, signal: control.signal }),
    { code: "connect_aborted", cause: "shutdown" },
  );
  await clock.advanceAsync(0);
  control.abort("shutdown");
  await dialing;
  assert.equal(network.aborted, 1);
  assert.equal(clock.pending, 0);
  await assert.rejects(
    dialTcp("edge.example", 443, { clock, network, signal: control.signal }),
    { code: "connect_aborted" },
  );
});
