import assert from "node:assert/strict";
import { DelayLink, type LinkOptions } from "../../../bench/tunnel/lab/delay_link.ts";

const LOOPBACK = { hostname: "127.0.0.1", port: 0 } as const;

/** A link to a listener, and both ends of one connection over it. */
async function connected(options: LinkOptions) {
  const listener = Deno.listen(LOOPBACK);
  const link = new DelayLink(LOOPBACK, { hostname: "127.0.0.1", port: listener.addr.port }, options);
  const [near, far] = await Promise.all([
    Deno.connect({ hostname: "127.0.0.1", port: link.port }),
    listener.accept(),
  ]);
  return {
    near,
    far,
    [Symbol.dispose]() {
      for (const one of [near, far, listener]) one.close();
      link[Symbol.dispose]();
    },
  };
}

async function readAll(conn: Deno.Conn): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const buffer = new Uint8Array(65_536);
  for (let read; (read = await conn.read(buffer)) !== null;) parts.push(buffer.slice(0, read));
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
  return whole;
}

async function send(conn: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
  await conn.closeWrite();
}

Deno.test("DelayLink carries every byte in order and passes each end on by itself", async () => {
  using link = await connected({ delayMs: 2, bitsPerSecond: 2e9 });
  // More than its ring holds, so that it wraps around.
  const up = new Uint8Array(6_000_000).map((_, at) => (at * 31) ^ (at >> 9));
  const down = up.slice(1_000_000).reverse();
  const [arrivedUp, arrivedDown] = await Promise.all([
    readAll(link.far),
    readAll(link.near),
    send(link.near, up),
    send(link.far, down),
  ]);
  assert.deepEqual(arrivedUp, up);
  assert.deepEqual(arrivedDown, down);
});

Deno.test("DelayLink ends the connection whose target refuses", async () => {
  const listener = Deno.listen(LOOPBACK);
  const { port } = listener.addr;
  listener.close();
  using link = new DelayLink(LOOPBACK, { hostname: "127.0.0.1", port }, { delayMs: 1, bitsPerSecond: 0 });
  using conn = await Deno.connect({ hostname: "127.0.0.1", port: link.port });
  const read = await conn.read(new Uint8Array(1)).catch(() => null);
  assert.equal(read, null);
});
