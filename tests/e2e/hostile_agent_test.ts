import assert from "node:assert/strict";
import { utf8 } from "../../src/bytes/mod.ts";
import { type MuxStream, STREAM_WINDOW_BYTES } from "../../src/mux/mod.ts";
import { type Created, type Knock, RogueAgent } from "../support/rogue_agent.ts";
import { RawOrigin } from "../support/raw_origin.ts";
import { eventually, type Stack, startStack, within } from "../support/stack.ts";

/** One stream of the edge, as an agent sees it that returns no credit by itself. */
class Held {
  readonly stream: MuxStream;
  text = "";
  bytes = 0;
  reset = false;

  constructor(stream: MuxStream) {
    this.stream = stream;
  }

  readonly onData = (buffer: Uint8Array, start: number, end: number) => {
    this.bytes += end - start;
    this.text += new TextDecoder("latin1").decode(buffer.subarray(start, end));
  };
  readonly onEnd = () => {};
  readonly onReset = () => void (this.reset = true);
  readonly onTaken = () => {};
}

/** An agent with a valid token that is online and keeps every stream for the test to play with. */
class Malicious {
  readonly held: Held[] = [];
  #knock!: Knock;

  static async start(stack: Stack, rogue: RogueAgent, created: Created): Promise<Malicious> {
    const malicious = new Malicious();
    const token = created.ephemeral_token;
    const before = stack.plane.status().sessions.length;
    malicious.#knock = await rogue.knock(created, token, await rogue.honest(token), {
      onOpen: (stream) => {
        const held = new Held(stream);
        malicious.held.push(held);
        return held;
      },
    });
    await within(5_000, "it is ready", malicious.#knock.ready, stack.lines);
    await eventually(
      "it is online",
      () => stack.plane.status().sessions.filter(({ online }) => online).length > before,
    );
    return malicious;
  }

  say({ stream }: Held, text: string | Uint8Array, end = false): void {
    stream.offer(typeof text === "string" ? utf8(text) : text);
    if (end) stream.end();
    this.#knock.wake();
  }

  grant({ stream, bytes }: Held): void {
    stream.consumed(bytes);
    this.#knock.wake();
  }

  /** Answers one request of a viewer. What the edge had to send before it has arrived by then. */
  async exchange(stack: Stack, host: string): Promise<void> {
    using viewer = await stack.connect();
    const before = this.held.length;
    await viewer.get(host);
    await eventually("the request arrives", () => this.held.length > before && this.held[before].bytes > 0);
    this.say(this.held[before], "HTTP/1.1 204 No Content\r\n\r\n", true);
    assert.equal((await viewer.response()).status, 204);
  }
}

Deno.test("an agent that answers before it takes the body never gets bytes of what the viewer sends next", async () => {
  await using origin = RawOrigin.start(async (socket) => {
    await socket.through("\r\n\r\n");
    await socket.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    await socket.rest();
  });
  await using stack = await startStack({ services: [{ name: "bank", target: origin.target }] });
  await using rogue = new RogueAgent(stack);
  const created = await rogue.create();
  const host = created.public_hostname;
  const agent = await Malicious.start(stack, rogue, created);
  using viewer = await stack.connect();
  // What is beyond a stream's first credit waits in the edge, in the buffer that it was read into.
  const body = STREAM_WINDOW_BYTES + 4_000;
  await viewer.send(`POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: ${body}\r\n\r\n${"a".repeat(body)}`);
  await eventually("the credit is used up", () => agent.held[0]?.bytes === STREAM_WINDOW_BYTES);
  const [post] = agent.held;
  agent.say(post, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true);
  assert.equal((await viewer.response()).status, 200);
  // The same connection, another host: a secret that is none of this agent's business.
  const secret = "Cookie: session=do-not-tell-anybody\r\n".repeat(90);
  await viewer.send(`GET / HTTP/1.1\r\nHost: ${stack.host("bank")}\r\n${secret}\r\n`);
  assert.equal((await viewer.response()).body, "hello");
  agent.grant(post);
  await agent.exchange(stack, host);
  await agent.exchange(stack, host);
  assert.ok(!post.text.includes("do-not-tell-anybody"));
  assert.deepEqual([post.bytes, post.reset], [STREAM_WINDOW_BYTES, true]);
});

Deno.test("an agent whose tunnel is deleted while it proves itself is refused with tunnel_deleted: the name may be another's by then", async () => {
  await using stack = await startStack();
  await using rogue = new RogueAgent(stack);
  const created = await rogue.create({ requested_name: "prize" });
  const { tunnel_id, recreate_token, ephemeral_token: token } = created;
  const honest = await rogue.honest(token);
  const knock = await rogue.knock(created, token, async (challenge) => {
    const proof = await honest(challenge);
    assert.equal((await rogue.post("/tunnels/delete", { tunnel_id, recreate_token })).status, 200);
    return proof;
  });
  const outcome = Promise.race([knock.ended, knock.ready.then(() => "ready")]);
  assert.equal(await within(10_000, "it is over", outcome, stack.lines), "tunnel_deleted");
  await eventually("no session is left", () => stack.plane.status().sessions.length === 0);
});
