/** Every wait of a viewer's connection has an end: in virtual time, at the number that its setting says. */
import assert from "node:assert/strict";
import { utf8 } from "../../src/bytes/mod.ts";
import { edgeDefaults } from "../../src/config/mod.ts";
import type { ChannelPump } from "../../src/driver/mod.ts";
import { Deadlines, Slabs } from "../../src/driver/mod.ts";
import { UnreadBudget } from "../../src/mux/mod.ts";
import { OpenRequests } from "../../src/edge/open_requests.ts";
import type { AgentGate } from "../../src/edge/agent_gate.ts";
import type { EdgeRelay } from "../../src/edge/relay.ts";
import { AgentSession } from "../../src/edge/agent_session.ts";
import { TrustedProxies } from "../../src/edge/client_ip.ts";
import { Guards } from "../../src/edge/guards.ts";
import { Sessions } from "../../src/edge/sessions.ts";
import { ViewerConnection } from "../../src/edge/viewer_connection.ts";
import type { ErrorCode } from "../../src/errors/mod.ts";
import type { Stage1Claims } from "../../src/identity/mod.ts";
import type { ByteStream } from "../../src/ports/mod.ts";
import { createMetrics, noTracer, requestIds } from "../../src/telemetry/mod.ts";
import { MuxPair, StreamUser } from "../support/mux_pair.ts";
import { settle, VirtualClock } from "../support/virtual_clock.ts";
import { memoryStreamPair } from "../support/memory_stream.ts";

/** How late a deadline may be noticed. */
const grainMs = 250;
const KiB = 1_024;

const SETTINGS = {
  "timeouts.peek": "3s",
  "timeouts.request_head": "5s",
  "timeouts.idle_keep_alive": "7s",
  "timeouts.request_body": "11s",
  "timeouts.origin_response": "13s",
  "timeouts.viewer_stall": "17s",
  "timeouts.stream_idle": "60s",
  "timeouts.linger": "2s",
};

const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes));

/** A viewer's connection, and the agent behind it as a test wants it. */
class Setup {
  readonly clock = new VirtualClock();
  readonly pair = new MuxPair();
  readonly viewer: ByteStream;
  /** Streams that the agent was given. */
  readonly agent: StreamUser[] = [];
  readonly logged: ErrorCode[] = [];
  text = "";
  /** The edge has ended its side. */
  ended = false;
  /** The connection is served no longer. */
  over = false;
  /** False: the viewer takes nothing. */
  reads = true;

  constructor(bufferBytes = 64 * KiB) {
    const [edge, viewer] = memoryStreamPair({ bufferBytes, addresses: ["192.0.2.1:1", "192.0.2.2:2"] });
    this.viewer = viewer;
    const sessions = new Sessions({
      clock: this.clock,
      log: () => {},
      graceMs: 30_000,
      replacement: { maxCount: 5, windowMs: 10_000 },
    });
    const session = new AgentSession({
      id: "session",
      claims: {
        sub: "tunnel",
        agent_id: "agent",
        hostnames: ["a.localhost"],
        tls_hostnames: [],
        tcp_ports: [],
        udp_ports: [],
        weight: 1,
      } as unknown as Stage1Claims,
      channel: { state: "established", open: this.pair.a.mux.open.bind(this.pair.a.mux) } as never,
      pump: { retain: () => undefined } as unknown as ChannelPump,
      since: 0,
      remoteAddress: "192.0.2.3:3",
    });
    session.lastEchoAt = 1;
    sessions.routes.add(session);
    this.pair.b.answer = () => {
      const user = new StreamUser(true);
      this.agent.push(user);
      return user;
    };
    const connection = new ViewerConnection({
      context: {
        config: edgeDefaults({ state_directory: "/nonexistent", ...SETTINGS }),
        clock: this.clock,
        random,
        newRequestId: requestIds(random),
        log: (_level, _event, fields) => void this.logged.push(fields?.code as ErrorCode),
        metrics: createMetrics(),
        tracer: noTracer,
        slabs: new Slabs(),
        deadlines: new Deadlines(this.clock),
        sessions,
        guards: new Guards({ clock: this.clock, random }),
        viewers: { admits: () => true },
        openRequests: new OpenRequests(1),
        unreadRequests: new UnreadBudget(1),
        knownRoute: () => Promise.resolve(undefined),
        control: () => Promise.reject(new Error("not asked")),
      },
      gate: {} as AgentGate,
      relay: {} as EdgeRelay,
      proxies: new TrustedProxies([]),
      socket: edge,
      scheme: "http",
    });
    connection.run().then(() => this.over = true);
    this.#read();
  }

  async send(text: string): Promise<this> {
    await this.viewer.write(utf8(text));
    return await this.settle();
  }

  /** The agent says this on its latest stream. */
  async answer(text: string | Uint8Array, end = false): Promise<this> {
    const { stream } = this.agent.at(-1)!;
    stream.offer(typeof text === "string" ? utf8(text) : text);
    if (end) stream.end();
    return await this.settle();
  }

  async settle(): Promise<this> {
    for (let turn = 0; turn < 6; turn++) {
      this.pair.settle();
      await settle();
    }
    return this;
  }

  async pass(ms: number): Promise<this> {
    await this.clock.advanceAsync(ms);
    return await this.settle();
  }

  /** Nothing happens until `ms` have passed, then `holds`. */
  async expect(ms: number, holds: () => boolean): Promise<void> {
    await this.pass(ms - 1);
    assert.equal(holds(), false, `${ms - 1} ms: ${this.text}`);
    await this.pass(1 + grainMs);
    assert.equal(holds(), true, `${ms + grainMs} ms: ${this.text} ${this.logged}`);
  }

  async #read(): Promise<void> {
    const bytes = new Uint8Array(KiB);
    for (;;) {
      while (!this.reads) await settle();
      const read = await this.viewer.read(bytes).catch(() => null);
      if (read === null) break;
      this.text += new TextDecoder().decode(bytes.subarray(0, read));
    }
    this.ended = true;
  }
}

const get = "GET / HTTP/1.1\r\nHost: a.localhost\r\n\r\n";
const post = "POST / HTTP/1.1\r\nHost: a.localhost\r\nContent-Length: 10\r\n\r\n";
const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

Deno.test("ViewerConnection closes a connection that says nothing after timeouts.peek", async () => {
  const setup = new Setup();
  await setup.expect(3_000, () => setup.over);
  assert.equal(setup.text, "");
});

Deno.test("ViewerConnection answers a head that comes in drops with head_timeout after timeouts.request_head", async () => {
  const setup = await new Setup().send("G");
  for (let drop = 0; drop < 4; drop++) await (await setup.pass(1_000)).send("E");
  await setup.expect(1_000, () => setup.over);
  assert.match(setup.text, /^HTTP\/1\.1 408 [^]*"code":"head_timeout"/);
});

Deno.test("ViewerConnection closes between two requests after timeouts.idle_keep_alive, without a word", async () => {
  const setup = await new Setup().send(get);
  await setup.answer(ok, true);
  await setup.expect(7_000, () => setup.over);
  assert.equal(setup.text, ok);
});

Deno.test("ViewerConnection answers a body that does not come with body_timeout after timeouts.request_body", async () => {
  const setup = await new Setup().send(`${post}half`);
  await setup.pass(8_000);
  await setup.send("more"); // counts anew from here
  await setup.expect(11_000, () => setup.text !== "");
  assert.match(setup.text, /^HTTP\/1\.1 408 [^]*\r\nConnection: close\r\n[^]*"code":"body_timeout"/);
  assert.equal(setup.agent[0].reset, "cancelled");
});

Deno.test("ViewerConnection lets a body take its time once there is an answer", async () => {
  const setup = await new Setup().send(`${post}half`);
  await setup.answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  await setup.pass(50_000);
  await setup.send("second");
  assert.equal(new TextDecoder().decode(setup.agent[0].bytes).split("\r\n\r\n")[1], "halfsecond");
  await setup.answer("done", true);
  assert.match(setup.text, /done\r\n0\r\n\r\n$/);
});

Deno.test("ViewerConnection answers origin_timeout after timeouts.origin_response, counted from the end of the body", async () => {
  const setup = await new Setup().send(get);
  await setup.expect(13_000, () => setup.text !== "");
  assert.match(setup.text, /^HTTP\/1\.1 504 [^]*"code":"origin_timeout"/);
  const upload = await new Setup().send(post);
  for (let octet = 0; octet < 9; octet++) await (await upload.pass(10_000)).send("x");
  assert.equal(upload.text, "");
  await upload.send("x");
  await upload.pass(2 * 13_000 + grainMs);
  assert.match(upload.text, /"code":"origin_timeout"/);
});

Deno.test("ViewerConnection cuts a viewer that takes nothing of its response: viewer_stalled", async () => {
  const setup = new Setup(KiB);
  setup.reads = false;
  await setup.send(get);
  await setup.answer(`HTTP/1.1 200 OK\r\nContent-Length: ${64 * KiB}\r\n\r\n`);
  await setup.answer(new Uint8Array(64 * KiB));
  await setup.pass(3 * 17_000 + 3 * grainMs);
  assert.equal(setup.over, true);
  assert.ok(setup.logged.includes("viewer_stalled"));
  assert.equal(setup.agent[0].reset, "cancelled");
});

Deno.test("ViewerConnection cuts a request on which nothing moves: stream_idle", async () => {
  const setup = await new Setup().send(get);
  await setup.answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx");
  await setup.pass(59_000);
  assert.equal(setup.over, false);
  await setup.answer("x");
  await setup.pass(59_000);
  assert.equal(setup.over, false);
  await setup.pass(20_000);
  assert.equal(setup.over, true);
  assert.ok(setup.logged.includes("stream_idle"));
});

Deno.test("ViewerConnection reads on for timeouts.linger when a viewer sends beyond its last answer", async () => {
  const setup = await new Setup().send(`${post}half`.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
  await setup.answer(ok, true);
  assert.equal(setup.text, ok.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
  assert.equal(setup.ended, true);
  await setup.expect(2_000, () => setup.over);
});

Deno.test("ViewerConnection keeps a connection whose body comes after its answer, and gives it up after timeouts.linger", async () => {
  const setup = await new Setup().send(`${post}half`);
  await setup.answer(ok, true);
  await setup.send("second" + get);
  await setup.answer(ok, true);
  assert.equal(setup.text, ok + ok);
  assert.equal(setup.over, false);
  const silent = await new Setup().send(`${post}half`);
  await silent.answer(ok, true);
  await silent.expect(2_000, () => silent.over);
});

Deno.test("ViewerConnection throws away 256 KiB of a body that nobody wants, no more", async () => {
  const setup = await new Setup().send(post.replace("10", `${600 * KiB}`));
  await setup.answer(ok, true);
  for (let part = 0; part < 16 && !setup.over; part++) {
    await setup.send("x".repeat(32 * KiB)).catch(() => {});
  }
  await setup.pass(2_000 + grainMs);
  assert.equal(setup.over, true);
  assert.equal(setup.text, ok);
});

Deno.test("ViewerConnection tells the agent when the viewer leaves, after a request with a body as after one without", async () => {
  for (const request of [get, `${post}0123456789`]) {
    const setup = await new Setup().send(request);
    setup.viewer.close();
    await setup.settle();
    assert.equal(setup.agent[0].reset, "cancelled");
    assert.equal(setup.over, true);
  }
});

Deno.test("ViewerConnection says close when 100 (Continue) was waited for and never came", async () => {
  const setup = await new Setup().send(post.replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n"));
  await setup.answer("HTTP/1.1 413 X\r\nContent-Length: 0\r\n\r\n", true);
  assert.match(setup.text, /\r\nConnection: close\r\n/);
  await setup.send(get);
  assert.equal(setup.agent.length, 1);
});
