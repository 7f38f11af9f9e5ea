import assert from "node:assert/strict";
import fc from "fast-check";
import { utf8 } from "../../src/bytes/mod.ts";
import { type Deadline, Slabs, SocketWriter } from "../../src/driver/mod.ts";
import { Http1ResponseWriter } from "../../src/edge/http1_response_writer.ts";
import { type RelayOutcome, ResponseRelay } from "../../src/edge/response_relay.ts";
import type { ErrorCode } from "../../src/errors/mod.ts";
import { parseRequestHead } from "../../src/http1/mod.ts";
import { CHANNEL_WINDOW_BYTES, STREAM_WINDOW_BYTES } from "../../src/mux/mod.ts";
import type { ResetReason } from "../../src/wire/mod.ts";
import { MuxPair, OPENING, pattern, StreamUser } from "../support/mux_pair.ts";
import { settle } from "../support/virtual_clock.ts";
import { ScriptedStream } from "../driver/scripted_stream.ts";

/** A relay on the edge's end of a mux pair; the agent's end says what a test wants. */
class Setup {
  readonly pair = new MuxPair({
    a: { channelWindowBytes: CHANNEL_WINDOW_BYTES },
    b: { channelWindowBytes: CHANNEL_WINDOW_BYTES },
  });
  readonly viewer = new ScriptedStream();
  readonly writer: SocketWriter;
  readonly relay: ResponseRelay;
  readonly agent = new StreamUser(true);
  readonly heads: number[] = [];
  outcome: RelayOutcome | undefined;

  constructor(request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n", holdFor?: (flush: () => void) => Deadline) {
    const bytes = utf8(request);
    this.writer = new SocketWriter(this.viewer, new Slabs(), {
      onWritten: (credit) => stream.consumed(credit),
      onError: () => this.relay.abort("channel_lost"),
    });
    this.relay = new ResponseRelay({
      request: parseRequestHead(bytes, 0, bytes.length)!,
      writer: new Http1ResponseWriter(this.writer),
      retain: () => undefined,
      keepAlive: true,
      onHead: (status) => void this.heads.push(status),
      maySwitch: holdFor !== undefined,
      holdFor: holdFor ?? (() => assert.fail()),
    });
    this.pair.b.answer = () => this.agent;
    const stream = this.pair.a.mux.open(OPENING, this.relay);
    this.relay.attach(stream);
    this.relay.outcome.then((outcome) => this.outcome = outcome);
    this.pair.settle();
  }

  async say(text: string | Uint8Array, end = false, trailers?: string): Promise<this> {
    this.agent.stream.offer(typeof text === "string" ? utf8(text) : text);
    if (end) this.agent.stream.end(trailers === undefined ? undefined : utf8(trailers));
    return await this.settle();
  }

  async settle(): Promise<this> {
    for (let i = 0; i < 8; i++) {
      this.pair.settle();
      await settle();
    }
    return this;
  }

  get text(): string {
    return new TextDecoder().decode(Uint8Array.from(this.viewer.written));
  }

  failed(): { code: ErrorCode; reason?: ResetReason; started: boolean } {
    assert.equal(this.outcome?.kind, "failed");
    const { code, reason, started } = this.outcome as RelayOutcome & { kind: "failed" };
    return { code, reason, started };
  }
}

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";

Deno.test("ResponseRelay writes head and body anew, however the stream cuts them, and returns all credit", async () => {
  const whole = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK + "hello";
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.integer({ min: 1, max: whole.length - 1 }), { maxLength: 12 }),
      async (cuts) => {
        const setup = new Setup();
        let at = 0;
        for (const cut of [...cuts.sort((a, b) => a - b), whole.length]) {
          setup.agent.stream.offer(utf8(whole.slice(at, cut)));
          setup.pair.settle();
          at = cut;
        }
        setup.agent.stream.end();
        await setup.settle();
        assert.match(setup.text, /^HTTP\/1\.1 103 [^]*?\r\n\r\nHTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nhello$/);
        assert.deepEqual(setup.outcome, { kind: "complete", keepAlive: true });
        assert.deepEqual(setup.heads, [200]);
        assert.equal(setup.pair.a.mux.credit.unread, 0);
      },
    ),
    { numRuns: 40 },
  );
});

Deno.test("ResponseRelay chunks a body of unknown length for HTTP/1.1, with its trailers, and closes for HTTP/1.0", async () => {
  const head = "HTTP/1.1 200 OK\r\nTrailer: x-sum\r\n\r\n";
  const eleven = new Setup();
  await eleven.say(head + "abc");
  await eleven.say("defgh", true, "x-sum: 8\r\n");
  assert.match(eleven.text, /\r\n\r\n3\r\nabc\r\n5\r\ndefgh\r\n0\r\nx-sum: 8\r\n\r\n$/i);
  assert.deepEqual(eleven.outcome, { kind: "complete", keepAlive: true });
  const ten = new Setup("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
  await ten.say("HTTP/1.1 100 Continue\r\n\r\n" + head + "abcdefgh", true, "x-sum: 8\r\n");
  assert.match(ten.text, /^HTTP\/1\.[01] 200 OK\r\n[^]*\r\n\r\nabcdefgh$/);
  assert.deepEqual(ten.outcome, { kind: "complete", keepAlive: false });
  assert.equal(ten.pair.a.mux.credit.unread, 0);
});

Deno.test("ResponseRelay fails with origin_protocol for what is no response, and resets the stream", async () => {
  const cases = [
    "SSH-2.0-OpenSSH_9.9\r\n",
    OK + "hello, and more than was promised",
    "HTTP/1.1 204 No Content\r\n\r\nbody",
    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(33) + OK,
  ];
  for (const text of cases) {
    const setup = await new Setup().say(text);
    assert.equal(setup.failed().code, "origin_protocol", text);
    assert.equal(setup.agent.reset, "request_refused");
    assert.equal(setup.pair.a.mux.openStreams, 0);
  }
});

Deno.test("ResponseRelay: trailers that do not parse end one stream, not the channel", async () => {
  const setup = await new Setup().say("HTTP/1.1 200 OK\r\n\r\nabc", true, "no colon\r\n");
  assert.deepEqual([setup.failed().code, setup.failed().started], ["origin_protocol", true]);
});

Deno.test("ResponseRelay fails with origin_reset when the stream ends too early", async () => {
  for (const [text, started] of [["", false], ["HTTP/1.1 20", false], [OK + "hel", true]] as const) {
    const setup = await new Setup().say(text, true);
    assert.deepEqual(setup.failed(), { code: "origin_reset", reason: undefined, started });
  }
});

Deno.test("ResponseRelay tells every reset reason as the code that a viewer is to see", async () => {
  const codes: [ResetReason, ErrorCode][] = [
    ["origin_refused", "origin_refused"],
    ["origin_timeout", "origin_timeout"],
    ["origin_reset", "origin_reset"],
    ["origin_protocol", "origin_protocol"],
    ["unknown_service", "tunnel_offline"],
    ["stream_limit", "viewer_limit"],
    ["draining", "peer_draining"],
    ["idle_timeout", "stream_idle"],
    ["request_refused", "origin_protocol"],
    ["internal", "internal_error"],
    ["fenced", "channel_lost"],
    ["channel_lost", "channel_lost"],
  ];
  for (const [reason, code] of codes) {
    const setup = new Setup();
    setup.agent.stream.reset(reason);
    await setup.settle();
    assert.deepEqual(setup.failed(), { code, reason, started: false });
  }
  const started = await new Setup().say(OK);
  started.agent.stream.reset("origin_reset");
  await started.settle();
  assert.equal(started.failed().started, true);
});

Deno.test("ResponseRelay holds an agent back that sends interim heads without end to a viewer that does not read", async () => {
  const setup = new Setup();
  setup.viewer.open = false;
  const hint = `HTTP/1.1 103 Early Hints\r\nLink: </${"a".repeat(8_000)}>\r\n\r\n`;
  await setup.say(hint.repeat(32)); // 257 KB
  assert.equal(setup.relay.settled, false);
  assert.ok(
    setup.agent.stream.sendCredit.available < STREAM_WINDOW_BYTES / 2,
    "credit comes when it is written",
  );
  setup.viewer.open = true;
  while (setup.viewer.writes.length > 0) setup.viewer.letGo();
  await setup.settle();
  assert.equal(setup.pair.a.mux.credit.unread, 0);
});

Deno.test("ResponseRelay drops what waits for a viewer that was cut for not reading, during a response and after it", async () => {
  for (const complete of [false, true]) {
    const setup = new Setup();
    setup.viewer.open = false;
    await setup.say(`HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n`);
    await setup.say(pattern(complete ? 100_000 : 50_000), complete);
    assert.equal(setup.outcome?.kind, complete ? "complete" : undefined);
    const flushed = setup.writer.flushed();
    setup.relay.onReset("slow_consumer");
    await flushed;
    assert.deepEqual([setup.writer.failed, setup.writer.queuedBytes], [true, 0]);
  }
});

Deno.test("ResponseRelay.abort() resets the stream, lets a sender go on, and is told once", async () => {
  const setup = new Setup();
  const unread = new StreamUser(false);
  setup.pair.b.answer = () => unread;
  setup.relay.abort("origin_timeout");
  setup.relay.abort("stream_idle");
  await setup.relay.taken();
  await setup.settle();
  assert.deepEqual(setup.failed(), { code: "origin_timeout", reason: undefined, started: false });
  assert.equal(setup.agent.reset, "cancelled");
});

Deno.test("ResponseRelay.handOver() gives the next handler what came behind 101, the end, or the reset", async () => {
  const upgrade = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
  const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
  for (const how of ["open", "ended", "reset"] as const) {
    const setup = await new Setup(upgrade).say(switching + "ra");
    assert.deepEqual(setup.outcome, { kind: "upgraded" });
    assert.match(setup.text, /^HTTP\/1\.1 101 [^]*\r\n\r\n$/);
    await setup.say("w", how === "ended");
    if (how === "reset") {
      setup.agent.stream.reset("origin_reset");
      await setup.settle();
    }
    const next = new StreamUser();
    setup.relay.handOver(next);
    if (how === "open") await setup.say(" bytes");
    assert.equal(new TextDecoder().decode(next.bytes), how === "open" ? "raw bytes" : "raw");
    assert.deepEqual([next.ended, next.reset], [
      how === "ended",
      how === "reset" ? "origin_reset" : undefined,
    ]);
  }
});

Deno.test("ResponseRelay holds a small answer back until it is whole, so that losing the agent starts nothing", async () => {
  let flush = () => {};
  const hold = (held: () => void) => {
    flush = held;
    return { lift: () => void (flush = () => {}) };
  };
  const whole = new Setup(undefined, hold);
  await whole.say(OK + "hel");
  assert.equal(whole.text, "");
  assert.deepEqual(whole.heads, []);
  await whole.say("lo", true);
  assert.match(whole.text, /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nhello$/);
  assert.deepEqual(whole.heads, [200]);
  assert.deepEqual(whole.outcome, { kind: "complete", keepAlive: true });
  assert.equal(whole.pair.a.mux.credit.unread, 0);

  const lost = new Setup(undefined, hold);
  await lost.say(OK + "hel");
  lost.pair.a.mux.abandon("channel_lost");
  await lost.settle();
  assert.deepEqual(lost.failed(), { code: "channel_lost", reason: "channel_lost", started: false });
  assert.equal(lost.text, "");

  const slow = new Setup(undefined, hold);
  await slow.say(OK + "hel");
  flush();
  await slow.settle();
  assert.match(slow.text, /\r\n\r\nhel$/);
  await slow.say("lo", true);
  assert.match(slow.text, /\r\n\r\nhello$/);
  assert.equal(slow.pair.a.mux.credit.unread, 0);
});
