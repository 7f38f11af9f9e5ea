import assert from "node:assert/strict";
import { Postgres } from "../support/postgres.ts";
import { freePort } from "../support/ports.ts";
import { eventually, startStack } from "../support/stack.ts";
import { StackProcesses } from "../support/stack_processes.ts";
import { TempDir } from "../support/temp_dir.ts";

Deno.test("an agent with the addresses of two controls goes on at the other one when the one that it used is killed", async () => {
  await using server = await Postgres.start();
  await using folder = await TempDir.make("cluster");
  await using origin = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response("hello"),
  );
  const database_url_file = await Postgres.urlFile(folder, server.url);
  await using other = await startStack({ edge: { database_url_file } });
  const port = freePort();
  const controls = [port, other.port].map((each) => `http://127.0.0.1:${each}`);
  await using one = await StackProcesses.start({
    port,
    edge: { database_url_file },
    agent: { control: controls.join(",") },
    services: [{ name: "shop", target: `127.0.0.1:${origin.addr.port}` }],
  });
  assert.equal(await (await one.fetch("shop")).text(), "hello");
  assert.equal((await one.agentStatus())?.control, controls[0]);

  await one.edge.stop("SIGKILL");
  await eventually("the service is back at the other edge", async () => {
    const response = await other.fetch("shop");
    return await response.text() === "hello";
  });
  const status = await one.agentStatus();
  assert.deepEqual([status?.control, status?.edge], [controls[1], other.edge.edgeId]);
  assert.match(await server.psql("SELECT name FROM postern.tunnels"), /^shop$/, "it is the same tunnel");
});

Deno.test("control at each of two edges names both, and knows what is online at the other; who loses its edge goes on there", async () => {
  await using server = await Postgres.start();
  await using folder = await TempDir.make("cluster");
  await using origin = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response("hello"),
  );
  const database_url_file = await Postgres.urlFile(folder, server.url);
  // Where agents reach it, other than by public_host.
  await using other = await startStack({ edge: { database_url_file, edge_host: "127.0.0.1" } });
  const operator = (await Deno.readTextFile(other.edge.tokenPath)).trim();
  const ask = async (port: number, path: string, body?: unknown) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${operator}` },
    });
    assert.equal(response.status, 200);
    return await response.json();
  };
  const token_file = other.edge.tokenPath;
  await using one = await StackProcesses.start({
    edge: { database_url_file, edge_id: "edge-one" },
    agent: { token_file },
    services: [{ name: "shop", target: `127.0.0.1:${origin.addr.port}` }],
  });
  const candidates = async (port: number): Promise<string[]> =>
    (await ask(port, "/tunnels/create", { requested_name: "shop" })).candidates.map((
      { edge_id }: { edge_id: string },
    ) => edge_id);
  const { edgeId } = other.edge;
  const { candidates: [own] } = await ask(other.port, "/tunnels/create", { requested_name: "shop" });
  assert.equal(own.edge_url, `ws://127.0.0.1:${other.port}`);
  // Routes are limited in how often they are asked: what is waited for is looked up in the log first.
  const isLogged = (event: string) => other.lines.some((line) => line.event === event);
  await eventually("the first edge is seen", () => isLogged("other edge seen"));
  assert.deepEqual(await candidates(other.port), [edgeId, "edge-one"]);
  assert.deepEqual(await candidates(one.port), ["edge-one", edgeId]);
  const statusAt = async (port: number) => (await ask(port, "/tunnels/list")).tunnels[0].status;
  await eventually("online is known", async () => {
    await new Promise((resolve) => setTimeout(resolve, 300));
    return await statusAt(other.port) === "online";
  });

  const elsewhere = await other.addAgent([{ name: "news", target: `127.0.0.1:${origin.addr.port}` }], {
    token_file,
    control: `http://127.0.0.1:${one.port},http://127.0.0.1:${other.port}`,
  });
  assert.equal(elsewhere.status().edge, "edge-one");
  await one.edge.stop("SIGKILL");
  await eventually("the agent is at the other edge", () => elsewhere.status().edge === edgeId);
  // After half a minute without a word, which is a test of EdgeDirectory's; here somebody takes it out of the database.
  await server.psql("DELETE FROM postern.edges WHERE edge_id = 'edge-one'");
  await eventually("the killed edge is gone", () => isLogged("other edge is gone"), 45_000);
  assert.deepEqual(await candidates(other.port), [edgeId]);
});
