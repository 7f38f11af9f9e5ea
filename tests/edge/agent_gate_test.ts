import assert from "node:assert/strict";
import { heldAttestations } from "./attestations.ts";
import { toBase64Url, utf8 } from "../../src/bytes/mod.ts";
import { type Challenge, Channel, CHANNEL_LIMITS, HandshakeInitiator } from "../../src/channel/mod.ts";
import { edgeDefaults } from "../../src/config/mod.ts";
import { generateX25519KeyPair } from "../../src/crypto/mod.ts";
import { ChannelPump, Deadlines, Slabs, SocketReader, WireBuffers } from "../../src/driver/mod.ts";
import { UnreadBudget } from "../../src/mux/mod.ts";
import { OpenRequests } from "../../src/edge/open_requests.ts";
import { AgentGate } from "../../src/edge/agent_gate.ts";
import { LocalRegistry, type TokenGate } from "../../src/edge/agent_registry.ts";
import { Guards } from "../../src/edge/guards.ts";
import { Sessions } from "../../src/edge/sessions.ts";
import { type ErrorCode, PosternError } from "../../src/errors/mod.ts";
import { parseRequestHead } from "../../src/http1/mod.ts";
import type { Stage0Claims, Stage1Claims } from "../../src/identity/mod.ts";
import type { Random } from "../../src/ports/mod.ts";
import { createMetrics, noTracer, requestIds } from "../../src/telemetry/mod.ts";
import { WebSocketFraming } from "../../src/wire/websocket/mod.ts";
import { referenceCore } from "../reference/sealing_core.ts";
import { TOKEN } from "../support/channel_pair.ts";
import { OPENING, StreamUser } from "../support/mux_pair.ts";
import { settle, VirtualClock } from "../support/virtual_clock.ts";
import { memoryStreamPair } from "../support/memory_stream.ts";

const random: Random = (bytes) => crypto.getRandomValues(new Uint8Array(bytes));
const code = (expected: ErrorCode) => (error: unknown) =>
  error instanceof PosternError && error.code === expected;
const UPGRADE = utf8(
  "GET /_postern/channel HTTP/1.1\r\nHost: edge.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n" +
    "Sec-WebSocket-Protocol: postern.v1\r\n\r\n",
);

const ROUTES = {
  iss: "control",
  sub: "tunnel",
  hostnames: ["a.example.test"],
  tls_hostnames: [],
  tcp_ports: [],
  udp_ports: [],
  weight: 1,
};

class Setup {
  readonly clock = new VirtualClock();
  readonly edgeStatic = generateX25519KeyPair(random);
  readonly sessions = new Sessions({
    clock: this.clock,
    log: () => {},
    graceMs: 30_000,
    replacement: { maxCount: 5, windowMs: 10_000 },
  });
  readonly buffers = new WireBuffers(referenceCore({ memoryBytes: 8 * 1024 * 1024 }));
  readonly gate: AgentGate;
  spent = 0;
  owner: string | undefined = "alice";
  openPorts: () => Promise<void> = () => Promise.resolve();
  claims: (proof: Challenge) => Partial<Stage1Claims> = () => ({});
  challenge: Challenge | undefined;

  constructor(settings: Record<string, string> = {}) {
    const tokens: TokenGate = {
      verifyStage0: () =>
        Promise.resolve({ ...ROUTES, handshake_max_age_seconds: 5 } as unknown as Stage0Claims),
      verifyStage1: () =>
        Promise.resolve({
          ...ROUTES,
          agent_id: "agent",
          session_nonce: toBase64Url(this.challenge!.sessionNonce),
          handshake_hash: toBase64Url(this.challenge!.handshakeHash),
          agent_static: toBase64Url(this.challenge!.agentStatic),
          tier: "bound-key",
          ...this.claims(this.challenge!),
        } as unknown as Stage1Claims),
      ownerOf: () => Promise.resolve(this.owner),
      spend: () => {
        this.spent++;
        return Promise.resolve();
      },
      checkTunnel: () => Promise.resolve(undefined),
    };
    const config = edgeDefaults({ state_directory: "/nonexistent", ...settings });
    const metrics = createMetrics();
    this.gate = new AgentGate({
      context: {
        config,
        clock: this.clock,
        random,
        newRequestId: requestIds(random),
        log: () => {},
        metrics,
        tracer: noTracer,
        slabs: new Slabs(),
        deadlines: new Deadlines(this.clock),
        sessions: this.sessions,
        knownRoute: (name) => Promise.resolve({ name, tunnelId: "tun_1", rules: undefined }),
        guards: new Guards({ clock: this.clock, random }),
        viewers: { admits: () => true },
        openRequests: new OpenRequests(1),
        unreadRequests: new UnreadBudget(1),
        control: () => Promise.reject(new Error("not asked")),
      },
      registry: new LocalRegistry({
        attestations: heldAttestations,
        config,
        metrics,
        tokens,
        sessions: this.sessions,
        openPorts: () => this.openPorts(),
        onRetired() {},
      }),
      buffers: this.buffers,
      edgeStatic: this.edgeStatic,
      edgeId: "edge",
      version: "1",
      limits: CHANNEL_LIMITS,
      suites: ["classic"],
      urls: () => ["https://a.example.test"],
    });
  }

  /** An agent at the gate; `prove` is left to the test when it wants it so. */
  async agent(proves = true) {
    const [near, far] = memoryStreamPair();
    await near.write(UPGRADE);
    const reader = new SocketReader(far, new Slabs());
    await reader.fill();
    const head = parseRequestHead(reader.buffer, reader.start, reader.end)!;
    reader.take(head.bytes);
    const served = this.gate.accept(far, reader, head);
    const answer = new Uint8Array(4_096);
    const read = await Promise.race([near.read(answer), served.then(() => null)]);
    assert.match(new TextDecoder().decode(answer.subarray(0, read ?? 0)), /^HTTP\/1\.1 101 /);
    const buffers = new WireBuffers(referenceCore({ memoryBytes: 8 * 1024 * 1024 }));
    const pump = new ChannelPump({
      stream: near,
      framing: WebSocketFraming.client(random),
      buffers,
      clock: this.clock,
    });
    const channel: Channel = new Channel({
      role: {
        side: "initiator",
        handshake: new HandshakeInitiator({
          suite: "classic",
          agentStatic: generateX25519KeyPair(random),
          edgeStatic: this.edgeStatic.publicKey,
          random,
        }),
        stage0Token: TOKEN,
        version: "1",
      },
      core: buffers.core,
      limits: CHANNEL_LIMITS,
      events: {
        wake: pump.wake,
        onState: () => {},
        onOpen: () => new StreamUser(),
        onChallenge: (challenge) => {
          this.challenge = challenge;
          if (proves) queueMicrotask(() => channel.prove(TOKEN, this.clock.now()));
        },
        onEnd: () => {},
      },
    });
    const over = pump.run(channel, new Uint8Array(0));
    await this.settle();
    return { channel, pump, near, served, over };
  }

  async settle(): Promise<void> {
    for (let i = 0; i < 20; i++) await settle();
  }
}

Deno.test("AgentGate registers a proven agent and sends viewers there after the first echo", async () => {
  const setup = new Setup();
  const { channel, near, served } = await setup.agent();
  assert.equal(channel.state, "established");
  assert.deepEqual([setup.sessions.size, setup.spent], [1, 1]);
  assert.equal(setup.sessions.routes.find("a.example.test")!.sessions.length, 1);
  const user = new StreamUser();
  channel.open(OPENING, user);
  await setup.settle();
  assert.equal(user.reset, "class_denied", "agents open no streams at an edge");
  near.close();
  await served;
  await setup.settle();
  assert.equal(setup.sessions.size, 0);
  assert.equal(setup.sessions.routes.find("a.example.test")!.isEmpty, true);
  assert.equal(setup.buffers.bytesInUse, 0);
});

Deno.test("AgentGate refuses a proof that comes later than stage 0 allows with session_nonce_expired", async () => {
  const setup = new Setup();
  const agent = await setup.agent(false);
  await setup.clock.advanceAsync(5_001);
  agent.channel.prove(TOKEN, setup.clock.now());
  await setup.settle();
  assert.equal(agent.channel.reason, "session_nonce_expired");
  assert.equal(setup.sessions.size, 0);
});

Deno.test("AgentGate refuses a stage 1 token of another channel or other routes, and tells the agent", async () => {
  const cases: [Partial<Stage1Claims>, ErrorCode][] = [
    [{ session_nonce: toBase64Url(new Uint8Array(32)) }, "stage1_wrong_nonce"],
    [{ handshake_hash: toBase64Url(new Uint8Array(32)) }, "stage1_wrong_channel"],
    [{ agent_static: toBase64Url(new Uint8Array(32)) }, "stage1_wrong_channel"],
    [{ hostnames: ["b.example.test"] }, "stage1_wrong_routes"],
  ];
  for (const [claims, expected] of cases) {
    const setup = new Setup();
    setup.claims = () => claims;
    const { channel } = await setup.agent();
    assert.equal(channel.reason, expected);
    assert.deepEqual([setup.sessions.size, setup.sessions.routes.find("a.example.test")], [0, undefined]);
  }
});

Deno.test("AgentGate keeps no session of an agent that goes away while it is being proven", async () => {
  for (const settles of [0, 1, 2, 3, 4, 5]) {
    const setup = new Setup();
    let opened = () => {};
    setup.openPorts = () => new Promise((resolve) => opened = resolve);
    const { near, served } = await setup.agent();
    opened();
    for (let i = 0; i < settles; i++) await Promise.resolve();
    near.close();
    await setup.settle();
    await served;
    assert.equal(setup.sessions.size, 0, `after ${settles} turns`);
  }
});

Deno.test("AgentGate takes no more unproven agents, and no more agents, than it may with agent_limit", async () => {
  const unproven = new Setup({ "limits.max_unauthenticated_channels": "1" });
  const first = await unproven.agent(false);
  await assert.rejects(unproven.agent(false), code("agent_limit"));
  first.near.close();
  await first.served;
  assert.equal((await unproven.agent()).channel.state, "established");

  const full = new Setup({ "limits.max_agents": "1" });
  await full.agent();
  await assert.rejects(full.agent(), code("agent_limit"));
  full.gate.close();
  await assert.rejects(full.agent(), code("peer_draining"));
});

Deno.test("AgentGate holds the limit of one owner before a token is spent: owner_agent_limit", async () => {
  const setup = new Setup({ "limits.max_agents_per_owner": "2" });
  const first = await setup.agent();
  await setup.agent(false);
  assert.equal((await setup.agent()).channel.reason, "owner_agent_limit");
  assert.equal(setup.spent, 2);
  setup.owner = "bob";
  assert.equal((await setup.agent()).channel.state, "established");
  setup.owner = "alice";
  first.near.close();
  await first.served;
  await setup.settle();
  assert.equal((await setup.agent()).channel.state, "established");
});

Deno.test("AgentGate counts agents without an account by where they come from", async () => {
  const setup = new Setup({ "limits.max_agents_per_owner": "1" });
  setup.owner = undefined;
  assert.equal((await setup.agent()).channel.state, "established");
  assert.equal((await setup.agent()).channel.reason, "owner_agent_limit");
});
