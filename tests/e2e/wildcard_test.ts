import assert from "node:assert/strict";
import { curl } from "../support/curl.ts";
import { Nginx } from "../support/nginx.ts";
import { RogueAgent } from "../support/rogue_agent.ts";
import { eventually, startStack } from "../support/stack.ts";

Deno.test("an exact name goes before a wildcard, and a wildcard stands for one label", async () => {
  const answers = (text: string) => `server { listen 127.0.0.1:{port}; return 200 "${text} $host\\n"; }`;
  await using wild = await Nginx.start({ http: answers("wild") });
  await using exact = await Nginx.start({ http: answers("exact") });
  await using stack = await startStack();
  const token = { token_file: stack.edge.tokenPath };
  await stack.addAgent([
    { name: "*.shop", target: `127.0.0.1:${wild.port}`, host_header: "original" },
    { name: "shop", target: `127.0.0.1:${exact.port}`, host_header: "original" },
  ], token);
  assert.deepEqual(
    stack.agent.status().services.map(({ name, url }) => [name, url]),
    [["*.shop", stack.url("*.shop", "")], ["shop", stack.url("shop", "")]],
  );
  const text = async (name: string) => (await curl(stack.url(name))).text;
  assert.equal(await text("a.shop"), "wild a.shop.localhost\n");
  assert.equal(await text("b.shop"), "wild b.shop.localhost\n");
  assert.equal(await text("shop"), "exact shop.localhost\n");
  assert.match(await text("a.b.shop"), /unknown_host/);
  assert.match(await text("a.other"), /unknown_host/);
  const metrics = await stack.metrics();
  assert.match(metrics, /service="\*\.shop\.localhost"/);
  assert.doesNotMatch(metrics, /service="[ab]\./, "viewers make up hosts below a wildcard, not series");
  // Its stored name is the whole one: after a restart the agent has its tunnels back.
  await stack.agent.stop();
  await stack.addAgent([
    { name: "*.shop", target: `127.0.0.1:${exact.port}`, host_header: "original" },
  ], token);
  assert.equal(await text("c.shop"), "exact c.shop.localhost\n");
});

Deno.test("viewers of a wildcard wait for its agent after the edge's start, whatever label they ask for", async () => {
  await using wild = await Nginx.start({
    http: 'server { listen 127.0.0.1:{port}; return 200 "wild $host\\n"; }',
  });
  await using stack = await startStack({ edge: { grace: "20s" } });
  await using rogue = new RogueAgent(stack);
  const management = (await Deno.readTextFile(stack.edge.tokenPath)).trim();
  await rogue.create({ requested_name: "*.shop", management_token: management });
  const waiting = ["a.shop", "b.shop", "c.shop"].map((name) => curl(stack.url(name)));
  await eventually("they wait", () => stack.plane.status().viewer_connections >= waiting.length);
  await stack.addAgent([{ name: "*.shop", target: `127.0.0.1:${wild.port}`, host_header: "original" }], {
    token_file: stack.edge.tokenPath,
  });
  assert.deepEqual(
    (await Promise.all(waiting)).map(({ text }) => text),
    ["wild a.shop.localhost\n", "wild b.shop.localhost\n", "wild c.shop.localhost\n"],
  );
});
