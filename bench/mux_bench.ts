/** Two muxes joined by one buffer: what streams, credit and scheduling cost without sealing and sockets. */
import { Mux, MUX_LIMITS, type MuxStream, type StreamHandler } from "../src/mux/mod.ts";
import { MAX_RECORD_BODY_BYTES, streamClass, type StreamOpening } from "../src/wire/mod.ts";

const OPENING: StreamOpening = {
  class: streamClass("storage_fetch"),
  kind: "http",
  service: 0,
  viewer: "192.0.2.7:4711",
  requestId: "0123456789abcdef",
};

/** Consumes at once, and answers an end with `answer` and an end. */
class Reader implements StreamHandler {
  constructor(readonly stream: () => MuxStream, readonly answer?: Uint8Array) {}
  onData(_buffer: Uint8Array, start: number, end: number): void {
    this.stream().consumed(end - start);
  }
  onEnd(): void {
    if (this.answer === undefined) return;
    this.stream().offer(this.answer);
    this.stream().end();
  }
  onReset(): void {}
  onTaken(): void {}
}

function muxPair(answer?: Uint8Array): { a: Mux; settle: () => void } {
  const events = { wake() {}, onChannelFrame() {} };
  const a = new Mux({
    initiator: true,
    limits: MUX_LIMITS,
    events: { ...events, onOpen: () => "class_denied" },
  });
  const b = new Mux({
    initiator: false,
    limits: MUX_LIMITS,
    events: { ...events, onOpen: (stream) => new Reader(() => stream, answer) },
  });
  const body = new Uint8Array(MAX_RECORD_BODY_BYTES);
  const carry = (from: Mux, to: Mux) => {
    const end = from.fill(body, 0, body.length, 0);
    if (end > 0) to.receive(body, 0, end);
    return end > 0;
  };
  const settle = () => {
    while (Number(carry(a, b)) + Number(carry(b, a)) > 0);
  };
  return { a, settle };
}

function open(mux: Mux): MuxStream {
  const stream: MuxStream = mux.open(OPENING, new Reader(() => stream));
  return stream;
}

const answer = new Uint8Array(1_000);
for (const streams of [1, 100]) {
  const { a, settle } = muxPair(answer);
  const head = new Uint8Array(300);
  Deno.bench(`${streams} requests: open, 300 bytes, 1,000 bytes back, ended`, { group: "requests" }, () => {
    for (let i = 0; i < streams; i++) {
      const stream = open(a);
      stream.offer(head);
      stream.end();
    }
    settle();
  });
}

const megabyte = new Uint8Array(1_048_576);
for (const streams of [1, 16]) {
  const { a, settle } = muxPair();
  const open16 = Array.from({ length: streams }, () => open(a));
  Deno.bench(`1 MiB over ${streams} streams`, { group: "bulk" }, () => {
    const part = megabyte.length / streams;
    open16.forEach((stream, i) => stream.offer(megabyte, i * part, (i + 1) * part));
    settle();
  });
}
