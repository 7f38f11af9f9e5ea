import assert from "node:assert/strict";
import { CARRIER_PROTOCOL, DEFAULT_CARRIER_PATH } from "../../src/wire/websocket/mod.ts";
import { SMALL_BUFFER_BYTES } from "../../src/driver/mod.ts";
import type { RawClient } from "../support/raw_client.ts";
import { eventually, metricOf, type Stack, startStack } from "../support/stack.ts";
import { RogueAgent } from "../support/rogue_agent.ts";

/** What the edge may do with an agent that never proves itself: short, so that nothing here waits long. */
const steps = { "channel.handshake_step": "500ms" };

/** The upgrade of a carrier, with lines of the request replaced or left out. */
async function ask(
  stack: Stack,
  lines: Record<string, string | undefined> = {},
  path = DEFAULT_CARRIER_PATH,
) {
  const fields: Record<string, string | undefined> = {
    "Host": `127.0.0.1:${stack.port}`,
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16)))),
    "Sec-WebSocket-Protocol": CARRIER_PROTOCOL,
    ...lines,
  };
  const text = Object.entries(fields).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}: ${value}`]
  );
  const socket = await stack.connect();
  await socket.send([`GET ${path} HTTP/1.1`, ...text, "", ""].join("\r\n"));
  const head = await socket.response();
  return { socket, ...head };
}

async function upgraded(stack: Stack): Promise<RawClient> {
  const { socket, status } = await ask(stack);
  assert.equal(status, 101);
  return socket;
}

/** A masked binary frame that holds the message; `declared` is the length that it claims. */
function frame(message: Uint8Array, declared = message.length, first = 0x82): Uint8Array {
  const head = declared < 126
    ? [first, 0x80 | declared]
    : declared < 65_536
    ? [first, 0x80 | 126, declared >> 8, declared & 0xff]
    : [first, 0x80 | 127, ...new Uint8Array(new BigUint64Array([BigInt(declared)]).buffer).reverse()];
  return Uint8Array.from([...head, 0, 0, 0, 0, ...message]); // masked with zeros
}

const handshake = (body: Uint8Array) => Uint8Array.from([1, 0, 0, 0, ...body]);
const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes));

Deno.test("an upgrade that is not one of an agent is refused with its code", async () => {
  await using stack = await startStack();
  for (
    const [lines, status, code] of [
      [{ "Sec-WebSocket-Protocol": undefined }, 400, "websocket_protocol_missing"],
      [{ "Sec-WebSocket-Version": "8" }, 426, "websocket_version_unsupported"],
      [{ "Sec-WebSocket-Key": "short" }, 400, "websocket_upgrade_invalid"],
    ] as const
  ) {
    const { socket, ...answer } = await ask(stack, lines);
    using _socket = socket;
    assert.deepEqual([answer.status, JSON.parse(answer.body).code], [status, code]);
  }
});

for (
  const [name, bytes, code] of [
    ["a record of an unknown kind", frame(Uint8Array.from([9, 0, 0, 0, 1, 2, 3])), "record_unknown_kind"],
    ["a record that is no header", frame(Uint8Array.from([1])), "record_truncated"],
    [
      "a transport record before the handshake",
      frame(Uint8Array.from([2, 0, 0, 0, ...random(64)])),
      "record_unexpected",
    ],
    [
      "a suite that does not exist",
      frame(handshake(random(1_400).fill(0xee, 0, 1))),
      "handshake_suite_refused",
    ],
    ["a frame without mask", Uint8Array.from([0x82, 4, 1, 0, 0, 0]), "websocket_mask_missing"],
    ["a text frame", frame(new TextEncoder().encode("hello"), 5, 0x81), "websocket_text_refused"],
    ["reserved bits", frame(new Uint8Array(4), 4, 0xf2), "websocket_reserved_bits"],
    ["a record that no handshake needs", frame(random(20_000), 60_000), "record_too_large"],
    ["a frame that announces a gibibyte", frame(new Uint8Array(8), 2 ** 30), "websocket_message_too_large"],
  ] as const
) {
  Deno.test(`${name} ends the carrier at once with ${code}`, async () => {
    // No step of the handshake ends within the test: it is the bytes that end it.
    await using stack = await startStack({ edge: { "channel.handshake_step": "60s" } });
    using socket = await upgraded(stack);
    await socket.send(bytes);
    await socket.rest();
    await eventually("it is counted", async () => {
      return metricOf(await stack.metrics(), `postern_refusals_total{code="${code}",layer="channel"}`) === 1;
    });
    assert.equal(metricOf(await stack.metrics(), 'postern_channel_state{state="handshaking"}'), 0);
  });
}

Deno.test("random bytes on a carrier end it, whatever they are, and the edge goes on", async () => {
  await using stack = await startStack({ edge: steps });
  for (let round = 0; round < 40; round++) {
    using socket = await upgraded(stack);
    const noise = random(2_000);
    await socket.send(round % 2 === 0 ? noise : frame(handshake(noise.subarray(0, 1 + round * 40)))).catch(
      () => {},
    );
    await socket.rest();
  }
  await eventually("nothing is left", () => stack.plane.status().viewer_connections <= 1);
  assert.equal(stack.plane.status().sessions.length, 0);
  assert.ok(stack.lines.every(({ fields }) => fields.code !== "internal_error"));
  await using rogue = new RogueAgent(stack);
  const created = await rogue.create();
  const good = await rogue.knock(
    created,
    created.ephemeral_token,
    await rogue.honest(created.ephemeral_token),
  );
  await good.ready;
});

Deno.test("carriers without proof hold little memory, whatever they begin to say or are refused for", async () => {
  await using stack = await startStack({ edge: { "channel.handshake_step": "60s" } });
  const carriers: RawClient[] = [];
  try {
    for (let count = 0; count < 30; count++) {
      const socket = await upgraded(stack);
      carriers.push(socket);
      if (count % 3 === 1) await socket.send(frame(Uint8Array.from([9, 0, 0, 0])));
      await socket.send(count % 3 === 2 ? frame(random(9_000), 60_000) : Uint8Array.of(0x82, 0xfe));
    }
    await eventually("everything is read", async () => {
      const { sessions } = stack.plane.status();
      const text = await stack.metrics();
      const refused = metricOf(text, 'postern_refusals_total{code="record_unknown_kind",layer="channel"}');
      return sessions.length === 0 && refused === 10;
    });
    const queued = metricOf(await stack.metrics(), "postern_queued_bytes");
    assert.ok(queued > 0 && queued <= carriers.length * 2 * SMALL_BUFFER_BYTES, `${queued}`);
  } finally {
    for (const socket of carriers) socket[Symbol.dispose]();
  }
});

Deno.test("only so many carriers may be without proof; they end with their step, and then there is room", async () => {
  await using stack = await startStack({ edge: { ...steps, "limits.max_unauthenticated_channels": "3" } });
  const held = [await upgraded(stack), await upgraded(stack), await upgraded(stack)];
  try {
    const { socket, status, body } = await ask(stack);
    socket[Symbol.dispose]();
    assert.deepEqual([status, JSON.parse(body).code], [503, "agent_limit"]);
    for (const socket of held) {
      await socket.rest();
      socket[Symbol.dispose]();
    }
    await eventually("their time is over", async () => {
      const metrics = await stack.metrics();
      return metricOf(metrics, 'postern_refusals_total{code="handshake_timeout",layer="channel"}') === 3;
    });
    await eventually("their places are free", () => stack.plane.status().viewer_connections <= 1);
    using _again = await upgraded(stack);
  } finally {
    for (const socket of held) socket[Symbol.dispose]();
  }
});

Deno.test("one address without proof leaves room for the agents of others, unless it is a trusted proxy's", async () => {
  for (const [proxies, most] of [["", 64], ["127.0.0.0/8", 70]] as const) {
    await using stack = await startStack({
      edge: {
        "channel.handshake_step": "60s",
        "limits.max_unauthenticated_channels": "70",
        "trusted_proxies": proxies,
      },
    });
    const held: RawClient[] = [];
    try {
      while (held.length < most) held.push(await upgraded(stack));
      const { socket, status, body } = await ask(stack);
      socket[Symbol.dispose]();
      assert.deepEqual([status, JSON.parse(body).code], [503, "agent_limit"]);
    } finally {
      for (const socket of held) socket[Symbol.dispose]();
    }
  }
});

Deno.test("new sessions of one agent that replace each other too fast are refused with replace_rate_limited", async () => {
  await using stack = await startStack({ edge: { "replacement.max_count": "2" } });
  await using rogue = new RogueAgent(stack);
  let created = await rogue.create();
  const identity = await rogue.identity();
  const endings: (Promise<string | undefined>)[] = [];
  for (let round = 0; round < 4; round++) {
    const token = created.ephemeral_token;
    const knock = await rogue.knock(created, token, rogue.honestAs(identity, token));
    endings.push(knock.ended);
    if (round < 3) {
      await knock.ready;
      created = await rogue.create({ recreate_token: created.recreate_token });
    }
  }
  assert.equal(await endings[3], "replace_rate_limited");
  assert.deepEqual(await Promise.all(endings.slice(0, 2)), ["session_fenced", "session_fenced"]);
  assert.equal(stack.plane.status().sessions.length, 1);
});
