import assert from "node:assert/strict";
import { readIdentityFile } from "../../agent/identity/identity_file.ts";
import { identityFileIn, plainFiles } from "../../agent/identity/mod.ts";
import { startConnector } from "../../agent/node/mod.ts";
import { agentDefaults } from "../../src/config/mod.ts";
import { codeOf } from "../../src/errors/mod.ts";
import { readNodeCertificate } from "../../src/pki/mod.ts";
import { AttestedStack } from "../support/attested_stack.ts";
import { LoopbackServer } from "../support/loopback_server.ts";
import { Postgres } from "../support/postgres.ts";
import { eventually, type Stack, startStack } from "../support/stack.ts";
import { Swtpm } from "../support/swtpm.ts";
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

Deno.test("what is revoked at one edge of the database by agent, EK, token, certificate or key is cut at the other one, and stays out after a restart", async () => {
  await using server = await Postgres.start();
  await using folder = await TempDir.make("admin-cluster");
  await using origin = new LoopbackServer(() => new Response("hello"));
  await using tpm = await Swtpm.start();
  const database_url_file = await folder.write("database.url", `${server.url}\n`);
  await Deno.chmod(database_url_file, 0o600);
  const shared = { database_url_file, edge_host: "127.0.0.1" };
  await using east = await AttestedStack.start(tpm, {
    edge: { ...shared, edge_id: "east", "nodes.listen": "127.0.0.1:0" },
  });
  // Without a key of the cluster's authorities: it revokes all the same.
  await using west = await startStack({ edge: { ...shared, edge_id: "west" } });
  const token_file = east.stack.edge.tokenPath;
  const asked = new AskedEdge(west, (await Deno.readTextFile(token_file)).trim());
  const serve = [{ name: "vault", target: `127.0.0.1:${origin.port}` }];
  const revoke = async (path: string, body: unknown) => {
    const told = await asked.ask(path, body);
    assert.ok(told.code === undefined, JSON.stringify(told));
    return told;
  };

  const agentId = await east.enroll(tpm);
  let agent = await east.serve(tpm, serve);
  await revoke("/v1/machines/revoke", { agent_id: agentId, reason: "stolen" });
  assert.equal(codeOf(await agent.done), "machine_revoked");
  const { ek_sha256 } = await asked.ask(`/v1/machines/${agentId}`);
  await revoke("/v1/machines/restore", { agent_id: agentId });
  agent = await east.serve(tpm, serve);
  await revoke("/v1/machines/revoke", { ek_sha256, reason: "stolen" });
  assert.equal(codeOf(await agent.done), "machine_revoked");

  const owned = await asked.ask("/auth/token/issue", { owner: "alice" });
  const owners = await folder.write("alice.token", owned.management_token);
  await Deno.chmod(owners, 0o600);
  const ofAlice = { token_file: owners, token_renewal: "false" };
  const shop = [{ name: "shop", target: `127.0.0.1:${origin.port}` }];
  await east.stack.addAgent(shop, ofAlice);
  await revoke("/auth/token/revoke", { owner: "alice" });
  // It waits for another token in its file.
  const isToldRevoked = ({ lines }: Stack) => lines.some(({ fields }) => fields.code === "token_revoked");
  await eventually("the owner's channel is cut", () => isToldRevoked(east.stack));

  for (const kind of ["certificate", "key"]) {
    const issued = await asked.ask("/api/admin/tokens", { role: "connector", id: `by-${kind}` });
    const file = await folder.write(`${kind}.token`, issued.token);
    await Deno.chmod(file, 0o600);
    const lines: string[] = [];
    const connector = await startConnector(
      agentDefaults({
        control: `http://127.0.0.1:${east.stack.port}`,
        admin_listen: "off",
        state_directory: folder.file(`node-${kind}`),
        "node.control": `127.0.0.1:${east.stack.edge.nodesPort}`,
        "node.listen": "127.0.0.1:0",
        "node.private_ip": "127.0.0.1",
        "node.enrollment_token_file": file,
      }),
      { log: (_level, event, fields) => lines.push(`${event} ${JSON.stringify(fields)}`) },
    );
    try {
      const row = async () =>
        (await asked.ask("/api/admin/connectors")).connectors.find(({ id }: { id: string }) =>
          id === `by-${kind}`
        );
      await eventually("the connector is online", async () => {
        await new Promise((resolve) => setTimeout(resolve, paceMs));
        return (await row())?.status === "ONLINE";
      });
      const { chain } = (await readIdentityFile(
        identityFileIn(folder.file(`node-${kind}`)),
        plainFiles,
      ))!.identity!;
      const { serial, keySha256 } = readNodeCertificate(chain[0]);
      const value = kind === "key" ? keySha256 : serial;
      const reason = "stolen";
      await revoke("/v1/revocations", {
        kind: kind === "key" ? "key" : "serial",
        value,
        severity: "cut",
        reason,
      });
      await eventually(
        "the connector is told",
        () => lines.some((line) => /certificate_revoked|identity_revoked/.test(line)),
      );
    } finally {
      await connector.stop();
    }
  }

  const kinds = (await asked.ask("/api/admin/revocations")).revocations.map((
    { kind }: { kind: string },
  ) => kind);
  assert.deepEqual(kinds, ["certificate", "ek", "key", "owner"]);

  await east.stack.edge.stop();
  await using again = await startStack({
    edge: { ...shared, edge_id: "east", "attestation.roots_directory": tpm.rootsDirectory },
  });
  const machine = await again.startAgent(serve, {
    token_file: again.edge.tokenPath,
    tpm: tpm.address,
    token_renewal: "false",
  });
  assert.equal(codeOf(await machine.done), "machine_revoked");
  await again.startAgent(shop, ofAlice);
  await eventually("the owner's token is refused", () => isToldRevoked(again));
});
