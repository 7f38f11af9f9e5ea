import assert from "node:assert/strict";
import type { Channel } from "../../src/channel/mod.ts";
import type { ChannelPump } from "../../src/driver/mod.ts";
import { Nginx } from "../support/nginx.ts";
import { eventually, type Stack, startStack } from "../support/stack.ts";

function onlineSessions(stack: Stack) {
  return stack.plane.status().sessions.filter(({ online, state }) => online && state === "established");
}

async function published(carriers: number): Promise<{ stack: Stack; origin: Nginx }> {
  const origin = await Nginx.start({ files: { "index.html": "hello" } });
  const stack = await startStack({
    agent: { carriers: String(carriers) },
    services: [{ name: "web", target: `127.0.0.1:${origin.port}` }],
  });
  await eventually("all carriers are online", () => onlineSessions(stack).length === carriers);
  return { stack, origin };
}

Deno.test("an agent with three carriers has three sessions, fences none of them, and all of them serve", async () => {
  const { stack, origin } = await published(3);
  await using _origin = origin;
  await using _stack = stack;
  for (let i = 0; i < 9; i++) assert.equal(await (await stack.fetch("web")).text(), "hello");
  assert.deepEqual(onlineSessions(stack).map(({ requests }) => requests), [3, 3, 3]);
  assert.ok(!stack.lines.some(({ event }) => event === "session fenced"));
  assert.deepEqual(stack.agent.status().services.map(({ name, state }) => [name, state]), [[
    "web",
    "online",
  ]]);
});

Deno.test("an agent stays online while one of its carriers is cut, and makes that one anew", async () => {
  const { stack, origin } = await published(2);
  await using _origin = origin;
  await using _stack = stack;
  const [first, second] = stack.plane.sessions.all;
  (first.channel as Channel).fail(new Error("cut by the test"));
  (first.pump as ChannelPump).wake();
  assert.equal(await (await stack.fetch("web")).text(), "hello");
  await eventually("the carrier is back", () => onlineSessions(stack).length === 2);
  assert.ok(onlineSessions(stack).some(({ session_id }) => session_id === second.id), "the other one stayed");
});

Deno.test("reconnect() puts a new session in place of each carrier", async () => {
  const { stack, origin } = await published(3);
  await using _origin = origin;
  await using _stack = stack;
  const before = new Set(onlineSessions(stack).map(({ session_id }) => session_id));
  stack.agent.reconnect();
  await eventually("three new sessions", () => {
    const now = onlineSessions(stack);
    return now.length === 3 && now.every(({ session_id }) => !before.has(session_id));
  });
  assert.ok(!stack.lines.some(({ event }) => event === "session fenced"));
  assert.equal(await (await stack.fetch("web")).text(), "hello");
});

Deno.test("a new run of an agent fences all carriers of the run before", async () => {
  await using origin = await Nginx.start({ files: { "index.html": "hello" } });
  await using stack = await startStack({ agent: { carriers: "3" } });
  const service = [{ name: "web", target: `127.0.0.1:${origin.port}` }];
  const state = { state_directory: stack.folder.file("same") };
  await stack.addAgent(service, state);
  await eventually("the first run has its carriers", () => onlineSessions(stack).length === 3);
  const before = new Set(onlineSessions(stack).map(({ session_id }) => session_id));
  const second = stack.addAgent(service, { ...state, carriers: "1" });
  await eventually("the first run is fenced", () => {
    return stack.lines.filter(({ event }) => event === "session fenced").length >= 3;
  });
  await second;
  assert.ok(stack.plane.status().sessions.some(({ session_id }) => !before.has(session_id)));
});
