import assert from "node:assert/strict";
import { utf8 } from "../../src/bytes/mod.ts";
import { type TcpSocket, TcpStream, writeAll } from "../../src/driver/mod.ts";
import { type CallLog, loggedSocket } from "./scripted_socket.ts";
import { memoryStreamPair } from "../support/memory_stream.ts";

async function loopbackPair(): Promise<[TcpStream, TcpStream, Deno.TcpConn]> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const [client, server] = await Promise.all([
    Deno.connect({ hostname: "127.0.0.1", port: (listener.addr as Deno.NetAddr).port }),
    listener.accept(),
  ]);
  return [new TcpStream(client), new TcpStream(server), server];
}

/** A socket on which everything fails with the error. */
function failing(error: Error): TcpSocket {
  const fail = () => Promise.reject(error);
  return {
    remoteAddr: { transport: "tcp", hostname: "192.0.2.1", port: 443 },
    setNoDelay() {},
    read: fail,
    write: fail,
    closeWrite: fail,
    close() {
      throw error;
    },
  };
}

Deno.test("TcpStream sets NODELAY before anything else", async () => {
  const log: CallLog = [];
  const [near] = memoryStreamPair();
  const stream = new TcpStream(loggedSocket(near, log));
  assert.deepEqual(log, ["tcp.setNoDelay(true)"]);
  await stream.write(utf8("x"));
  await stream.closeWrite();
  stream.close();
  assert.deepEqual(log, ["tcp.setNoDelay(true)", "tcp.write", "tcp.closeWrite", "tcp.close"]);
});

Deno.test("TcpStream half-closes: the peer reads the end, and its answer still arrives", async () => {
  const [client, server] = await loopbackPair();
  await writeAll(client, utf8("question"));
  await client.closeWrite();
  await client.closeWrite();
  await assert.rejects(client.write(utf8("more")), { code: "connection_closed" });
  const buffer = new Uint8Array(64);
  assert.equal(await server.read(buffer), 8);
  assert.equal(await server.read(buffer), null);
  await writeAll(server, utf8("answer"));
  assert.equal(await client.read(buffer), 6);
  client.close();
  server.close();
});

Deno.test("TcpStream.close() ends a read under way with null, and is idempotent", async () => {
  const [client, server] = await loopbackPair();
  const reading = client.read(new Uint8Array(8));
  client.close();
  client.close();
  assert.equal(await reading, null);
  assert.equal(await client.read(new Uint8Array(8)), null);
  await assert.rejects(client.write(utf8("x")), { code: "connection_closed" });
  await client.closeWrite();
  server.close();
});

Deno.test("TcpStream.write() to a peer that is gone throws connection_reset", async () => {
  const [client, server] = await loopbackPair();
  server.close();
  assert.equal(await client.read(new Uint8Array(8)), null);
  await assert.rejects(async () => {
    for (;;) await client.write(new Uint8Array(1024));
  }, { code: "connection_reset" });
  await client.closeWrite();
  client.close();
});

Deno.test("TcpStream turns the platform's errors into codes, and lets others through", async () => {
  const { errors } = Deno;
  const cases: [Error, string][] = [
    [new errors.ConnectionReset("x"), "connection_reset"],
    [new errors.ConnectionAborted("x"), "connection_reset"],
    [new errors.BrokenPipe("x"), "connection_reset"],
    [new errors.NotConnected("x"), "connection_reset"],
    [new errors.UnexpectedEof("TLS without close_notify"), "connection_reset"],
    [new errors.InvalidData("received fatal alert"), "connection_reset"],
    [new errors.TimedOut("x"), "connection_lost"],
    [new errors.NetworkUnreachable("x"), "connection_lost"],
    [Object.assign(new Error("x"), { code: "EHOSTUNREACH" }), "connection_lost"],
    [new errors.BadResource("x"), "connection_closed"],
    [new errors.Interrupted("x"), "connection_closed"],
  ];
  for (const [error, code] of cases) {
    const stream = new TcpStream(failing(error));
    await assert.rejects(stream.read(new Uint8Array(1)), { code, cause: error });
    await assert.rejects(stream.write(new Uint8Array(1)), { code, cause: error });
    await stream.closeWrite();
    stream.close();
    assert.equal(await stream.read(new Uint8Array(1)), null);
  }
  const bug = new TypeError("bug");
  await assert.rejects(new TcpStream(failing(bug)).read(new Uint8Array(1)), bug);
  await assert.rejects(new TcpStream(failing(bug)).closeWrite(), bug);
});

Deno.test("TcpStream.remoteAddress is address:port, IPv6 in brackets, or what it was told", () => {
  const [near] = memoryStreamPair();
  assert.equal(new TcpStream(loggedSocket(near, [])).remoteAddress, "192.0.2.1:443");
  assert.equal(new TcpStream(loggedSocket(near, []), "198.51.100.7:9").remoteAddress, "198.51.100.7:9");
  const from = (remoteAddr: Deno.Addr) =>
    new TcpStream({ ...loggedSocket(near, []), remoteAddr }).remoteAddress;
  assert.equal(from({ transport: "tcp", hostname: "::1", port: 80 }), "[::1]:80");
  assert.equal(from({ transport: "unix", path: "/run/x.sock" }), "unix");
});

Deno.test("TcpStream tells both its addresses, IPv4 ones by their own name also where a listener is for both families", async () => {
  using listener = Deno.listen({ hostname: "::", port: 0 });
  const { port } = listener.addr;
  for (const hostname of ["127.0.0.1", "::1"]) {
    const [near, far] = await Promise.all([Deno.connect({ hostname, port }), listener.accept()]);
    const [client, server] = [new TcpStream(near), new TcpStream(far)];
    const host = hostname === "::1" ? "[::1]" : hostname;
    assert.equal(server.localAddress, `${host}:${port}`);
    assert.equal(server.remoteAddress, client.localAddress);
    assert.equal(client.remoteAddress, server.localAddress);
    client.close();
    server.close();
  }
});
