/** Who connects is looked at within bounds: of bytes, and of time, which is virtual here. */
import assert from "node:assert/strict";
import { edgeDefaults } from "../../src/config/mod.ts";
import { Deadlines, writeAll } from "../../src/driver/mod.ts";
import { ConnectionLimits } from "../../src/edge/connection_limits.ts";
import { type FirstBytes, readFirstBytes } from "../../src/edge/first_bytes.ts";
import { ProxyFront } from "../../src/edge/proxy_front.ts";
import { codeOf, type ErrorCode } from "../../src/errors/mod.ts";
import type { ByteStream } from "../../src/ports/mod.ts";
import { MAX_PROXY_HEADER_BYTES, proxyHeader } from "../../src/wire/proxy_protocol/mod.ts";
import { MAX_CLIENT_HELLO_BYTES, MAX_HELLO_RECORDS } from "../../src/wire/tls/mod.ts";
import { settle, VirtualClock } from "../support/virtual_clock.ts";
import { memoryStreamPair } from "../support/memory_stream.ts";

/** How late a deadline may be noticed. */
const grainMs = 250;
const peekMs = 15_000;
const proxy = "192.0.2.9:9";

/** A read goes through more reactions than one turn lets run. */
async function quiet(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await settle();
}

/** One connection that is looked at; `read` are the bytes that the edge has taken from it. */
function setup(look: (socket: ByteStream, context: Context) => Promise<unknown>) {
  const clock = new VirtualClock();
  const [viewer, edge] = memoryStreamPair({ addresses: [proxy, "192.0.2.1:1"] });
  const context: Context = {
    deadlines: new Deadlines(clock),
    config: edgeDefaults({ proxy_protocol_from: "192.0.2.9" }),
  };
  const state = { outcome: undefined as unknown, code: undefined as ErrorCode | undefined, read: 0 };
  const socket: ByteStream = {
    remoteAddress: edge.remoteAddress,
    async read(into) {
      const read = await edge.read(into);
      state.read += read ?? 0;
      return read;
    },
    write: (from) => edge.write(from),
    closeWrite: () => edge.closeWrite(),
    close: () => edge.close(),
  };
  look(socket, context).then((outcome) => state.outcome = outcome, (error) => state.code = codeOf(error));
  const send = async (bytes: Uint8Array) => {
    await writeAll(viewer, bytes).catch(() => {});
    await quiet();
  };
  const pass = async (ms: number) => {
    clock.advance(ms);
    await quiet();
  };
  return { clock, viewer, state, send, pass };
}

type Context = Parameters<typeof readFirstBytes>[1];

const peek = (socket: ByteStream, context: Context) => readFirstBytes(socket, context, false);
const meet = (socket: ByteStream, context: Context) =>
  new ProxyFront(context).admit(socket, new ConnectionLimits(1, 1).admit());

/** A ClientHello that is as long as may be, with padding (RFC 7685), in records of this size. */
function longHello(bodyBytes: number, recordBytes: number): Uint8Array {
  const name = new TextEncoder().encode("web.localhost");
  const sni = [0, 0, 0, name.length + 5, 0, name.length + 3, 0, 0, name.length, ...name];
  const padding = bodyBytes - 2 - 32 - 1 - 4 - 2 - 2 - sni.length - 4;
  const body = [
    ...[3, 3, ...new Array(32).fill(7), 0, 0, 2, 0x13, 1, 1, 0],
    ...[(sni.length + 4 + padding) >> 8, sni.length + 4 + padding & 0xff, ...sni],
    ...[0, 21, padding >> 8, padding & 0xff, ...new Array(padding).fill(0)],
  ];
  const message = [1, 0, body.length >> 8, body.length & 0xff, ...body];
  const records: number[] = [];
  for (let at = 0; at < message.length; at += recordBytes) {
    const part = message.slice(at, at + recordBytes);
    records.push(22, 3, 1, part.length >> 8, part.length & 0xff, ...part);
  }
  return Uint8Array.from(records);
}

Deno.test("readFirstBytes() ends with peek_timeout after timeouts.peek when a viewer says nothing", async () => {
  const { pass, state, clock } = setup(peek);
  await pass(peekMs - 1);
  assert.equal(state.code, undefined);
  await pass(1 + grainMs);
  assert.equal(state.code, "peek_timeout");
  assert.equal(clock.pending, 0);
});

Deno.test("readFirstBytes() gives a ClientHello that comes byte by byte timeouts.peek as a whole, then ends with tls_timeout", async () => {
  const { pass, send, state } = setup(peek);
  const hello = longHello(400, 400);
  for (let second = 0; second < 15; second++) {
    assert.equal(state.code, undefined, `${second}`);
    await send(hello.subarray(second, second + 1));
    await pass(1_000);
  }
  await pass(grainMs);
  assert.equal(state.code, "tls_timeout");
  assert.equal(state.read, 15);
});

Deno.test("readFirstBytes() takes a ClientHello of 32 KiB in 16 records, and refuses what is longer or in more before it is there", async () => {
  const whole = setup(peek);
  const bytes = longHello(
    MAX_CLIENT_HELLO_BYTES,
    Math.ceil((MAX_CLIENT_HELLO_BYTES + 4) / MAX_HELLO_RECORDS),
  );
  // In segments that fit no record.
  for (let at = 0; at < bytes.length; at += 1_000) await whole.send(bytes.subarray(at, at + 1_000));
  const first = whole.state.outcome as FirstBytes & { kind: "tls" };
  assert.equal(whole.state.code, undefined);
  assert.equal(first.hello.hello.serverName, "web.localhost");
  assert.deepEqual(first.hello.bytes, bytes);

  const longer = setup(peek);
  await longer.send(longHello(MAX_CLIENT_HELLO_BYTES + 1, 16_384).subarray(0, 9));
  assert.equal(longer.state.code, "tls_malformed_hello");

  const shredded = setup(peek);
  const small = longHello(400, 10);
  for (let at = 0; at < small.length && shredded.state.code === undefined; at += 15) {
    await shredded.send(small.subarray(at, at + 15));
  }
  assert.equal(shredded.state.code, "tls_malformed_hello");
  assert.equal(shredded.state.read, MAX_HELLO_RECORDS * 15);
});

Deno.test("readFirstBytes() reads no more of a request than its first piece, and loses none of it", async () => {
  const { send, state, viewer } = setup(peek);
  await send(new TextEncoder().encode("GET / HTTP/1.1\r\n".padEnd(10_000, "x")));
  const { kind, stream } = state.outcome as FirstBytes & { kind: "plain" };
  assert.equal(kind, "plain");
  assert.ok(state.read <= 2_048);
  await viewer.closeWrite();
  const chunk = new Uint8Array(700);
  let all = 0;
  for (let read; (read = await stream.read(chunk)) !== null;) all += read;
  assert.equal(all, 10_000);
});

Deno.test("ProxyFront ends with proxy_header_timeout after timeouts.peek when a header comes byte by byte", async () => {
  const { pass, send, state, clock } = setup(meet);
  const header = proxyHeader({ host: "203.0.113.7", port: 1 }, { host: "198.51.100.1", port: 443 });
  for (let second = 0; second < 15; second++) {
    assert.equal(state.code, undefined, `${second}`);
    await send(header.subarray(second, second + 1));
    await pass(1_000);
  }
  await pass(grainMs);
  assert.equal(state.code, "proxy_header_timeout");
  assert.equal(clock.pending, 0);
});

Deno.test("ProxyFront takes a header of 4 KiB, and reads no more than its bound however much comes", async () => {
  const bytes = new Uint8Array(60_000);
  bytes.set(proxyHeader({ host: "203.0.113.7", port: 1 }, { host: "198.51.100.1", port: 443 }));
  new DataView(bytes.buffer).setUint16(14, MAX_PROXY_HEADER_BYTES - 16);
  const { send, state, viewer } = setup(meet);
  await send(bytes);
  const named = state.outcome as ByteStream;
  assert.deepEqual([named.remoteAddress, named.localAddress], ["203.0.113.7:1", "198.51.100.1:443"]);
  assert.equal(state.read, MAX_PROXY_HEADER_BYTES);
  await viewer.closeWrite();
  let all = 0;
  for (let read; (read = await named.read(new Uint8Array(1_000))) !== null;) all += read;
  assert.equal(all, bytes.length - MAX_PROXY_HEADER_BYTES);
});
