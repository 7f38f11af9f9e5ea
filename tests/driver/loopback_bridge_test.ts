import assert from "node:assert/strict";
import { utf8 } from "../../src/bytes/mod.ts";
import { TcpStream, writeAll } from "../../src/driver/mod.ts";
import { overLoopback } from "../../src/driver/loopback_bridge.ts";
import type { ByteStream } from "../../src/ports/mod.ts";
import { pattern } from "../support/mux_pair.ts";
import { loggedSocket } from "./scripted_socket.ts";
import { memoryStreamPair } from "../support/memory_stream.ts";

async function readAll(stream: ByteStream): Promise<Uint8Array> {
  const chunk = new Uint8Array(65_536);
  const parts: number[] = [];
  for (let read = await stream.read(chunk); read !== null; read = await stream.read(chunk)) {
    parts.push(...chunk.subarray(0, read));
  }
  return Uint8Array.from(parts);
}

Deno.test("overLoopback() carries bytes both ways, and half-close in either direction", async () => {
  const [far, peer] = memoryStreamPair();
  const near = new TcpStream(await overLoopback(loggedSocket(far, [])));
  await writeAll(near, utf8("up"));
  const chunk = new Uint8Array(8);
  assert.equal(await peer.read(chunk), 2);
  await near.closeWrite();
  assert.equal(await peer.read(chunk), null);
  const bytes = pattern(200_000);
  const [, received] = await Promise.all([
    writeAll(peer, bytes).then(() => peer.closeWrite()),
    readAll(near),
  ]);
  assert.deepEqual(received, bytes);
  near.close();
});

Deno.test("overLoopback() ends the far socket when the near one is closed, and the other way round", async () => {
  const [far, peer] = memoryStreamPair();
  const near = new TcpStream(await overLoopback(loggedSocket(far, [])));
  near.close();
  assert.deepEqual(await readAll(peer), new Uint8Array(0));
  await peer.closeWrite();

  const broken = loggedSocket(memoryStreamPair()[0], []);
  broken.read = () => Promise.reject(new Deno.errors.ConnectionReset("reset"));
  const other = new TcpStream(await overLoopback(broken));
  const outcome = await other.read(new Uint8Array(1)).catch((error) => error.code);
  assert.ok(outcome === null || outcome === "connection_reset");
  other.close();
});

Deno.test("overLoopback() closes the far socket when this machine refuses", async () => {
  const log: string[] = [];
  const [far] = memoryStreamPair();
  const listen = Deno.listen;
  try {
    Object.defineProperty(Deno, "listen", {
      configurable: true,
      writable: true,
      value: () => {
        throw new Deno.errors.AddrInUse("no port is left");
      },
    });
    await assert.rejects(overLoopback(loggedSocket(far, log)), { code: "connect_failed" });
  } finally {
    Object.defineProperty(Deno, "listen", { configurable: true, writable: true, value: listen });
  }
  assert.deepEqual(log, ["tcp.close"]);
});
