import assert from "node:assert/strict";
import {
  IDLE_SLAB_BYTES,
  LARGE_BUFFER_BYTES,
  LARGE_SLAB_BYTES,
  Slabs,
  SMALL_SLAB_BYTES,
  SocketWriter,
  StreamSplice,
  WireBuffers,
} from "../../src/driver/mod.ts";
import { CHANNEL_WINDOW_BYTES, STREAM_WINDOW_BYTES } from "../../src/mux/mod.ts";
import { referenceCore } from "../reference/sealing_core.ts";
import { MuxPair, pattern, StreamUser } from "../support/mux_pair.ts";
import { settle } from "../support/virtual_clock.ts";
import { ScriptedStream } from "./scripted_stream.ts";

/** Who must not be told anything. */
const NOBODY = { onWritten: () => assert.fail(), onError: () => assert.fail() };

/** A splice at one end of a mux pair; the other end is a plain user. */
class Setup {
  readonly pair = new MuxPair({
    a: { channelWindowBytes: CHANNEL_WINDOW_BYTES },
    b: { channelWindowBytes: CHANNEL_WINDOW_BYTES },
  });
  readonly socket = new ScriptedStream();
  readonly far: StreamUser;
  readonly splice: StreamSplice;
  readonly over: Promise<string | undefined>;
  fromSocket = 0;
  toSocket = 0;

  constructor(retain = () => undefined as ReturnType<WireBuffers["tryTake"]>, writer?: SocketWriter) {
    this.far = new StreamUser(true);
    const near = new StreamUser();
    this.pair.a.open(near);
    this.pair.b.answer = () => this.far;
    this.splice = new StreamSplice({
      stream: near.stream,
      socket: this.socket,
      slabs: new Slabs(),
      retain,
      writer,
      onBytes: (fromSocket, toSocket) => {
        this.fromSocket += fromSocket;
        this.toSocket += toSocket;
      },
    });
    near.stream.handler = this.splice;
    this.over = this.splice.run();
  }

  async settle(): Promise<void> {
    for (let i = 0; i < 10; i++) {
      await settle();
      this.pair.settle();
    }
  }
}

Deno.test("StreamSplice carries bytes both ways and half-closes in either order", async () => {
  for (const socketFirst of [true, false]) {
    const setup = new Setup();
    const { pair, socket, far } = setup;
    await setup.settle();
    const endSocket = async () => {
      socket.arrive(pattern(100_000));
      socket.arrive(null);
      await setup.settle();
      assert.deepEqual([far.bytes, far.ended], [pattern(100_000), true]);
    };
    const endFar = async () => {
      far.stream.offer(pattern(70_000));
      far.stream.end();
      await setup.settle();
      assert.deepEqual(Uint8Array.from(socket.written), pattern(70_000));
      assert.equal(socket.calls.at(-1), socketFirst ? "close" : "closeWrite");
    };
    await (socketFirst ? endSocket() : endFar());
    assert.equal(socket.calls.includes("close"), false, "the other direction is still open");
    await (socketFirst ? endFar() : endSocket());
    assert.equal(await setup.over, undefined);
    assert.ok(socket.calls.includes("closeWrite"));
    assert.equal(socket.calls.at(-1), "close");
    assert.deepEqual([setup.fromSocket, setup.toSocket], [100_000, 70_000]);
    await setup.settle();
    assert.deepEqual([pair.a.mux.openStreams, pair.b.mux.openStreams], [0, 0]);
    assert.equal(pair.a.mux.credit.unread, 0);
  }
});

Deno.test("StreamSplice holds both ends back: a slow socket and a slow stream each stop the other side", async () => {
  const setup = new Setup();
  const { socket, far } = setup;
  socket.open = false;
  await setup.settle();
  far.stream.offer(pattern(3 * STREAM_WINDOW_BYTES));
  await setup.settle();
  assert.equal(far.stream.sendCredit.available, 0);
  assert.ok(setup.pair.a.mux.credit.unread === STREAM_WINDOW_BYTES);
  socket.open = true;
  while (socket.writes.length > 0) socket.letGo();
  for (let i = 0; i < 10; i++) await setup.settle();
  assert.equal(socket.written.length, 3 * STREAM_WINDOW_BYTES);

  const slow = new Setup();
  const unread = new StreamUser(false);
  slow.pair.b.answer = () => unread;
  for (let i = 0; i < 30; i++) slow.socket.arrive(pattern(60_000, i * 60_000));
  for (let i = 0; i < 20; i++) await slow.settle();
  assert.equal(unread.receivedBytes, STREAM_WINDOW_BYTES);
  assert.equal(slow.socket.reading, false, "it reads no further than its peer takes");
  for (let i = 0; i < 200 && unread.receivedBytes < 1_800_000; i++) {
    unread.consume(unread.unread);
    await slow.settle();
  }
  assert.deepEqual(unread.bytes, pattern(1_800_000));
});

Deno.test("StreamSplice: a reset of the peer closes the socket and ends it with the reason", async () => {
  const setup = new Setup();
  setup.socket.open = false;
  await setup.settle();
  setup.far.stream.offer(pattern(20_000));
  await setup.settle();
  setup.far.stream.reset("origin_reset");
  await setup.settle();
  assert.equal(await setup.over, "origin_reset");
  assert.equal(setup.socket.calls.at(-1), "close");
  assert.equal(setup.pair.a.mux.credit.unread, 0);
});

Deno.test("StreamSplice: a socket that fails while reading or writing resets the stream, once", async () => {
  const reading = new Setup();
  await reading.settle();
  reading.socket.arrive(new Error("connection reset"));
  await reading.settle();
  assert.deepEqual([await reading.over, reading.far.reset], ["cancelled", "cancelled"]);

  const writing = new Setup();
  writing.socket.open = false;
  await writing.settle();
  writing.far.stream.offer(pattern(50_000));
  await writing.settle();
  writing.socket.writes[0].fail(new Error("broken pipe"));
  await writing.settle();
  assert.deepEqual([await writing.over, writing.far.reset], ["cancelled", "cancelled"]);
  assert.equal(writing.socket.calls.at(-1), "close");
  assert.equal(writing.pair.a.mux.credit.unread, 0);
});

Deno.test("StreamSplice.cut() ends both directions now, also while bytes wait for credit", async () => {
  const setup = new Setup();
  setup.pair.b.answer = () => new StreamUser(false);
  for (let i = 0; i < 10; i++) setup.socket.arrive(pattern(60_000));
  await setup.settle();
  setup.splice.cut("fenced");
  setup.splice.cut("internal");
  await setup.settle();
  assert.equal(await setup.over, "fenced");
  assert.equal(setup.pair.b.mux.openStreams, 0);
});

Deno.test("StreamSplice releases every lease: written, dropped with the socket, or after its end", async () => {
  for (const what of ["written", "reset", "failed"] as const) {
    const buffers = new WireBuffers(referenceCore());
    const receiving = buffers.take(LARGE_BUFFER_BYTES);
    const setup = new Setup(() => receiving.retain());
    const { socket, far } = setup;
    socket.open = what === "written";
    await setup.settle();
    far.stream.offer(pattern(100_000));
    await setup.settle();
    if (what === "reset") far.stream.reset("internal");
    if (what === "failed") socket.writes[0].fail(new Error("broken pipe"));
    await setup.settle();
    assert.equal(receiving.references, 1, what);
    setup.splice.onData(pattern(9_000), 0, 9_000);
    if (what !== "written") assert.equal(receiving.references, 1);
  }
});

Deno.test("StreamSplice takes over a writer that is in use, and its events", async () => {
  const socket = new ScriptedStream();
  const writer = new SocketWriter(socket, new Slabs(), NOBODY);
  writer.write(pattern(10), 0);
  await writer.flushed();
  const setup = new Setup(() => undefined, writer);
  await setup.settle();
  setup.far.stream.offer(pattern(500));
  await setup.settle();
  assert.equal(socket.written.length, 510);
  assert.equal(setup.toSocket, 500);
});

Deno.test("StreamSplice waits in a slab of 512 bytes, in larger ones while more comes, and gives those back", async () => {
  const setup = new Setup();
  const waits: number[] = [];
  const read = setup.socket.read.bind(setup.socket);
  setup.socket.read = (into) => {
    waits.push(into.length);
    return read(into);
  };
  await setup.settle(); // the first read began before
  const arrive = async (bytes: number) => {
    setup.socket.arrive(pattern(bytes));
    await setup.settle();
    return waits.at(-1);
  };
  assert.equal(await arrive(100), IDLE_SLAB_BYTES);
  assert.equal(await arrive(IDLE_SLAB_BYTES), SMALL_SLAB_BYTES);
  assert.equal(await arrive(1_200), SMALL_SLAB_BYTES);
  assert.equal(await arrive(300), SMALL_SLAB_BYTES, "messages of two sizes by turns");
  assert.equal(await arrive(SMALL_SLAB_BYTES), LARGE_SLAB_BYTES);
  assert.equal(await arrive(LARGE_SLAB_BYTES), LARGE_SLAB_BYTES);
  for (let i = 0; i < 8; i++) await arrive(10);
  assert.equal(waits.at(-1), IDLE_SLAB_BYTES);
  assert.equal(setup.far.receivedBytes, setup.fromSocket);
  setup.socket.arrive(null);
  setup.far.stream.end();
  await setup.settle();
  assert.equal(await setup.over, undefined);
});
