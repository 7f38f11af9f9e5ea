import assert from "node:assert/strict";
import { createHash, type Hash } from "node:crypto";
import { RawOrigin } from "../support/raw_origin.ts";
import { RawClient } from "../support/raw_client.ts";
import { flat } from "../support/resident.ts";
import { eventually } from "../support/stack.ts";
import { StackProcesses } from "../support/stack_processes.ts";

const MiB = 1_048_576;
/** E2E_SCALE=0.1 moves a tenth. */
const scale = Number(Deno.env.get("E2E_SCALE") ?? "1");
const bytes = Math.max(64 * MiB, Math.round(1_024 * scale) * MiB);
/** Most that edge and agent may each grow while bytes flow: windows of one stream, buffers, and slack of the heap. */
const growthBytes = 150 * MiB;

/** Parts of a long body that repeats after no short period. */
function* parts(hash: Hash): Generator<Uint8Array<ArrayBuffer>> {
  const part = crypto.getRandomValues(new Uint8Array(65_536));
  for (let sent = 0; sent < bytes; sent += part.length) {
    new DataView(part.buffer).setUint32(0, sent / part.length);
    hash.update(part);
    yield part;
  }
}

async function readAll(socket: RawClient, hash: Hash): Promise<void> {
  const buffer = new Uint8Array(1 * MiB);
  for (let read = 0; read < bytes;) {
    const count = await socket.conn.read(buffer);
    assert.ok(count !== null, `ended after ${read} bytes`);
    hash.update(buffer.subarray(0, count));
    read += count;
  }
}

/** Reads a head byte for byte, so that nothing of the body is taken. */
async function readHead(socket: RawClient): Promise<string> {
  const byte = new Uint8Array(1);
  let head = "";
  while (!head.endsWith("\r\n\r\n")) {
    if (await socket.conn.read(byte) === null) {
      throw new Error(`connection ended after ${JSON.stringify(head)}`);
    }
    head += String.fromCharCode(byte[0]);
  }
  return head;
}

async function send(socket: RawClient, hash: Hash): Promise<void> {
  for (const part of parts(hash)) await socket.send(part);
}

/** `GET /down` sends the body, `POST /up` takes it; `sums` are the origin's. */
function bulkOrigin(sums: string[]): RawOrigin {
  return RawOrigin.start(async (socket) => {
    for (;;) {
      const head = await readHead(socket);
      const hash = createHash("sha256");
      if (head.startsWith("GET")) {
        await socket.send(`HTTP/1.1 200 OK\r\nContent-Length: ${bytes}\r\n\r\n`);
        await send(socket, hash);
        sums.push(hash.digest("hex"));
      } else {
        await readAll(socket, hash);
        sums.push(hash.digest("hex"));
        await socket.send("HTTP/1.1 204 No Content\r\n\r\n");
      }
    }
  });
}

Deno.test(`${bytes / MiB} MiB down and ${bytes / MiB} MiB up arrive whole, and memory of edge and agent stays flat`, async () => {
  const sums: string[] = [];
  await using origin = bulkOrigin(sums);
  await using stack = await StackProcesses.start({ services: [{ name: "web", target: origin.target }] });
  using viewer = await RawClient.connect(stack.port);
  const host = `web.localhost:${stack.port}`;
  await flat(stack, growthBytes, async () => {
    const hash = createHash("sha256");
    await viewer.get(host, "/down");
    assert.match(await readHead(viewer), /^HTTP\/1\.1 200 /);
    await readAll(viewer, hash);
    const sum = hash.digest("hex");
    await eventually("the origin is done", () => sums.length === 1);
    assert.equal(sum, sums[0]);
  });
  await flat(stack, growthBytes, async () => {
    const hash = createHash("sha256");
    await viewer.send(`POST /up HTTP/1.1\r\nHost: ${host}\r\nContent-Length: ${bytes}\r\n\r\n`);
    await send(viewer, hash);
    assert.match(await readHead(viewer), /^HTTP\/1\.1 204 /);
    assert.equal(hash.digest("hex"), sums[1]);
  });
});

Deno.test("a viewer that does not read holds the origin back, memory stays flat, and others are served meanwhile", async () => {
  let sent = 0;
  await using origin = RawOrigin.start(async (socket) => {
    const head = await readHead(socket);
    if (head.includes("/small")) return await socket.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    await socket.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    const part = new Uint8Array(65_536);
    for (;;) {
      await socket.send("10000\r\n");
      await socket.send(part);
      await socket.send("\r\n");
      sent += part.length;
    }
  });
  await using stack = await StackProcesses.start({ services: [{ name: "web", target: origin.target }] });
  await flat(stack, growthBytes, async () => {
    const lazy: RawClient[] = [];
    try {
      for (let n = 0; n < 4; n++) {
        const viewer = await RawClient.connect(stack.port);
        lazy.push(viewer);
        await viewer.get(`web.localhost:${stack.port}`, "/endless");
      }
      // Nothing moves any more when all windows and socket buffers are full.
      let before = -1;
      await eventually("the origin is held back", async () => {
        const still = sent > 0 && sent === before;
        before = sent;
        await new Promise((resolve) => setTimeout(resolve, 300));
        return still && sent === before;
      });
      assert.ok(sent < 128 * MiB, `${sent} bytes were taken`);
      for (let n = 0; n < 20; n++) assert.equal(await (await stack.fetch("web", "/small")).text(), "ok");
    } finally {
      for (const viewer of lazy) viewer[Symbol.dispose]();
    }
  });
});
