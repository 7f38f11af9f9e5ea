import assert from "node:assert/strict";
import { RawOrigin } from "../support/raw_origin.ts";
import { type Stack, startStack, within } from "../support/stack.ts";

/**
 * Two small writes in a row are the case that Nagle's algorithm delays: the second waits for the acknowledgement of the
 * first, which the receiver delays as well. Each round here makes two writes in each direction, so one socket without
 * NODELAY on the way costs 40 ms a round, and all rounds together far more than the bound below.
 */
const rounds = 250;
const nagleMs = 40;
/** A quarter of what one delaying socket would take; ten times what is needed on a busy machine. */
const boundMs = rounds * nagleMs / 4;

function tcpOrigin(): RawOrigin {
  return RawOrigin.start(async (socket) => {
    for (;;) {
      await socket.exactly(2);
      await socket.send("c");
      await socket.send("d");
    }
  });
}

async function takeTurns(stack: Stack, port: number): Promise<void> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  try {
    conn.setNoDelay(true);
    const byte = new Uint8Array(1);
    const run = async () => {
      for (let round = 0; round < rounds; round++) {
        await conn.write(new TextEncoder().encode("a"));
        await conn.write(new TextEncoder().encode("b"));
        assert.equal(await conn.read(byte), 1);
        assert.equal(byte[0], "c".charCodeAt(0));
        assert.equal(await conn.read(byte), 1);
        assert.equal(byte[0], "d".charCodeAt(0));
      }
    };
    await within(boundMs, "small writes are not held back", run(), stack.lines);
  } finally {
    conn.close();
  }
}

Deno.test("two small writes in a row are not held back on any socket of the way, in either direction", async () => {
  await using origin = tcpOrigin();
  await using stack = await startStack({
    services: [{ name: "raw", protocol: "tcp", target: origin.target }],
  });
  const { tcp_ports: [port] } = stack.plane.status().sessions[0];
  await takeTurns(stack, port);
});

Deno.test("the first part of an answer arrives before the origin has made the second", async () => {
  const seen = Promise.withResolvers<void>();
  await using origin = RawOrigin.start(async (socket) => {
    await socket.through("\r\n\r\n");
    await socket.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n1");
    await seen.promise;
    await socket.send("2");
  });
  await using stack = await startStack({ services: [{ name: "web", target: origin.target }] });
  using viewer = await stack.connect();
  await viewer.get(stack.host("web"));
  await viewer.through("\r\n\r\n1");
  seen.resolve();
  await viewer.through("2");
});

Deno.test("the first part of a request arrives before the viewer has sent the second", async () => {
  const seen = Promise.withResolvers<void>();
  await using origin = RawOrigin.start(async (socket) => {
    await socket.through("\r\n\r\n1");
    seen.resolve();
    await socket.through("2");
    await socket.send("HTTP/1.1 204 No Content\r\n\r\n");
  });
  await using stack = await startStack({ services: [{ name: "web", target: origin.target }] });
  using viewer = await stack.connect();
  await viewer.send(`POST / HTTP/1.1\r\nHost: ${stack.host("web")}\r\nContent-Length: 2\r\n\r\n1`);
  await seen.promise;
  await viewer.send("2");
  assert.equal((await viewer.response()).status, 204);
});
