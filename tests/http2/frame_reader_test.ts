import assert from "node:assert/strict";
import fc from "fast-check";
import { concat, utf8 } from "../../src/bytes/mod.ts";
import { Flag, frame, FrameType, PREFACE, SettingId, settingsPayload } from "../../src/http2/frame.ts";
import { FrameReader, type FrameSink } from "../../src/http2/frame_reader.ts";

/** Notes every call; parts of one body are put together. */
class Notes implements FrameSink {
  readonly calls: string[] = [];
  #body = "";

  onHeaders(streamId: number, endStream: boolean, block: Uint8Array): void {
    this.calls.push(`headers ${streamId} ${endStream} ${String.fromCharCode(...block)}`);
  }
  onDataStart(streamId: number, length: number, bytes: number, endStream: boolean): void {
    this.calls.push(`data ${streamId} ${length} ${bytes} ${endStream}`);
    this.#body = "";
  }
  onData(buffer: Uint8Array, start: number, end: number): void {
    this.#body += String.fromCharCode(...buffer.subarray(start, end));
  }
  onDataEnd(endStream: boolean): void {
    this.calls.push(`end ${endStream} ${this.#body}`);
  }
  onReset(streamId: number): void {
    this.calls.push(`reset ${streamId}`);
  }
  onSetting(id: number, value: number): void {
    this.calls.push(`setting ${id} ${value}`);
  }
  onSettingsEnd(): void {
    this.calls.push("settings end");
  }
  onWindowUpdate(streamId: number, increment: number): void {
    this.calls.push(`window ${streamId} ${increment}`);
  }
  onPing(payload: Uint8Array): void {
    this.calls.push(`ping ${payload.join()}`);
  }
  onIdleFrame(): void {
    this.calls.push("idle");
  }
}

const STREAM = concat(
  utf8(PREFACE),
  frame(FrameType.settings, 0, 0, settingsPayload([[SettingId.initialWindowSize, 70_000]])),
  frame(FrameType.settings, Flag.ack, 0),
  frame(FrameType.headers, 0, 1, utf8("first ")),
  frame(FrameType.continuation, Flag.endHeaders, 1, utf8("second")),
  frame(
    FrameType.data,
    Flag.padded | Flag.endStream,
    1,
    concat(Uint8Array.of(3), utf8("body"), new Uint8Array(3)),
  ),
  frame(FrameType.ping, 0, 0, new Uint8Array(8)),
  frame(FrameType.windowUpdate, 0, 1, Uint8Array.of(0, 0, 1, 0)),
  frame(
    FrameType.headers,
    Flag.endHeaders | Flag.endStream | Flag.padded | Flag.priority,
    3,
    concat(Uint8Array.of(2), new Uint8Array(5), utf8("third"), new Uint8Array(2)),
  ),
  frame(0xfe, 0, 0, utf8("unknown")),
  frame(FrameType.data, 0, 1),
  frame(FrameType.rstStream, 0, 3, new Uint8Array(4)),
);

const CALLS = [
  "idle",
  "setting 4 70000",
  "settings end",
  "idle",
  "headers 1 false first second",
  "data 1 8 4 true",
  "end true body",
  "idle",
  "ping 0,0,0,0,0,0,0,0",
  "window 1 256",
  "headers 3 true third",
  "idle",
  "data 1 0 0 false",
  "end false ",
  "reset 3",
];

Deno.test("FrameReader tells the same of frames, in whatever pieces they come", () => {
  fc.assert(fc.property(fc.array(fc.integer({ min: 1, max: 40 })), (sizes) => {
    const notes = new Notes();
    const reader = new FrameReader(notes);
    let at = 0;
    let end = 0;
    while (end < STREAM.length) {
      end = Math.min(STREAM.length, end + (sizes.shift() ?? STREAM.length));
      for (let next = reader.next(STREAM, at, end); next >= 0; next = reader.next(STREAM, at, end)) at = next;
    }
    assert.equal(at, STREAM.length);
    assert.deepEqual(notes.calls, CALLS);
  }));
});

Deno.test("FrameReader.hasOpenBlock from HEADERS without END_HEADERS to the CONTINUATION that has it", () => {
  const reader = new FrameReader(new Notes());
  const open: boolean[] = [];
  for (let at = reader.next(STREAM, 0, STREAM.length); at >= 0 && open.length < 5;) {
    at = reader.next(STREAM, at, STREAM.length);
    open.push(reader.hasOpenBlock);
  }
  assert.deepEqual(open, [false, false, true, false, false]);
});
