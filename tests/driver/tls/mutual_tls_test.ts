import assert from "node:assert/strict";
import tls from "node:tls";
import { dialTcp, systemClock, writeAll } from "../../../src/driver/mod.ts";
import {
  connectMutualTls,
  type ExpectedPeer,
  type MutualTlsConnection,
  MutualTlsListener,
  NODE_PROTOCOL,
  NodeIdentity,
  watchPeer,
} from "../../../src/driver/tls/mod.ts";
import { HandshakeBudget } from "../../../src/driver/tls/handshake_budget.ts";
import { codeOf } from "../../../src/errors/mod.ts";
import { chainOfPem, pemOfChain } from "../../../src/pki/mod.ts";
import { MadeCluster, makeKeys, pemOfKey } from "../../support/made_cluster.ts";
import { memoryStreamPair } from "../../support/memory_stream.ts";
import { makeIdentity, trustOf } from "../../support/node_identities.ts";
import { Process } from "../../support/process.ts";
import { TempDir } from "../../support/temp_dir.ts";

let cluster: MadeCluster;
let stranger: MadeCluster;
let folder: TempDir;
Deno.test.beforeAll(async () => {
  cluster = await MadeCluster.make("tunnel.test", Date.now());
  stranger = await MadeCluster.make("tunnel.test", cluster.nowMs);
  folder = await TempDir.make("mtls");
});
Deno.test.afterAll(() => folder[Symbol.asyncDispose]());

/** A connector's port that says who came, and ends. */
class Port implements AsyncDisposable {
  readonly results: string[] = [];
  readonly logged: string[] = [];
  readonly peers: string[] = [];
  readonly listener: MutualTlsListener;
  #arrived: (() => void)[] = [];

  constructor(
    readonly identity: NodeIdentity,
    expected: ExpectedPeer = { expectedRole: "tunneler" },
    serve?: (connection: MutualTlsConnection) => Promise<void>,
    maxConnections = 100,
  ) {
    this.listener = new MutualTlsListener({
      listen: { host: "127.0.0.1", port: 0 },
      identity,
      clock: systemClock,
      log: (_level, event, fields) => void this.logged.push(`${event} ${fields?.code}`),
      expected,
      maxConnections,
      onConnection: async (connection) => {
        this.peers.push(connection.peer.spiffeId);
        if (serve !== undefined) return await serve(connection);
        await writeAll(connection.stream, new TextEncoder().encode("in\n"));
        await connection.stream.closeWrite();
      },
      onHandshake: (result) => {
        this.results.push(result);
        for (const arrived of this.#arrived.splice(0)) arrived();
      },
    });
  }

  get port(): number {
    return this.listener.port;
  }

  async result(number: number): Promise<string> {
    while (this.results.length < number) await new Promise<void>((resolve) => this.#arrived.push(resolve));
    return this.results[number - 1];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.listener.close();
  }
}

let files = 0;
async function filesOf(chain: readonly Uint8Array[], key: CryptoKey): Promise<string[]> {
  const stem = `node${++files}`;
  const cert = await folder.write(`${stem}.pem`, pemOfChain(chain));
  const keyFile = await folder.write(`${stem}.key`, await pemOfKey(key));
  return ["-cert", cert, "-cert_chain", cert, "-key", keyFile];
}

async function sClient(port: number, args: readonly string[], env: Record<string, string> = {}) {
  return await Process.run("openssl", {
    args: [
      "s_client",
      "-connect",
      `127.0.0.1:${port}`,
      "-brief",
      "-ign_eof",
      "-alpn",
      NODE_PROTOCOL,
      ...args,
    ],
    stdin: "",
    env,
  });
}

/** A certificate for its own key that openssl signs with that key. */
async function selfSignedFiles(): Promise<string[]> {
  const cert = folder.file("self.pem");
  const key = folder.file("self.key");
  const { code, stderr } = await Process.run("openssl", {
    args: [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"],
      ...["-subj", "/", "-keyout", key, "-out", cert, "-addext", "basicConstraints=critical,CA:FALSE"],
      ...["-addext", "keyUsage=critical,digitalSignature", "-addext", "extendedKeyUsage=clientAuth"],
      ...["-addext", "subjectAltName=critical,URI:spiffe://tunnel.test/tunneler/t1"],
    ],
  });
  assert.equal(code, 0, stderr);
  return ["-cert", cert, "-key", key];
}

Deno.test("MutualTlsListener lets openssl in with a node's certificate, and refuses each other one by its own code", async () => {
  const good = await cluster.node("tunneler", "t1");
  const revoked = await cluster.node("tunneler", "t2");
  const identity = await makeIdentity(cluster, "connector", "c1");
  identity.replaceTrust({
    bundle: cluster.bundle(),
    revocations: cluster.revocations({ kind: "serial", value: revoked.leaf.serial, severity: "cut" }),
  });
  await using port = new Port(identity, {
    expectedRole: "tunneler",
    policy: ({ id }) => id === "t9" ? "not of this connector" : undefined,
  });
  const expired = await cluster.node("tunneler", "t1", { lifeMs: -31_500 });
  const ended = await cluster.node("tunneler", "t1", { lifeMs: -10_000 });
  const foreign = await stranger.node("tunneler", "t1");
  const renamed = await stranger.node("tunneler", "t1", { trustDomain: "elsewhere.test" });
  const asConnector = await cluster.node("connector", "c2");
  const denied = await cluster.node("tunneler", "t9");
  const cases: [string, readonly string[]][] = [
    ["ok", await filesOf(good.chain, good.keys.privateKey)],
    ["peer_certificate_missing", []],
    ["peer_chain_untrusted", await selfSignedFiles()],
    ["peer_chain_untrusted", await filesOf(foreign.chain, foreign.keys.privateKey)],
    ["peer_wrong_cluster", await filesOf(renamed.chain, renamed.keys.privateKey)],
    ["peer_certificate_expired", await filesOf(expired.chain, expired.keys.privateKey)],
    // Clocks may differ by more, but the library knows no tolerance.
    ["peer_certificate_unverified", await filesOf(ended.chain, ended.keys.privateKey)],
    ["peer_wrong_role", await filesOf(asConnector.chain, asConnector.keys.privateKey)],
    ["peer_policy_denied", await filesOf(denied.chain, denied.keys.privateKey)],
    ["peer_certificate_revoked", await filesOf(revoked.chain, revoked.keys.privateKey)],
    ["tls_handshake_failed", [...await filesOf(good.chain, good.keys.privateKey), "-tls1_2"]],
    ["tls_no_common_protocol", [...await filesOf(good.chain, good.keys.privateKey), "-alpn", "http/1.1"]],
    ["ok", await filesOf(good.chain, good.keys.privateKey)],
  ];
  for (const [at, [expected, args]] of cases.entries()) {
    const { stdout, stderr } = await sClient(port.port, args);
    assert.equal(await port.result(at + 1), expected, stderr);
    assert.equal(stdout.includes("in\n"), expected === "ok", stdout);
  }
  const uri = "spiffe://tunnel.test/tunneler/t1";
  assert.deepEqual(port.peers, [uri, uri]);
  const refusals = cases.map(([code]) => code).filter((code) => code !== "ok");
  assert.deepEqual(port.logged, refusals.map((code) => `node refused ${code}`));
});

Deno.test("MutualTlsListener refuses a certificate whose key the client does not hold", async () => {
  // openssl looks whether they belong together; a library in front of it says that they always do.
  const source = await folder.write("deaf.c", "int X509_check_private_key(void *a, void *b) { return 1; }\n");
  const library = folder.file("deaf.so");
  const built = await Process.run("cc", { args: ["-shared", "-fPIC", "-o", library, source] });
  assert.equal(built.code, 0, built.stderr);
  await using port = new Port(await makeIdentity(cluster, "connector", "c1"));
  const { chain } = await cluster.node("tunneler", "t1");
  const stolen = await filesOf(chain, (await makeKeys()).privateKey);
  const { stdout } = await sClient(port.port, stolen, { LD_PRELOAD: library });
  assert.equal(await port.result(1), "tls_handshake_failed");
  assert.ok(!stdout.includes("in\n"));
});

Deno.test("MutualTlsListener refuses a session that began at a server which asks nobody for a certificate", async () => {
  const identity = await makeIdentity(cluster, "connector", "c1");
  await using port = new Port(identity);
  const lax = tls.createServer({
    cert: pemOfChain(identity.credentials.chain),
    key: identity.credentials.privateKey,
    ALPNProtocols: [NODE_PROTOCOL],
  }, (socket) => socket.end("ticket\n"));
  await new Promise<void>((resolve) => lax.listen(0, "127.0.0.1", resolve));
  const session = folder.file("session.pem");
  const good = await cluster.node("tunneler", "t1");
  try {
    const { port: laxPort } = lax.address() as { port: number };
    await sClient(laxPort, ["-sess_out", session]);
    assert.match(await Deno.readTextFile(session), /SSL SESSION/);
  } finally {
    await new Promise((resolve) => lax.close(resolve));
  }
  for (const args of [[], await filesOf(good.chain, good.keys.privateKey)]) {
    const { stdout } = await sClient(port.port, ["-sess_in", session, ...args]);
    assert.ok(!stdout.includes("in\n"), "a ticket is no certificate");
  }
  assert.deepEqual(await Promise.all([port.result(1), port.result(2)]), [
    "peer_session_resumed",
    "peer_session_resumed",
  ]);
});

Deno.test("MutualTlsListener survives garbage, silence that is cut, and floods before anybody is known", async () => {
  await using port = new Port(await makeIdentity(cluster, "connector", "c1"));
  const garbage = [
    new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"),
    new Uint8Array(5_000).fill(22),
    Uint8Array.of(22, 3, 1, 0, 5, 1, 0, 0, 1, 0),
  ];
  for (const [at, bytes] of garbage.entries()) {
    const tcp = await dialTcp("127.0.0.1", port.port, { clock: systemClock });
    await writeAll(tcp, bytes);
    assert.equal(await port.result(at + 1), "tls_malformed_hello");
    tcp.close();
  }
  // Of one address 16 are judged at a time, however many come.
  const held = await Promise.all(
    Array.from({ length: 20 }, () => dialTcp("127.0.0.1", port.port, { clock: systemClock })),
  );
  await port.result(garbage.length + 4);
  assert.deepEqual(port.results.slice(garbage.length), Array(4).fill("node_handshakes_busy"));
  for (const tcp of held) tcp.close();
  await port.result(garbage.length + 20);
  const client = await makeIdentity(cluster, "tunneler", "t1");
  const { stream } = await connect(port, client);
  stream.close();
  assert.equal(await port.result(garbage.length + 21), "ok");
});

Deno.test("HandshakeBudget gives so many bytes and then throws tls_handshake_oversized, until it is lifted", async () => {
  const [client, server] = memoryStreamPair();
  const bounded = new HandshakeBudget(server, 10);
  await writeAll(client, new Uint8Array(30));
  assert.equal(await bounded.read(new Uint8Array(8)), 8);
  assert.equal(await bounded.read(new Uint8Array(8)), 2);
  await assert.rejects(bounded.read(new Uint8Array(8)), { code: "tls_handshake_oversized" });
  bounded.lift();
  assert.equal(await bounded.read(new Uint8Array(8)), 8);
  client.close();
  bounded.close();
});

Deno.test("MutualTlsListener has room for so many nodes and says node_connections_full to the next", async () => {
  const { promise: open, resolve: end } = Promise.withResolvers<void>();
  await using port = new Port(await makeIdentity(cluster, "connector", "c1"), undefined, () => open, 1);
  const client = await makeIdentity(cluster, "tunneler", "t1");
  const first = await connect(port, client);
  assert.equal(await port.result(1), "ok");
  await assert.rejects(connect(port, client));
  assert.equal(await port.result(2), "node_connections_full");
  end();
  first.stream.close();
});

async function connect(
  { port }: Pick<Port, "port">,
  identity: NodeIdentity,
  expected: ExpectedPeer = { expectedRole: "connector", expectedId: "c1" },
): Promise<MutualTlsConnection> {
  const tcp = await dialTcp("127.0.0.1", port, { clock: systemClock });
  return await connectMutualTls(tcp, { identity, clock: systemClock, expected });
}

Deno.test("connectMutualTls() reads from the connector that it means, again and again, and refuses every other", async () => {
  await using port = new Port(await makeIdentity(cluster, "connector", "c1"));
  const client = await makeIdentity(cluster, "tunneler", "t1");
  for (let time = 0; time < 3; time++) {
    const { stream, peer } = await connect(port, client);
    const buffer = new Uint8Array(10);
    assert.equal(await stream.read(buffer), 3);
    assert.equal(await stream.read(buffer), null);
    assert.equal(peer.spiffeId, "spiffe://tunnel.test/connector/c1");
    stream.close();
  }
  // No session of before is resumed by our own client: it would be refused.
  assert.deepEqual(port.results, ["ok", "ok", "ok"]);
  const refused = async (identity: NodeIdentity, expected?: ExpectedPeer) =>
    await connect(port, identity, expected).then(() => "ok", codeOf);
  assert.equal(
    await refused(client, { expectedRole: "connector", expectedId: "c2" }),
    "peer_wrong_node",
  );
  assert.equal(await refused(client, { expectedRole: "control" }), "peer_wrong_role");
  const fooled = await makeIdentity(cluster, "tunneler", "t1");
  fooled.replaceTrust(trustOf(stranger));
  assert.equal(await refused(fooled), "peer_chain_untrusted");
});

Deno.test("connectMutualTls() refuses servers that show no node's certificate, or speak another protocol", async () => {
  const client = await makeIdentity(cluster, "tunneler", "t1");
  const node = await cluster.node("connector", "c1");
  const pair = { cert: pemOfChain(node.chain), key: await pemOfKey(node.keys.privateKey) };
  const server = tls.createServer(pair, (socket) => socket.on("error", () => {}));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const { port } = server.address() as { port: number };
    assert.equal(await connect({ port }, client).then(() => "ok", codeOf), "tls_no_common_protocol");
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
});

Deno.test("NodeIdentity changes certificate and trust while connections stand", async () => {
  const serving = Promise.withResolvers<MutualTlsConnection>();
  const cut = Promise.withResolvers<unknown>();
  const identity = await makeIdentity(cluster, "connector", "c1");
  await using port = new Port(identity, { expectedRole: "tunneler" }, async (connection) => {
    const watched = watchPeer({
      identity,
      clock: systemClock,
      connection,
      expected: { expectedRole: "tunneler" },
      usage: "client",
      onRefused: (error) => {
        connection.stream.close();
        cut.resolve(codeOf(error));
      },
    });
    serving.resolve(connection);
    const buffer = new Uint8Array(10);
    for (let bytes = await connection.stream.read(buffer); bytes !== null;) {
      await writeAll(connection.stream, buffer.subarray(0, bytes));
      bytes = await connection.stream.read(buffer);
    }
    watched.end();
  });
  const client = await makeIdentity(cluster, "tunneler", "t1");
  const { stream } = await connect(port, client);
  const { peer, chain } = await serving.promise;
  const echo = async () => {
    await writeAll(stream, Uint8Array.of(7));
    const buffer = new Uint8Array(1);
    return await stream.read(buffer);
  };
  assert.equal(await echo(), 1);
  // A new issuing CA, a new certificate of the connector under it, and the old CA still counts: nothing is cut.
  const later = await cluster.another();
  const both = cluster.bundle({
    version: 2,
    issuers: [cluster.issuing, later].map(({ certificate }) => ({ certificate, acceptedFromMs: 0 })),
  });
  const renewed = await cluster.node("connector", "c1", { issuing: later });
  identity.replaceTrust({ bundle: both, revocations: cluster.revocations() });
  identity.replaceCredentials({
    chain: renewed.chain,
    privateKey: await pemOfKey(renewed.keys.privateKey),
  });
  client.replaceTrust({ bundle: both, revocations: cluster.revocations() });
  assert.equal(await echo(), 1);
  const next = await connect(port, client);
  assert.equal(next.peer.serial, renewed.leaf.serial);
  next.stream.close();
  // Another node's certificate, or a key that does not belong to it, changes nothing.
  const other = await cluster.node("connector", "c2");
  for (
    const wrong of [
      { chain: other.chain, privateKey: await pemOfKey(other.keys.privateKey) },
      { chain: [], privateKey: "" },
      { chain: renewed.chain, privateKey: "secret" },
    ]
  ) assert.throws(() => identity.replaceCredentials(wrong), { code: "node_credentials_unusable" });
  // The peer is revoked: its connection is over at once.
  identity.replaceTrust({
    bundle: both,
    revocations: cluster.revocations({ kind: "id", value: peer.spiffeId, severity: "cut" }),
  });
  assert.equal(await cut.promise, "peer_certificate_revoked");
  assert.equal(await stream.read(new Uint8Array(1)).catch(() => null), null);
  stream.close();
  assert.equal(chainOfPem(pemOfChain(chain)).length, chain.length);
});
