import assert from "node:assert/strict";
import { LoopbackServer } from "../support/loopback_server.ts";
import { Postgres } from "../support/postgres.ts";
import { eventually, type Stack, startStack } from "../support/stack.ts";
import { TempDir } from "../support/temp_dir.ts";

/** Between two questions: they are limited. */
const paceMs = 200;

interface Told {
  readonly edge_id: string;
  readonly agent_id: string;
  readonly session_id: string;
  readonly status: string;
}

/** An edge of the cluster, asked by the same operator. */
class AskedEdge {
  readonly stack: Stack;
  readonly #token: string;

  constructor(stack: Stack, token: string) {
    this.stack = stack;
    this.#token = token;
  }

  // deno-lint-ignore no-explicit-any
  async ask(path: string, body?: unknown): Promise<any> {
    const response = await fetch(`http://127.0.0.1:${this.stack.port}${path}`, {
      method: body === undefined ? "GET" : "POST",
      headers: { Authorization: `Bearer ${this.#token}`, "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    return await response.json();
  }

  /** The channel that is online, and is not this one. */
  async channel(before?: Told): Promise<Told> {
    let now: Told | undefined;
    await eventually("a channel is online", async () => {
      const { sessions } = await this.ask("/api/admin/sessions");
      now = sessions.find((one: Told) => one.status === "ONLINE" && one.session_id !== before?.session_id);
      if (now === undefined) await new Promise((resolve) => setTimeout(resolve, paceMs));
      return now !== undefined;
    });
    return now!;
  }

  hasSeen(edgeId: string): boolean {
    return this.stack.lines.some(({ event, fields }) =>
      event === "other edge seen" && fields?.edge_id === edgeId
    );
  }
}

Deno.test("operators at one edge see the channels of another edge of the database, and drain a service, an agent and an edge there", async () => {
  await using server = await Postgres.start();
  await using folder = await TempDir.make("admin-cluster");
  await using origin = new LoopbackServer(() => new Response("hello"));
  const database_url_file = await folder.write("database.url", `${server.url}\n`);
  await Deno.chmod(database_url_file, 0o600);
  await using east = await startStack({
    edge: { database_url_file, edge_id: "east", edge_host: "127.0.0.1" },
  });
  await using west = await startStack({
    edge: { database_url_file, edge_id: "west", edge_host: "127.0.0.1" },
  });
  const token = (await Deno.readTextFile(east.edge.tokenPath)).trim();
  const [atEast, atWest] = [new AskedEdge(east, token), new AskedEdge(west, token)];
  await eventually("both know of each other", () => atEast.hasSeen("west") && atWest.hasSeen("east"));
  const agent = await east.addAgent([{ name: "shop", target: `127.0.0.1:${origin.port}` }], {
    token_file: east.edge.tokenPath,
    token_renewal: "false",
    control: `http://127.0.0.1:${east.port},http://127.0.0.1:${west.port}`,
  });
  assert.equal(agent.status().edge, "east");

  const channel = await atWest.channel();
  assert.equal(channel.edge_id, "east");
  const { edges, silent_edges } = await atWest.ask("/api/admin/versions");
  assert.deepEqual(edges.map((edge: { edge_id: string }) => edge.edge_id).sort(), ["east", "west"]);
  assert.deepEqual(silent_edges, []);

  const told = (answer: { edges: { edge_id: string; channels: number }[] }) =>
    answer.edges.filter(({ channels }) => channels > 0);
  const drained = await atWest.ask("/api/admin/drain", { agent_id: channel.agent_id, deadline_seconds: 0 });
  assert.deepEqual(told(drained), [{ edge_id: "east", channels: 1 }]);
  const again = await atWest.channel(channel);
  assert.equal(again.edge_id, "east");
  const { services: [{ tunnel_id }] } = await atWest.ask("/api/admin/services");
  const service = await atWest.ask("/api/admin/drain", { tunnel_id, deadline_seconds: 0 });
  assert.deepEqual(told(service), [{ edge_id: "east", channels: 1 }]);
  await atWest.channel(again);

  const whole = await atWest.ask("/api/admin/drain", { edge_id: "east", deadline_seconds: 0 });
  assert.deepEqual(whole.edges, [{ edge_id: "east", channels: 1 }]);
  await eventually("the agent is at the other edge", () => agent.status().edge === "west");
  const { edges: [first, second] } = await atEast.ask("/api/admin/overview");
  assert.deepEqual([first.edge_id, first.drained, second.drained], ["east", true, false]);
  await atWest.ask("/api/admin/resume", { edge_id: "east" });
  const [line] = (await atEast.ask("/api/admin/audit?limit=1")).entries;
  assert.deepEqual([line.action, line.subject], ["admin.resume", "east"]);
  assert.equal((await atWest.ask("/api/admin/drain", { edge_id: "north" })).code, "edge_unknown");
});
