import assert from "node:assert/strict";
import fc from "fast-check";
import { LARGE_SLAB_BYTES, Slabs, SMALL_SLAB_BYTES, SocketWriter } from "../../src/driver/mod.ts";
import { pattern } from "../support/mux_pair.ts";
import { settle } from "../support/virtual_clock.ts";
import { ScriptedStream } from "./scripted_stream.ts";

class Setup {
  readonly socket = new ScriptedStream();
  readonly slabs = new Slabs();
  credit = 0;
  readonly errors: unknown[] = [];
  released = 0;
  readonly writer = new SocketWriter(this.socket, this.slabs, {
    onWritten: (credit) => void (this.credit += credit),
    onError: (error) => void this.errors.push(error),
  });
  readonly lease = { release: () => void this.released++ };
}

Deno.test("SocketWriter keeps order over copied and leased pieces, short writes and turns, and returns all credit", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 20_000 }), fc.boolean(), fc.boolean()), { maxLength: 30 }),
      fc.integer({ min: 1, max: 9_000 }),
      async (pieces, most) => {
        const { socket, writer, ...rest } = new Setup();
        const setup = { credit: 0, released: 0 };
        writer.events = {
          onWritten: (credit) => void (setup.credit += credit),
          onError: () => assert.fail(),
        };
        socket.open = false;
        let total = 0;
        let leases = 0;
        for (const [bytes, leased, pause] of pieces) {
          const view = pattern(bytes, total);
          // A leased view may change once it is released; one without a lease at once.
          if (leased) {
            leases++;
            const release = () => {
              setup.released++;
              view.fill(0);
            };
            writer.write(view, bytes, { release });
          } else {
            writer.write(view, bytes);
            view.fill(0);
          }
          total += bytes;
          if (pause) {
            await Promise.resolve();
            await Promise.resolve();
            if (socket.writes.length > 0) socket.letGo(Math.min(most, socket.writes[0].view.length));
          }
        }
        for (let i = 0; writer.queuedBytes > 0; i++) {
          assert.ok(i < 100_000);
          while (socket.writes.length > 0) {
            socket.letGo(Math.min(most, socket.writes[0].view.length));
            await Promise.resolve();
          }
          await Promise.resolve();
        }
        await writer.flushed();
        assert.deepEqual(Uint8Array.from(socket.written), pattern(total));
        assert.deepEqual([setup.credit, setup.released, writer.failed], [total, leases, false]);
        assert.deepEqual(rest.errors, []);
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("SocketWriter puts small pieces of one turn into one write", async () => {
  const setup = new Setup();
  for (let i = 0; i < 20; i++) setup.writer.write(pattern(100, i * 100), 100, setup.lease);
  assert.equal(setup.released, 20, "small leases are not held");
  await setup.writer.flushed();
  assert.deepEqual(setup.socket.calls, ["write 2000"]);
  assert.equal(setup.credit, 2_000);
});

Deno.test("SocketWriter writes large leased pieces from where they lie, and releases them when written, not before", async () => {
  const setup = new Setup();
  setup.socket.open = false;
  const view = pattern(50_000);
  setup.writer.write(view, 50_000, setup.lease);
  await settle();
  assert.equal(setup.socket.writes[0].view.buffer, view.buffer);
  setup.socket.letGo(20_000);
  await settle();
  assert.deepEqual([setup.released, setup.credit], [0, 0]);
  setup.socket.letGo();
  await settle();
  assert.deepEqual([setup.released, setup.credit, setup.writer.queuedBytes], [1, 50_000, 0]);
});

Deno.test("SocketWriter copies what has no lease, however large, and credits it once it is written whole", async () => {
  for (const bytes of [SMALL_SLAB_BYTES, SMALL_SLAB_BYTES + 1, LARGE_SLAB_BYTES, 3 * LARGE_SLAB_BYTES + 5]) {
    const setup = new Setup();
    const view = pattern(bytes);
    setup.writer.write(view, bytes);
    view.fill(0);
    await setup.writer.flushed();
    assert.deepEqual(Uint8Array.from(setup.socket.written), pattern(bytes));
    assert.equal(setup.credit, bytes);
  }
});

Deno.test("SocketWriter.hold() keeps what follows behind what was written before, until letGo() or dropHeld()", async () => {
  const setup = new Setup();
  const { writer, socket } = setup;
  writer.write(pattern(10), 10);
  writer.hold();
  writer.write(pattern(9_000, 10), 9_000, setup.lease);
  writer.write(pattern(200, 9_010), 200);
  await settle();
  assert.deepEqual([socket.written.length, setup.released, writer.queuedBytes], [10, 1, 9_200]);
  writer.letGo();
  await writer.flushed();
  assert.deepEqual(Uint8Array.from(socket.written), pattern(9_210));
  assert.equal(setup.credit, 9_210);
  writer.hold();
  writer.write(pattern(20_000), 20_000);
  writer.dropHeld();
  assert.equal(writer.queuedBytes, 0);
  writer.write(pattern(5), 5);
  await writer.flushed();
  assert.deepEqual([socket.written.length, setup.credit], [9_215, 9_215]);
  writer.hold();
  writer.write(pattern(5), 5);
  writer.abort();
  await writer.flushed();
  assert.deepEqual([socket.written.length, writer.queuedBytes], [9_215, 0]);
});

Deno.test("SocketWriter.end() half-closes behind everything that was written, once", async () => {
  const setup = new Setup();
  setup.writer.write(pattern(10), 0);
  setup.writer.end();
  setup.writer.end();
  await setup.writer.flushed();
  assert.deepEqual(setup.socket.calls, ["write 10", "closeWrite"]);
  const idle = new Setup();
  idle.writer.end();
  await idle.writer.flushed();
  assert.deepEqual(idle.socket.calls, ["closeWrite"]);
});

Deno.test("SocketWriter: a failed write is told once and releases everything, the pieces of its turn and later ones", async () => {
  const setup = new Setup();
  setup.socket.open = false;
  for (let i = 0; i < 4; i++) setup.writer.write(pattern(9_000), 9_000, setup.lease);
  await settle();
  setup.writer.write(pattern(9_000), 9_000, setup.lease); // the turn has begun
  setup.writer.write(pattern(10), 10);
  const flushed = setup.writer.flushed();
  setup.socket.letGo();
  await settle();
  setup.socket.writes[0].fail(new Error("reset"));
  await flushed;
  assert.deepEqual([setup.errors.length, setup.released, setup.credit], [1, 5, 9_000]);
  assert.deepEqual([setup.writer.failed, setup.writer.queuedBytes], [true, 0]);
  setup.writer.write(pattern(9_000), 9_000, setup.lease);
  setup.writer.end();
  await setup.writer.flushed();
  assert.deepEqual([setup.errors.length, setup.released, setup.socket.writes.length], [1, 6, 1]);
});

Deno.test("SocketWriter.abort() drops what waits, lets nobody wait, and keeps a lease while its write is in flight", async () => {
  const setup = new Setup();
  setup.socket.open = false;
  for (let i = 0; i < 3; i++) setup.writer.write(pattern(9_000), 9_000, setup.lease);
  await settle();
  setup.writer.write(pattern(9_000), 9_000, setup.lease);
  const flushed = setup.writer.flushed();
  setup.writer.abort();
  await flushed;
  assert.deepEqual([setup.writer.queuedBytes, setup.writer.failed], [0, true]);
  assert.equal(setup.released, 1, "the socket may still read what is in flight");
  setup.socket.close();
  await settle();
  assert.deepEqual([setup.released, setup.errors.length, setup.credit], [4, 0, 0]);
  assert.equal(setup.writer.queuedBytes, 0);
});

Deno.test("SocketWriter takes writes from inside its own calls", async () => {
  const setup = new Setup();
  let more = 5;
  setup.writer.events = {
    onWritten: () => {
      if (more-- > 0) setup.writer.write(pattern(9_000), 1, setup.lease);
    },
    onError: () => assert.fail(),
  };
  setup.writer.write(pattern(10), 1);
  await setup.writer.flushed();
  assert.deepEqual([setup.released, setup.socket.written.length], [5, 10 + 5 * 9_000]);
});

Deno.test("Slabs are used again and kept up to a limit", () => {
  const slabs = new Slabs(2 * LARGE_SLAB_BYTES);
  const [a, b, c] = [slabs.large(), slabs.large(), slabs.large()];
  for (const slab of [a, b, c]) slabs.give(slab);
  assert.deepEqual([slabs.large(), slabs.large()], [b, a]);
  assert.notEqual(slabs.large(), c);
  const small = slabs.small();
  assert.equal(small.length, SMALL_SLAB_BYTES);
  slabs.give(small);
  assert.equal(slabs.small(), small);
});
