import assert from "node:assert/strict";
import { utf8, utf8Decode } from "../../src/bytes/mod.ts";
import type { AttachRequest } from "../../src/edge/mod.ts";
import { codeOf, PosternError } from "../../src/errors/mod.ts";
import type { ByteStream } from "../../src/ports/mod.ts";
import { RelayForward, relayForwarded } from "../../src/workers/relay_forward.ts";
import { memoryStreamPair } from "../support/memory_stream.ts";
import { settle, VirtualClock } from "../support/virtual_clock.ts";

const request: AttachRequest = {
  target: "/v1/channel/attach",
  method: "GET",
  httpVersion: "1.1",
  ip: "192.0.2.7",
  leftover: utf8("early"),
  header: (name) => name === "authorization" ? "Bearer token" : null,
  headers: (name) => name === "authorization" ? ["Bearer token"] : [],
};

/** A worker and a main thread whose relay does this with what it is handed. */
class Setup {
  readonly clock = new VirtualClock();
  readonly asked: AttachRequest[] = [];
  readonly endpoint: ByteStream;
  readonly near: ByteStream;
  readonly forward: RelayForward;
  over = false;

  constructor(serve: (stream: ByteStream, request: AttachRequest) => Promise<void>) {
    [this.near, this.endpoint] = memoryStreamPair({ addresses: ["192.0.2.1:1", "192.0.2.7:7"] });
    this.forward = new RelayForward(this.clock, (attach, port) => {
      void relayForwarded(
        {
          accept: (stream, request) => {
            this.asked.push(request);
            return serve(stream, request);
          },
        },
        structuredClone(attach),
        port,
        { clock: this.clock, newRequestId: () => "request-1" },
      );
    });
  }

  run(): this {
    this.forward.accept(this.near, request).then(() => this.over = true);
    return this;
  }

  async read(): Promise<string> {
    const buffer = new Uint8Array(4_096);
    const read = await this.endpoint.read(buffer);
    return read === null ? "" : utf8Decode(buffer.subarray(0, read));
  }

  async until(holds: () => boolean): Promise<void> {
    for (let turn = 0; turn < 1_000 && !holds(); turn++) await settle();
    assert.ok(holds());
  }
}

Deno.test("RelayForward hands a connection on as it is, both ways, until either end closes", async () => {
  const setup = new Setup(async (stream) => {
    const buffer = new Uint8Array(100);
    for (let read = await stream.read(buffer); read !== null; read = await stream.read(buffer)) {
      await stream.write(buffer.subarray(0, read));
    }
    stream.close();
  }).run();
  await setup.endpoint.write(utf8("there and back"));
  assert.equal(await setup.read(), "there and back");
  const [asked] = setup.asked;
  assert.deepEqual(
    [asked.target, asked.ip, utf8Decode(asked.leftover), asked.header("authorization"), asked.header("host")],
    ["/v1/channel/attach", "192.0.2.7", "early", "Bearer token", null],
  );
  assert.deepEqual(asked.headers("authorization"), ["Bearer token"]);
  await setup.endpoint.closeWrite();
  assert.equal(await setup.read(), "");
  setup.endpoint.close();
  await setup.until(() => setup.over);
  await setup.forward.closed();
});

Deno.test("RelayForward answers a refusal of the main thread, and closes on an endpoint that stays", async () => {
  const setup = new Setup(() => Promise.reject(new PosternError("relay_full"))).run();
  let answer = "";
  await setup.until(() => setup.asked.length === 1);
  for (let part = await setup.read(); part !== ""; part = await setup.read()) answer += part;
  assert.match(answer, /^HTTP\/1.1 503 /);
  assert.match(answer, /relay_full/);
  assert.ok(!setup.over);
  await setup.clock.advanceAsync(2_000);
  await setup.until(() => setup.clock.pending === 1);
  await setup.clock.advanceAsync(2_000);
  await setup.until(() => setup.over);
});

Deno.test("RelayForward takes nobody while it drains, and closes what is left at the end", async () => {
  const setup = new Setup(async (stream) => {
    await stream.read(new Uint8Array(1));
    stream.close();
  }).run();
  await setup.until(() => setup.asked.length === 1);
  setup.forward.drain();
  const late = await setup.forward.accept(setup.near, request).then(() => "taken", codeOf);
  assert.equal(late, "peer_draining");
  const closed = setup.forward.closed();
  setup.forward.close();
  await closed;
  await setup.until(() => setup.over);
});
