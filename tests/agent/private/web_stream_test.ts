import assert from "node:assert/strict";
import { utf8, utf8Decode } from "../../../src/bytes/mod.ts";
import { type ErrorCode, PosternError } from "../../../src/errors/mod.ts";
import { webStream } from "../../../agent/private/web_stream.ts";
import { MuxPair, OPENING, type StreamUser } from "../../support/mux_pair.ts";
import { settle } from "../../support/virtual_clock.ts";

const code = (expected: ErrorCode) => (error: unknown) =>
  error instanceof PosternError && error.code === expected;

/** A program's stream at one end, and who it talks to. */
function opened() {
  const pair = new MuxPair();
  const stream = webStream((handler) => pair.a.mux.open(OPENING, handler));
  pair.settle();
  const [far] = pair.b.accepted.values();
  return {
    pair,
    stream,
    far: far as StreamUser,
    turn: async () => (pair.settle(), await settle(), pair.settle(), await settle()),
  };
}

Deno.test("webStream() carries bytes both ways and ends each direction by itself", async () => {
  const { stream, far, turn } = opened();
  const writer = stream.writable.getWriter();
  const written = writer.write(utf8("question")).then(() => writer.close());
  await turn();
  await written;
  await turn();
  assert.deepEqual([utf8Decode(far.bytes), far.ended], ["question", true]);
  far.stream.offer(utf8("answer"));
  far.stream.end();
  const answer = new Response(stream.readable).text();
  await turn();
  assert.equal(await answer, "answer");
});

Deno.test("webStream() gives credit back only for what the program has read", async () => {
  const { pair, stream, far, turn } = opened();
  far.stream.offer(new Uint8Array(100_000));
  await turn();
  assert.equal(pair.a.mux.unread, 100_000);
  const reader = stream.readable.getReader();
  let read = 0;
  while (read < 100_000) {
    const { value } = await reader.read();
    read += value!.length;
    await turn();
  }
  assert.equal(pair.a.mux.unread, 0);
});

Deno.test("webStream() keeps a writer waiting while the peer takes nothing", async () => {
  const { stream, far, turn } = opened();
  const writer = stream.writable.getWriter();
  let done = false;
  const written = writer.write(new Uint8Array(1_000_000)).then(() => done = true);
  await turn();
  assert.equal(done, false);
  while (far.receivedBytes < 1_000_000) {
    far.consume(far.unread);
    await turn();
  }
  await written;
});

Deno.test("webStream() fails both directions with private_stream_cut and the reason when it is cut", async () => {
  const { stream, far, turn } = opened();
  const writer = stream.writable.getWriter();
  writer.closed.catch(() => {});
  const reading = new Response(stream.readable).text();
  const waiting = writer.write(new Uint8Array(1_000_000));
  waiting.catch(() => {});
  reading.catch(() => {});
  await turn();
  far.stream.reset("origin_refused");
  await turn();
  await assert.rejects(
    reading,
    (error) =>
      code("private_stream_cut")(error) && (error as PosternError).detail.reason === "origin_refused",
  );
  await assert.rejects(writer.write(new Uint8Array(1)), code("private_stream_cut"));
});

Deno.test("webStream() cuts the stream when the program cancels or aborts", async () => {
  for (const act of ["cancel", "abort"] as const) {
    const { stream, far, turn } = opened();
    if (act === "cancel") await stream.readable.cancel();
    else await stream.writable.abort();
    await turn();
    assert.equal(far.reset, "cancelled");
  }
});
