/**
 * What must hold between nodes, clause by clause, against running nodes with openssl as the hostile peer. Two clauses of the same
 * list are elsewhere, since channels between nodes carry one class and no tenant looks at them: a class that is not allowed is
 * refused (tests/edge/agent_gate_test.ts, tests/mux/mux_test.ts), and views of tenants hide the topology
 * (tests/control/admin/views_test.ts); what a tenant's token is told here is tried below as well.
 */
import assert from "node:assert/strict";
import { createMetrics } from "../../src/telemetry/mod.ts";
import { freePort } from "../support/ports.ts";
import { JumpingClock } from "../support/jumping_clock.ts";
import { MadeCluster } from "../support/made_cluster.ts";
import { framesOf, hello, RunningNodes, sClient, sServer } from "../support/running_nodes.ts";
import { codeOf } from "../../src/errors/mod.ts";
import { eventually } from "../support/stack.ts";

type Started = Awaited<ReturnType<RunningNodes["node"]>>;

let nodes: RunningNodes;
let connector: Started;
let tunneler: Started;
const connectorMetrics = createMetrics();

Deno.test.beforeAll(async () => {
  nodes = await RunningNodes.start({ "identity.publish": "1s" });
  connector = await nodes.node("connector", "c1", {}, { metrics: connectorMetrics });
  tunneler = await nodes.node("tunneler", "t1", { "node.connector": `127.0.0.1:${connector.node.port}` });
  await nodes.online(connector.node);
  await nodes.online(tunneler.node);
});
Deno.test.afterAll(() => nodes[Symbol.asyncDispose]());

/** What the connector logs about who comes with these files, after `hello`. */
async function refusedAtConnector(files: readonly string[], code: string): Promise<void> {
  const from = connector.logged.lines.length;
  await using client = sClient(connector.node.port!, files, framesOf(hello));
  await connector.logged.waitFor(new RegExp(`^node refused .*"${code}"`), from);
  const { stdout } = await client.finished();
  assert.equal(stdout, "", "a node that is refused is told nothing");
}

async function counted(series: RegExp): Promise<number> {
  return Number(series.exec(await connectorMetrics.registry.metrics())?.[1] ?? 0);
}

Deno.test("valid node-to-node mutual TLS succeeds: by our own node, and by openssl with an enrolled node's key", async () => {
  const { connectors } = await nodes.api("GET", "/api/admin/connectors");
  assert.deepEqual(connectors.map(({ id, status }: Record<string, string>) => [id, status]), [[
    "c1",
    "ONLINE",
  ]]);
  const { files } = await nodes.enrolled("tunneler", "guest");
  await using client = sClient(connector.node.port!, files, framesOf(hello));
  const [welcome] = await client.waitFor(/\{"type":"welcome".*?\}/);
  assert.equal(JSON.parse(welcome).protocol, 1);
  await connector.logged.waitFor(/^node channel established .*tunneler\/guest/);
});

Deno.test("a certificate of another cluster is rejected: peer_wrong_cluster, peer_chain_untrusted", async () => {
  const elsewhere = await MadeCluster.make("elsewhere.test", Date.now());
  const impostor = await MadeCluster.make("localhost", Date.now());
  for (
    const [cluster, code] of [[elsewhere, "peer_wrong_cluster"], [impostor, "peer_chain_untrusted"]] as const
  ) {
    const { chain, keys } = await cluster.node("tunneler", "t1");
    const { files } = await nodes.filesOf(chain, keys);
    await refusedAtConnector(files, code);
    const from = nodes.logged.lines.length;
    await using client = sClient(nodes.port, files, framesOf(hello));
    await nodes.logged.waitFor(new RegExp(`^node refused .*"${code}"`), from);
    await client.finished();
  }
  await refusedAtConnector([], "peer_certificate_missing");
});

Deno.test("a node with another id, or another role, is rejected: peer_wrong_node, peer_wrong_role", async () => {
  // openssl has the key of an enrolled connector, and stands where another one is expected.
  const { files } = await nodes.enrolled("connector", "c2");
  const port = freePort();
  await using _server = await sServer(port, files);
  const misled = await nodes.node("tunneler", "t3", {
    "node.connector": `127.0.0.1:${port}`,
    "node.connector_id": "c1",
  });
  await misled.logged.waitFor(/^node channel lost .*"peer_wrong_node"/);
  await misled.node.stop();
  await refusedAtConnector(files, "peer_wrong_role");
});

Deno.test("an expired certificate is rejected, at and beyond the tolerance of clocks: peer_certificate_expired", async () => {
  const nowMs = Date.now();
  const past = { notBeforeMs: nowMs - 120_000, notAfterMs: nowMs - 32_000 };
  await refusedAtConnector((await nodes.forged("tunneler", "late", past)).files, "peer_certificate_expired");
  // The library tolerates nothing.
  const just = { notBeforeMs: nowMs - 120_000, notAfterMs: nowMs - 10_000 };
  await refusedAtConnector(
    (await nodes.forged("tunneler", "late", just)).files,
    "peer_certificate_unverified",
  );
  const early = { notBeforeMs: nowMs + 60_000, notAfterMs: nowMs + 120_000 };
  await refusedAtConnector(
    (await nodes.forged("tunneler", "early", early)).files,
    "peer_certificate_not_yet_valid",
  );
});

Deno.test("a revoked certificate closes its active channel, and opens none: peer_certificate_revoked", async () => {
  const { files, serial } = await nodes.enrolled("tunneler", "stolen");
  await using client = sClient(connector.node.port!, files, framesOf(hello));
  await client.waitFor(/"welcome"/);
  const from = connector.logged.lines.length;
  const revoked = { kind: "serial", value: serial, severity: "cut", reason: "stolen" };
  await nodes.api("POST", "/v1/revocations", revoked);
  await connector.logged.waitFor(/^node channel ended .*tunneler\/stolen.*"peer_certificate_revoked"/, from);
  assert.match((await client.finished()).stdout, /"close","code":"peer_certificate_revoked"/);
  await refusedAtConnector(files, "peer_certificate_revoked");
  assert.ok(tunneler.node.isOnline(), "nobody else is cut");
});

Deno.test("a channel carries nothing before it is authorized: node_message_unexpected", async () => {
  const { files } = await nodes.enrolled("connector", "hasty");
  const heartbeat = { type: "heartbeat", seq: 1, version: "1.0.0", bundle_version: 1, tunnelers: [] };
  const report = { ...heartbeat, tunnelers: [{ id: "t1", version: "6.6.6" }] };
  for (const early of [[report], [{ type: "renew", csr: "AA" }], [{ type: "echo", nonce: "n" }]]) {
    const from = nodes.logged.lines.length;
    await using client = sClient(nodes.port, files, framesOf(...early, hello));
    await nodes.logged.waitFor(/^node channel ended .*connector\/hasty.*"node_message_unexpected"/, from);
    assert.doesNotMatch((await client.finished()).stdout, /welcome|renewed/);
  }
  const { connectors } = await nodes.api("GET", "/api/admin/connectors");
  assert.ok(!connectors.some(({ id }: { id: string }) => id === "hasty"), "it was never heard");
  // Whoever talks without answering an echo is not online either.
  await using talker = sClient(nodes.port, files, framesOf(hello, report));
  await talker.waitFor(/"echo"/);
  const after = await nodes.api("GET", "/api/admin/connectors");
  assert.ok(!after.connectors.some(({ id }: { id: string }) => id === "hasty"));
});

Deno.test("a node that is silent is a failure: node_heartbeat_timeout, node_hello_timeout", async () => {
  const { files } = await nodes.enrolled("tunneler", "silent");
  await using client = sClient(connector.node.port!, files, framesOf(hello));
  await client.waitFor(/"welcome"/);
  const { files: mute } = await nodes.enrolled("tunneler", "mute");
  const from = connector.logged.lines.length;
  const handshakes = () => counted(/node_handshakes_total\{result="ok"\} (\d+)/);
  const before = await handshakes();
  await using other = sClient(connector.node.port!, mute);
  await eventually("its handshake is over", async () => await handshakes() > before, 60_000);
  connector.clock.jump(31_000);
  await connector.logged.waitFor(/^node channel ended .*tunneler\/silent.*"node_heartbeat_timeout"/, from);
  await connector.logged.waitFor(/^node channel ended .*tunneler\/mute.*"node_hello_timeout"/, from);
  assert.match((await client.finished()).stdout, /"code":"node_heartbeat_timeout"/);
  await other.finished();
  await nodes.online(connector.node);
  await nodes.online(tunneler.node);
});

Deno.test("trust rotation judges channels again and drops none; the new authority counts, and the old one beside it", async () => {
  const old = await nodes.enrolled("tunneler", "before");
  await using client = sClient(connector.node.port!, old.files, framesOf(hello));
  await client.waitFor(/"welcome"/);
  const [fromControl, fromConnector, fromTunneler] = [nodes, connector, tunneler].map((one) =>
    one.logged.lines.length
  );
  const { bundle_version: before } = await nodes.api("GET", "/api/admin/ca");
  await nodes.api("POST", "/api/admin/ca/rotate", { what: "issuing" });
  await eventually("the new one issues", async () => {
    nodes.clock.jump(500);
    const { rotation } = await nodes.api("POST", "/api/admin/ca/rotate", {});
    return rotation?.stage === "activated";
  });
  const { bundle_version: after } = await nodes.api("GET", "/api/admin/ca");
  assert.ok(after > before);
  await client.waitFor(/"type":"trust"/);
  const next = await nodes.enrolled("tunneler", "after");
  for (const { files } of [old, next]) {
    const from = connector.logged.lines.length;
    await using one = sClient(connector.node.port!, files, framesOf(hello));
    await one.waitFor(/"welcome"/);
    assert.ok(!connector.logged.lines.slice(from).some((line) => line.startsWith("node refused")));
  }
  for (
    const [{ lines }, from] of [
      [nodes.logged, fromControl],
      [tunneler.logged, fromTunneler],
    ] as const
  ) {
    const lost = lines.slice(from).filter((line) => /^node channel (ended|lost)/.test(line));
    assert.deepEqual(lost, []);
  }
  const ended = connector.logged.lines.slice(fromConnector).filter((line) =>
    line.startsWith("node channel ended")
  );
  assert.ok(!ended.some((line) => line.includes("tunneler/t1")));
});

Deno.test("clocks may differ by half a minute, and a node whose clock is wrong by more enrolls nowhere", async () => {
  for (const [id, skewMs] of [["ahead", 20_000], ["behind", -20_000]] as const) {
    const { node } = await nodes.node("tunneler", id, {
      "node.connector": `127.0.0.1:${connector.node.port}`,
    }, { clock: new JumpingClock(skewMs) });
    await nodes.online(node);
    await node.stop();
  }
  // To the first one nothing is signed yet, to the other one everything is over.
  const wrong = [["past", -600_000, "revocations_unproven"], [
    "future",
    7_200_000,
    "peer_certificate_expired",
  ]];
  for (const [id, skewMs, code] of wrong) {
    const settings = { "node.connector": `127.0.0.1:${connector.node.port}` };
    const clock = new JumpingClock(Number(skewMs));
    assert.equal(await nodes.node("tunneler", String(id), settings, { clock }).catch(codeOf), code);
  }
});

Deno.test("views of tenants hide the topology: role_insufficient", async () => {
  const { management_token } = await nodes.api("POST", "/auth/token/issue", { owner: "alice" });
  for (const path of ["connectors", "tunnelers", "ca", "overview", "sessions", "revocations", "audit"]) {
    const response = await fetch(`http://127.0.0.1:${nodes.edge.port}/api/admin/${path}`, {
      headers: { authorization: `Bearer ${management_token}` },
    });
    const { code } = await response.json();
    assert.deepEqual([response.status, code], [403, "role_insufficient"], path);
  }
});

Deno.test("draining stops new channels, and those that stand are told: node_host_stopping", async () => {
  const draining = await nodes.node("connector", "c9");
  await nodes.online(draining.node);
  const { files } = await nodes.enrolled("tunneler", "late-guest");
  await using client = sClient(draining.node.port!, files, framesOf(hello));
  await client.waitFor(/"welcome"/);
  await draining.node.stop();
  assert.match((await client.finished()).stdout, /"close","code":"node_host_stopping"/);
  await using refused = sClient(draining.node.port!, files, framesOf(hello));
  assert.doesNotMatch((await refused.finished()).stdout, /welcome/);
});

Deno.test("in degraded mode what stands goes on, nobody new is let in, and it ends with its certificates: peer_certificate_expired, revocations_stale", async () => {
  // Never seen by the connector, and valid for a day: without control it can be revoked nowhere.
  const nowMs = Date.now();
  const unheard = await nodes.forged("tunneler", "unheard", { notAfterMs: nowMs + 86_400_000 });
  const token = await nodes.folder.write("orphan.token", await nodes.token("tunneler", "orphan"));
  await nodes.edge.stop();
  await eventually("control is away", () => Promise.resolve(!connector.node.isOnline()));
  assert.ok(tunneler.node.isOnline(), "control is away, and the tunneler is still served");
  const code = await nodes.node("tunneler", "orphan", {
    "node.connector": `127.0.0.1:${connector.node.port}`,
    "node.enrollment_token_file": token,
  }).then(() => "enrolled", codeOf);
  assert.notEqual(code, "enrolled");
  // Heartbeats go on while the certificates of both run out: five minutes for the connector's.
  const heard = () => counted(/node_heartbeats_total\{.*role="tunneler".*\} (\d+)/);
  const isOver = () =>
    tunneler.logged.lines.some((line) => /^node channel lost .*"peer_certificate_expired"/.test(line));
  for (let step = 0; step < 60 && !isOver(); step++) {
    const before = await heard();
    for (const { clock } of [connector, tunneler]) clock.jump(11_000);
    await eventually("it is heard", async () => isOver() || await heard() > before, 60_000);
  }
  assert.ok(isOver());
  connector.clock.jump(1_200_000);
  await refusedAtConnector(unheard.files, "revocations_stale");
});
