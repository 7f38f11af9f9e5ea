/** A private service, from its agent's registration to bytes that come back end to end, over real sockets. */
import assert from "node:assert/strict";
import {
  attachToRelay,
  carryConnection,
  endpointIdentity,
  PrivateConnector,
} from "../../agent/private/mod.ts";
import { toBase64Url, utf8, utf8Decode } from "../../src/bytes/mod.ts";
import { CHANNEL_LIMITS } from "../../src/channel/mod.ts";
import { generateX25519KeyPair } from "../../src/crypto/mod.ts";
import { Slabs, systemClock, systemRandom, WireBuffers } from "../../src/driver/mod.ts";
import { readGrant } from "../../src/grants/mod.ts";
import { openPostgresStore } from "../../src/store/mod.ts";
import { noLog } from "../../src/telemetry/mod.ts";
import { MAX_RECORD_BYTES } from "../../src/wire/mod.ts";
import { loadCore } from "../../wasm/mod.ts";
import { memoryStreamPair } from "../support/memory_stream.ts";
import { RawOrigin } from "../support/raw_origin.ts";
import { Postgres } from "../support/postgres.ts";
import { eventually, type Stack, startStack } from "../support/stack.ts";
import { TempDir } from "../support/temp_dir.ts";

async function ask(stack: Stack, path: string, body: unknown) {
  const token = (await Deno.readTextFile(stack.edge.tokenPath)).trim();
  const response = await fetch(`http://127.0.0.1:${stack.port}${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
    body: JSON.stringify(body),
  });
  return { status: response.status, json: await response.json() };
}

/** What the agent of a private service tells people to pin. */
function fingerprintOf({ lines }: Stack): string {
  const { fields } = lines.find(({ event }) => event === "agent started")!;
  return String(fields.fingerprint);
}

/** A client endpoint that asks this edge's control for its grants. */
function connectorTo(stack: Stack, service: string, pins: readonly string[]): PrivateConnector {
  const buffers = new WireBuffers(loadCore());
  const staticKeys = generateX25519KeyPair(systemRandom);
  const attach: Parameters<typeof attachToRelay>[1] = {
    clock: systemClock,
    random: systemRandom,
    maxMessageBytes: MAX_RECORD_BYTES,
    mask: (_memory, start, end, key) => buffers.core.mask(start, end - start, key),
  };
  return new PrivateConnector({
    service,
    grant: async () => {
      const client_static_key = toBase64Url(staticKeys.publicKey);
      const { json } = await ask(stack, "/v1/channel/init", { service, client_static_key });
      return readGrant(json.grant_client, { role: "client", nowMs: systemClock.wall() });
    },
    connect: (grant, signal) => attachToRelay(grant, attach, signal),
    staticKeys,
    identity: () => Promise.resolve(endpointIdentity({ clock: systemClock })),
    pins,
    suites: ["hybrid"],
    limits: CHANNEL_LIMITS,
    buffers,
    clock: systemClock,
    random: systemRandom,
    version: "1.2.3",
    retry: { initialMs: 50, maxMs: 200, maxElapsedMs: 10_000 },
    log: noLog,
  });
}

/** One connection through the channel: what comes back. */
async function talk(connector: PrivateConnector, line: string): Promise<string> {
  const [here, there] = memoryStreamPair();
  const { signal } = new AbortController();
  const carried = carryConnection(there, { connector, slabs: new Slabs(), requestId: "r1", signal });
  const said = utf8(line);
  for (let at = 0; at < said.length;) at += await here.write(said.subarray(at));
  const buffer = new Uint8Array(64);
  let text = "";
  for (let read = await here.read(buffer); read !== null; read = await here.read(buffer)) {
    text += utf8Decode(buffer.slice(0, read));
  }
  here.close();
  await carried;
  return text;
}

const echo = () =>
  RawOrigin.start(async (socket) => {
    await socket.send(`you said ${await socket.through("\n")}`);
  });

for (const workers of ["1", "2"]) {
  Deno.test(`a private service is reached end to end through an edge of ${workers} workers, and has no public entry`, async () => {
    await using origin = echo();
    await using stack = await startStack({ edge: { workers } });
    const services = [{ name: "db", private: "true", protocol: "tcp", target: origin.target }];
    const agent = await stack.addAgent(services, { token_file: stack.edge.tokenPath });
    const [service] = agent.status().services;
    assert.deepEqual([service.name, service.state, service.url], ["db", "online", undefined]);
    assert.equal((await (await stack.fetch("db")).text()).includes("you said"), false);
    assert.equal((await ask(stack, "/v1/channel/init", { service: "nothing" })).status, 404);

    const connector = connectorTo(stack, "db", [fingerprintOf(stack)]);
    const peer = await connector.online;
    assert.deepEqual([peer.assurance, peer.agentId], ["pinned", agent.agentId]);
    assert.equal(await talk(connector, "hello\n"), "you said hello\n");
    await connector.stop(0);
    const lines = JSON.stringify(stack.lines);
    const granted = stack.lines.find(({ event }) => event === "private channel granted")!;
    assert.equal(granted.fields.owner, "operator");
    for (const secret of ["e2ee_psk", "eyJ"]) {
      assert.ok(!lines.includes(secret), "no key and no token is logged");
    }
    await agent.stop();
    assert.equal(
      (await ask(stack, "/v1/channel/init", { service: "db" })).json.code,
      "private_service_offline",
    );
  });
}

Deno.test("a service that was public is private from the next start of its agent on", async () => {
  await using origin = echo();
  await using stack = await startStack();
  const settings = { state_directory: stack.folder.file("agent"), token_file: stack.edge.tokenPath };
  for (const isPrivate of ["false", "true", "false"]) {
    const service = { name: "db", private: isPrivate, protocol: "http", target: origin.target };
    const agent = await stack.addAgent([service], settings);
    assert.equal(agent.status().services[0].url === undefined, isPrivate === "true");
    await agent.stop();
  }
});

Deno.test("an agent of another edge of the database takes the grant, which the database never sees", async () => {
  await using server = await Postgres.start();
  await using folder = await TempDir.make("private-cluster");
  await using origin = echo();
  const database_url_file = await folder.write("database.url", `${server.url}\n`);
  await Deno.chmod(database_url_file, 0o600);
  const edgeOf = (edge_id: string) =>
    startStack({ edge: { database_url_file, edge_id, edge_host: "127.0.0.1" } });
  await using east = await edgeOf("east");
  await using west = await edgeOf("west");
  const heard: string[] = [];
  const listener = await openPostgresStore(server.url);
  try {
    const stop = await listener.listen((said) => heard.push(JSON.stringify(said)), () => {});
    const services = [{ name: "db", private: "true", protocol: "tcp", target: origin.target }];
    const agent = await east.addAgent(services, {
      token_file: east.edge.tokenPath,
      token_renewal: "false",
      control: `http://127.0.0.1:${east.port}`,
    });
    await eventually("west knows of the agent", async () => {
      const { json } = await ask(west, "/v1/channel/init", { service: "db" });
      if (json.grant_client === undefined) await new Promise((resolve) => setTimeout(resolve, 200));
      return json.grant_client !== undefined;
    });
    const connector = connectorTo(west, "db", [fingerprintOf(east)]);
    assert.equal((await connector.online).agentId, agent.agentId);
    assert.equal(await talk(connector, "from the west\n"), "you said from the west\n");
    await connector.stop(0);
    await eventually("the offer was announced", () => heard.some((text) => text.includes("private_offer")));
    for (const text of heard) assert.ok(!/e2ee_psk|channel_id|eyJ/.test(text), "no grant in clear");
    await stop();
  } finally {
    await listener.close();
  }
});
