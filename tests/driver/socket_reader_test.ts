import assert from "node:assert/strict";
import fc from "fast-check";
import { LARGE_SLAB_BYTES, Slabs, SMALL_SLAB_BYTES, SocketReader } from "../../src/driver/mod.ts";
import { pattern } from "../support/mux_pair.ts";
import { settle } from "../support/virtual_clock.ts";
import { ScriptedStream } from "./scripted_stream.ts";

function setup(): { socket: ScriptedStream; reader: SocketReader; slabs: Slabs } {
  const socket = new ScriptedStream();
  const slabs = new Slabs();
  return { socket, slabs, reader: new SocketReader(socket, slabs) };
}

const held = (reader: SocketReader) => reader.buffer.slice(reader.start, reader.end);

Deno.test("SocketReader keeps what was not taken in order, however it arrives and is taken", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 30_000 }), fc.nat(40_000)), { maxLength: 25 }),
      async (steps) => {
        const { socket, reader } = setup();
        let arrived = 0;
        let taken = 0;
        for (const [bytes, take] of steps) {
          socket.arrive(pattern(bytes, arrived));
          arrived += bytes;
          while (taken + reader.available < arrived) {
            if (reader.available === LARGE_SLAB_BYTES) {
              reader.take(1_000);
              taken += 1_000;
            }
            assert.equal(await reader.fill(), true);
            assert.deepEqual(held(reader), pattern(reader.available, taken));
          }
          const part = Math.min(take, reader.available);
          reader.take(part);
          taken += part;
        }
        socket.arrive(null);
        assert.equal(await reader.fill(), false);
        assert.equal(reader.ended, true);
        assert.deepEqual(held(reader), pattern(arrived - taken, taken));
      },
    ),
    { numRuns: 80 },
  );
});

Deno.test("SocketReader grows to a large slab when the small one is full, and no further", async () => {
  const { socket, reader, slabs } = setup();
  socket.arrive(pattern(200_000));
  await reader.fill();
  assert.equal(reader.available, SMALL_SLAB_BYTES);
  const small = reader.buffer;
  while (reader.available < LARGE_SLAB_BYTES) await reader.fill();
  assert.deepEqual(held(reader), pattern(LARGE_SLAB_BYTES));
  assert.equal(slabs.small(), small, "the small slab was given back");
  await assert.rejects(reader.fill(), RangeError);
  reader.take(100);
  assert.equal(await reader.fill(), true);
  assert.deepEqual(held(reader), pattern(LARGE_SLAB_BYTES, 100));
});

Deno.test("SocketReader.fill() while a read is pending awaits that one", async () => {
  const { socket, reader } = setup();
  const both = [reader.fill(), reader.fill()];
  await settle();
  socket.arrive(pattern(10));
  socket.arrive(pattern(10, 10));
  assert.deepEqual(await Promise.all(both), [true, true]);
  assert.equal(reader.available, 10);
});

Deno.test("SocketReader.watch() tells of an end and of a failure, not of bytes, and keeps those", async () => {
  for (const what of [null, new Error("reset")]) {
    const { socket, reader } = setup();
    let gone = 0;
    reader.watch(() => gone++);
    await settle();
    assert.equal(gone, 0);
    socket.arrive(what);
    await settle();
    assert.equal(gone, 1);
  }
  const { socket, reader } = setup();
  reader.watch(() => assert.fail("it is still there"));
  socket.arrive(pattern(20));
  await settle();
  assert.deepEqual(held(reader), pattern(20));
  socket.arrive(null);
  await reader.fill();
  let gone = 0;
  reader.watch(() => gone++);
  assert.equal(gone, 1);
});

Deno.test("SocketReader.rest() gives what is held, what is being read, then the socket's", async () => {
  const { socket, reader } = setup();
  socket.arrive(pattern(10));
  await reader.fill();
  reader.watch(() => {});
  const rest = reader.rest();
  const into = new Uint8Array(6);
  assert.equal(await rest.read(into), 6);
  assert.deepEqual(into, pattern(6));
  assert.equal(await rest.read(into), 4);
  const next = rest.read(into);
  socket.arrive(pattern(5, 10));
  assert.equal(await next, 5);
  assert.deepEqual(into.subarray(0, 5), pattern(5, 10));
  socket.arrive(pattern(3, 15));
  assert.equal(await rest.read(into), 3);
  socket.arrive(null);
  assert.equal(await rest.read(into), null);
  await rest.write(pattern(2));
  await rest.closeWrite();
  rest.close();
  assert.deepEqual(socket.calls, ["write 2", "closeWrite", "close"]);
});

Deno.test("SocketReader.rest() ends when the pending read does", async () => {
  const { socket, reader } = setup();
  reader.watch(() => {});
  const next = reader.rest().read(new Uint8Array(4));
  socket.arrive(null);
  assert.equal(await next, null);
});

Deno.test("SocketReader.release() gives the slab back, but never one that is being read into", async () => {
  const { socket, reader, slabs } = setup();
  socket.arrive(pattern(4));
  await reader.fill();
  const slab = reader.buffer;
  reader.take(4);
  const pending = reader.fill();
  reader.release();
  assert.notEqual(slabs.small(), slab);
  socket.arrive(null);
  await pending;
  reader.release();
  reader.release();
  assert.equal(slabs.small(), slab);
  assert.equal(reader.available, 0);
});
