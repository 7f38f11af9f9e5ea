import assert from "node:assert/strict";
import fc from "fast-check";
import { HeaderList } from "../../src/http1/mod.ts";
import { block, data, frame, FrameType, GET, headers, Peer, POST, uint32 } from "./peer.ts";

const id = fc.constantFrom(0, 1, 3, 5, 7, 9, 2, 0x7fff_ffff);
const anyFrame = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(id, fc.boolean()).map(([stream, end]) => headers(stream, GET, end)) },
  { weight: 2, arbitrary: id.map((stream) => headers(stream, POST, false)) },
  {
    weight: 3,
    arbitrary: fc.tuple(id, fc.nat(3_000), fc.boolean()).map(([stream, bytes, end]) =>
      data(stream, bytes, end)
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(id, fc.nat()).map(([stream, by]) =>
      frame(FrameType.windowUpdate, 0, stream, uint32(by))
    ),
  },
  { weight: 2, arbitrary: id.map((stream) => frame(FrameType.rstStream, 0, stream, uint32(8))) },
  {
    weight: 1,
    arbitrary: fc.nat(0x7fff_ffff).map((size) =>
      frame(FrameType.settings, 0, 0, Uint8Array.of(0, 4, ...uint32(size)))
    ),
  },
  { weight: 1, arbitrary: id.map((stream) => frame(FrameType.continuation, 4, stream, block(GET))) },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.nat(12), fc.nat(255), id, fc.uint8Array({ maxLength: 40 }))
      .map(([type, flags, stream, payload]) => frame(type, flags, stream, payload)),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 30 }) },
);

/** Unread bytes and open streams of the connection, within the limits whatever the peer does. */
function check(peer: Peer): void {
  assert.ok(peer.connection.openStreams <= 4);
  const unread = peer.requests.reduce((sum, { stream }) => sum + stream.unread, 0);
  assert.ok(unread <= 100_000, `${unread} bytes`);
}

Deno.test("Http2Connection takes any frames, cut anywhere, without throwing, and stays within its limits", () => {
  const step = fc.record({ frame: anyFrame, cut: fc.nat(40), read: fc.nat(5_000), answer: fc.nat(3) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const peer = new Peer({ maxConcurrentStreams: 4, connectionWindowBytes: 100_000 });
      for (const { frame, cut, read, answer } of steps) {
        peer.send(frame.subarray(0, cut));
        peer.send(frame.subarray(cut));
        const stream = peer.requests.at(-1)?.stream;
        if (stream !== undefined) {
          stream.read(new Uint8Array(read));
          if (answer === 1) stream.sendHead(200, new HeaderList(), false);
          if (answer === 2) stream.send(new Uint8Array(read), 0);
          if (answer === 3) stream.end();
        }
        check(peer);
        peer.frames();
      }
      const known = peer.connection.failed?.code;
      assert.ok(known === undefined || known.startsWith("h2_"), known);
    }),
    { numRuns: 500 },
  );
});

Deno.test("Http2Connection returns all of its own window once everything is read or dropped", () => {
  const upload = fc.record({
    bytes: fc.nat(16_384),
    padded: fc.boolean(),
    cut: fc.boolean(),
    read: fc.boolean(),
  });
  fc.assert(fc.property(fc.array(upload, { minLength: 1, maxLength: 30 }), (uploads) => {
    const peer = new Peer({ connectionWindowBytes: 65_535 });
    let stream = -1;
    let granted = 65_535;
    let sent = 0;
    for (const { bytes, padded, cut, read } of uploads) {
      const part = padded
        ? frame(
          FrameType.data,
          0x8,
          stream + 2,
          Uint8Array.of(7, ...new Uint8Array(Math.min(bytes, 16_000) + 7)),
        )
        : data(stream + 2, bytes);
      if (sent + part.length > granted) break;
      stream += 2;
      peer.send(headers(stream, POST, false), part);
      sent += part.length - 9;
      const { stream: open } = peer.requests.at(-1)!;
      if (read) open.read(new Uint8Array(20_000));
      if (cut) peer.send(frame(FrameType.rstStream, 0, stream, uint32(8)));
      else if (!read) open.reset(8);
      for (const { type, stream, payload } of peer.frames()) {
        if (type === FrameType.windowUpdate && stream === 0) {
          granted += new DataView(payload.buffer).getUint32(0);
        }
      }
    }
    // Less than half a window is kept back, to be granted in one go.
    assert.ok(granted - sent >= 65_535 / 2, `${granted - sent} bytes of window are left`);
  }));
});
