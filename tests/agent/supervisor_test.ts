import assert from "node:assert/strict";
import { setImmediate } from "node:timers";
import { toBase64Url } from "../../src/bytes/mod.ts";
import { CHANNEL_LIMITS } from "../../src/channel/mod.ts";
import { agentDefaults } from "../../src/config/mod.ts";
import { systemRandom } from "../../src/driver/mod.ts";
import { type ErrorCode, PosternError } from "../../src/errors/mod.ts";
import type { LogFields } from "../../src/ports/mod.ts";
import { createMetrics, noLog } from "../../src/telemetry/mod.ts";
import type { CreateAnswer, CreateRequest } from "../../agent/control_messages.ts";
import { Registration } from "../../agent/registration.ts";
import { boundKeyIdentity } from "../../agent/bound_key_identity.ts";
import { Supervisor } from "../../agent/supervisor.ts";
import { TunnelStore } from "../../agent/tunnel_store.ts";
import { buffers, edgePublicKey, FakeEdge, makeService, STAGE1, until } from "./fake_edge.ts";
import { rawOrigin } from "./origins.ts";
import { TempDir } from "../support/temp_dir.ts";
import { settle, VirtualClock } from "../support/virtual_clock.ts";

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

interface WorldOptions {
  readonly name?: string;
  readonly settings?: Readonly<Record<string, string>>;
  readonly target?: { host: string; port: number };
  /** Called for each dial; throws or gives an edge. */
  readonly dial?: (url: string, at: number) => FakeEdge;
  readonly urls?: string[];
  /** Of a tcp or udp service. */
  readonly publicPort?: number;
  /** What control refuses the first requests with. */
  readonly refusals?: readonly ErrorCode[];
  /** Byte of which the jitter is made; the longest wait when absent. */
  readonly jitter?: number;
}

/** Turns of the event loop without real work before virtual time moves on: what channels say takes a few. */
const QUIET_TURNS = 8;

/** A supervisor with a scripted control and edges in memory. */
class World implements AsyncDisposable {
  readonly clock = new VirtualClock();
  readonly edges: FakeEdge[] = [];
  readonly dialled: string[] = [];
  readonly creates: CreateRequest[] = [];
  readonly createdAt: number[] = [];
  readonly states: string[] = [];
  /** What control refuses the next requests with. */
  readonly refusals: (ErrorCode | PosternError)[] = [];
  readonly logged: { event: string; fields: LogFields }[] = [];
  supervisor!: Supervisor;
  store!: TunnelStore;
  readonly #folder: TempDir;
  /** Files that are being written and signatures that are being made: work that takes real time. */
  #underWay = 0;

  private constructor(folder: TempDir) {
    this.#folder = folder;
  }

  static async make(options: WorldOptions = {}): Promise<World> {
    const world = new World(await TempDir.make("supervisor"));
    await world.#start(options);
    return world;
  }

  async #start(options: WorldOptions): Promise<void> {
    const { clock } = this;
    this.refusals.push(...options.refusals ?? []);
    const config = agentDefaults({ "retry.initial": "1s", "retry.max": "8s", ...options.settings });
    const service = makeService(clock, {
      name: options.name ?? null,
      target: options.target ?? { host: "127.0.0.1", port: 9 },
    });
    this.store = await TunnelStore.open(this.#folder.file("tunnels.json"), noLog, clock);
    const control = {
      hasToken: false,
      create: (request: CreateRequest) =>
        this.#create(request, options.urls ?? ["ws://edge-1"], options.publicPort),
      challenge: () =>
        Promise.resolve({ challenge_id: "c", authority_nonce: "A".repeat(43), policy_version: "default@1" }),
      evidence: () => Promise.resolve({ stage1_token: STAGE1 }),
    };
    const identity = await boundKeyIdentity(this.#folder.file("identity.key"), systemRandom);
    this.supervisor = new Supervisor({
      config,
      service,
      registration: new Registration({
        control,
        store: {
          get: (key) => this.store.get(key),
          set: (key, tunnel) => this.#real(this.store.set(key, tunnel)),
        },
        service: service.config,
        key: "k",
        log: noLog,
      }),
      control,
      provider: { ...identity, prove: (data) => this.#real(identity.prove(data)) },
      connect: (url) => {
        this.dialled.push(url);
        const at = this.dialled.length - 1;
        const edge = options.dial?.(url, at) ?? new FakeEdge({ clock, sessionId: `session-${at}` });
        this.edges.push(edge);
        return Promise.resolve(edge.carrier);
      },
      limits: CHANNEL_LIMITS,
      buffers,
      clock,
      // The longest wait that full jitter allows, so that tests know it.
      random: (bytes) => bytes === 4 ? new Uint8Array(4).fill(options.jitter ?? 0xff) : systemRandom(bytes),
      log: (_level, event, fields = {}) => void this.logged.push({ event, fields }),
      metrics: createMetrics(),
      version: "test",
      onChange: () => {
        const { state } = this.supervisor ?? { state: "connecting" };
        if (this.states.at(-1) !== state) this.states.push(state);
      },
    });
  }

  async #real<T>(work: Promise<T>): Promise<T> {
    this.#underWay++;
    try {
      return await work;
    } finally {
      this.#underWay--;
    }
  }

  #create(request: CreateRequest, urls: string[], public_port?: number): Promise<CreateAnswer> {
    this.creates.push(request);
    this.createdAt.push(this.clock.now());
    const refusal = this.refusals.shift();
    if (refusal !== undefined) {
      return Promise.reject(typeof refusal === "string" ? new PosternError(refusal) : refusal);
    }
    return Promise.resolve({
      tunnel_id: "tun_1",
      public_hostname: `${request.requested_name ?? "random"}.example`,
      candidates: urls.map((edge_url, at) => ({
        edge_id: `edge-${at + 1}`,
        edge_url,
        supported_transport: "wss",
        edge_public_key: toBase64Url(edgePublicKey),
      })),
      ephemeral_token: `ephemeral-token-${this.creates.length}`,
      recreate_token: `recreate-token-${this.creates.length}`,
      public_port,
    });
  }

  /** Lets virtual time pass in small steps until the condition holds; it stands still while real work is under way. */
  async pass(condition: () => boolean, stepMs = 250): Promise<void> {
    for (let step = 0; step < 2_000; step++) {
      for (let quiet = 0; quiet < QUIET_TURNS; quiet = this.#underWay > 0 ? 0 : quiet + 1) {
        if (condition()) return;
        await new Promise((resolve) => setImmediate(resolve));
      }
      await this.clock.advanceAsync(stepMs);
    }
    throw new Error("the condition did not come to hold");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.supervisor.stop();
    let over = false;
    this.supervisor.done.then(() => over = true);
    await this.pass(() => over);
    for (const edge of this.edges) edge.cut();
    await this.clock.advanceAsync(60_000);
    await this.store.set("the last write", undefined); // those under way come before it
    await this.#folder[Symbol.asyncDispose]();
    await settle();
  }
}

Deno.test("Supervisor publishes a service and is online only after an echo", async () => {
  await using world = await World.make({ name: "demo" });
  await world.supervisor.online;
  assert.equal(world.supervisor.state, "online");
  assert.deepEqual(world.states, ["handshaking", "authorizing", "online"]);
  assert.equal(world.edges[0].stage0, "ephemeral-token-1");
  assert.equal(world.edges[0].stage1, STAGE1);
  assert.equal(world.edges[0].replaces, undefined);
  const status = world.supervisor.status();
  assert.equal(status.state, "online");
  assert.equal(status.url, "https://demo.example");
  assert.equal(status.name, "demo");
  assert.equal(world.supervisor.edge, "edge-1");
  assert.deepEqual(world.creates[0], {
    requested_name: "demo",
    preferred_transports: ["wss"],
    protocol: "http",
    weight: 100,
    rules: {},
  });
});

Deno.test("Supervisor comes back after a loss, with a fresh token and the same name", async () => {
  await using world = await World.make();
  await world.supervisor.online;
  world.edges[0].cut();
  await until(() => world.supervisor.state === "reconnecting");
  assert.equal(world.supervisor.status().state, "offline");
  assert.equal(world.supervisor.lastError?.code, "peer_closed");
  await world.pass(() => world.supervisor.isOnline);
  assert.equal(world.edges[1].stage0, "ephemeral-token-2");
  assert.equal(world.creates[1].recreate_token, "recreate-token-1");
  assert.equal(world.store.get("k")?.recreate_token, "recreate-token-2");
});

Deno.test("Supervisor renews its recreate token while it is online", async () => {
  await using world = await World.make();
  await world.supervisor.online;
  await world.pass(() => world.creates.length === 2, 5_000);
  assert.equal(world.clock.now() >= 1_800_000, true);
  await until(() => world.store.get("k")?.recreate_token === "recreate-token-2");
  assert.equal(world.supervisor.isOnline, true);
  assert.equal(world.edges.length, 1);
});

Deno.test("Supervisor waits longer after each failure, and starts anew after a stable minute", async () => {
  await using world = await World.make();
  await world.supervisor.online;
  const lose = async (): Promise<number> => {
    const from = world.clock.now();
    world.edges.at(-1)!.cut();
    await until(() => world.supervisor.state === "reconnecting");
    await world.pass(() => world.supervisor.isOnline, 10);
    return Math.round((world.createdAt.at(-1)! - from) / 1_000);
  };
  assert.deepEqual([await lose(), await lose(), await lose(), await lose()], [1, 2, 4, 8]);
  await world.clock.advanceAsync(61_000);
  assert.equal(await lose(), 1);
});

Deno.test("Supervisor tries candidates in order, with a token of its own for each handshake", async () => {
  const clock: { now?: VirtualClock } = {};
  await using world = await World.make({
    urls: ["ws://gone", "ws://refusing", "ws://good"],
    dial: (url) => {
      if (url === "ws://gone") throw new PosternError("connect_refused");
      const refuse = url === "ws://refusing" ? new PosternError("agent_limit") : undefined;
      return new FakeEdge({ clock: clock.now ?? world.clock, refuse });
    },
  });
  await world.supervisor.online;
  assert.deepEqual(world.dialled, ["ws://gone", "ws://refusing", "ws://good"]);
  assert.equal(world.edges[0].stage0, "ephemeral-token-1");
  assert.equal(world.edges[1].stage0, "ephemeral-token-2");
  assert.equal(world.supervisor.edge, "edge-3");
});

Deno.test("Supervisor says which port its edge could not open", async () => {
  await using world = await World.make({
    publicPort: 20_007,
    dial: () => new FakeEdge({ clock: world.clock, refuse: new PosternError("tcp_port_unavailable") }),
  });
  await world.pass(() => world.supervisor.lastError !== undefined);
  assert.equal(world.supervisor.lastError?.code, "tcp_port_unavailable");
  assert.match(world.supervisor.lastError!.message, / \(port 20007\)$/);
});

Deno.test("Supervisor stops with an error that will not go away, e.g. name_taken", async () => {
  await using world = await World.make({ name: "demo", dial: () => new FakeEdge({ clock: world.clock }) });
  await world.supervisor.online;
  world.refusals.push("name_taken");
  world.edges[0].cut();
  let error: PosternError | undefined;
  world.supervisor.done.then((value) => error = value);
  await world.pass(() => error !== undefined);
  assert.equal(error!.code, "name_taken");
  assert.equal(world.supervisor.state, "failed");
  assert.equal(world.supervisor.status().state, "refused");
});

Deno.test("Supervisor stops when it is fenced by another session of the same agent", async () => {
  await using world = await World.make();
  await world.supervisor.online;
  world.edges[0].channel.close(new PosternError("session_fenced"), world.clock.now());
  assert.equal((await world.supervisor.done)?.code, "session_fenced");
});

Deno.test("Supervisor gives up with backoff_exhausted after retry.max_elapsed", async () => {
  await using world = await World.make({
    settings: { "retry.max_elapsed": "10s" },
    dial: () => {
      throw new PosternError("connect_refused");
    },
  });
  let error: PosternError | undefined;
  world.supervisor.done.then((value) => error = value);
  await world.pass(() => error !== undefined);
  assert.equal(error!.code, "backoff_exhausted");
  assert.equal(error!.detail.code, "connect_refused");
  await assert.rejects(world.supervisor.online, { code: "backoff_exhausted" });
});

Deno.test("Supervisor waits as long as control asks for", async () => {
  await using world = await World.make();
  await world.supervisor.online;
  world.refusals.push(new PosternError("rate_limited", "slow down", { detail: { retry_after_ms: 45_000 } }));
  world.edges[0].cut();
  await world.pass(() => world.creates.length === 2, 10);
  const from = world.clock.now();
  await world.pass(() => world.creates.length === 3);
  assert.ok(world.clock.now() - from >= 45_000);
});

for (const code of ["token_unknown_key", "token_revoked", "token_wrong_audience", "token_expired"] as const) {
  Deno.test(`Supervisor ends at first contact when control refuses its token with ${code}`, async () => {
    await using world = await World.make({ refusals: [code] });
    assert.equal((await world.supervisor.done)?.code, code);
    assert.equal(world.creates.length, 1);
    await assert.rejects(world.supervisor.online, { code });
  });
}

Deno.test("Supervisor that was online tries a refused token again, seldom, and says so once in a while", async () => {
  await using world = await World.make();
  await world.supervisor.online;
  world.refusals.push(...Array(12).fill("token_unknown_key"));
  world.edges[0].cut();
  await world.pass(() => world.creates.length >= 14 && world.supervisor.isOnline, 5_000);
  assert.equal(world.createdAt[2], world.createdAt[1]); // at once without the recreate token, for the name of before
  const waits = world.createdAt.slice(3, 14).map((at, n) => at - world.createdAt[n + 2]);
  for (const wait of waits) assert.ok(wait >= 60_000, `${wait}`);
  const lines = world.logged.filter(({ fields }) => fields.code === "token_unknown_key");
  assert.deepEqual(lines.map(({ event, fields }) => [event, fields.times]), [
    ["no channel, trying again", undefined],
    ["still no channel", 10],
  ]);
});

Deno.test("Supervisor waits a minimum between attempts whatever the jitter", async () => {
  await using world = await World.make({ jitter: 0, refusals: Array(4).fill("control_unreachable") });
  await world.pass(() => world.supervisor.isOnline, 10);
  const waits = world.createdAt.slice(1).map((at, n) => at - world.createdAt[n]);
  assert.equal(waits.length, 4);
  for (const wait of waits) assert.ok(wait >= 250, `${wait}`);
});

Deno.test("Supervisor forgets a recreate token that is of no use and asks for the name of before", async () => {
  await using world = await World.make();
  await world.supervisor.online;
  world.refusals.push("tunnel_gone", "name_taken");
  world.edges[0].cut();
  await world.pass(() => world.creates.length >= 4 && world.supervisor.isOnline);
  assert.deepEqual(
    world.creates.slice(1, 4).map(({ requested_name, recreate_token }) => [requested_name, recreate_token]),
    [[undefined, "recreate-token-1"], ["random", undefined], [undefined, undefined]],
  );
});

for (const trigger of ["GOAWAY of the edge", "reconnect()"]) {
  Deno.test(`Supervisor replaces a session before giving it up: ${trigger}`, async () => {
    const held: (() => Promise<void>)[] = [];
    const origin = rawOrigin((c) => void held.push(() => c.write(OK)));
    {
      await using world = await World.make({ target: origin.target });
      await world.supervisor.online;
      const slow = world.edges[0].request(GET);
      await until(() => held.length === 1);
      if (trigger === "reconnect()") world.supervisor.reconnect();
      else {
        world.edges[0].channel.drain("draining", 30_000, world.clock.now());
        world.edges[0].wake();
      }
      await world.pass(() => world.edges.length === 2 && world.edges[1].echoes > 0, 50);
      assert.equal(world.edges[1].replaces, "session-0");
      await until(() => world.supervisor.state === "online");
      const quick = world.edges[1].request(GET);
      await until(() => held.length === 2);
      await held[1]();
      assert.equal((await quick.done()).text, OK);
      assert.equal(slow.over, false);
      await held[0]();
      assert.equal((await slow.done()).text, OK);
      await until(() => world.edges[0].channel.state === "closed");
      assert.equal(world.edges[0].error, undefined);
      assert.equal(world.supervisor.isOnline, true);
    }
    await origin.close();
  });
}

Deno.test("Supervisor keeps a good session when it cannot be replaced", async () => {
  await using world = await World.make();
  await world.supervisor.online;
  world.refusals.push("authorization_required");
  world.supervisor.reconnect();
  await until(() => world.creates.length === 2);
  await settle();
  assert.equal(world.supervisor.isOnline, true);
  assert.equal(world.supervisor.lastError?.code, "authorization_required");
  world.supervisor.reconnect();
  await world.pass(() => world.edges.length === 2 && world.supervisor.isOnline);
});

Deno.test("Supervisor keeps trying to replace a draining session and goes on when that is over", async () => {
  await using world = await World.make();
  await world.supervisor.online;
  for (let i = 0; i < 3; i++) world.refusals.push("control_unreachable");
  world.edges[0].channel.drain("draining", 2_000, world.clock.now());
  world.edges[0].wake();
  await world.pass(() => world.edges.length === 2 && world.supervisor.isOnline);
  assert.equal(world.creates.length, 5);
});

Deno.test("Supervisor.stop() lets open streams finish within the drain timeout", async () => {
  const held: (() => Promise<void>)[] = [];
  const origin = rawOrigin((c) => void held.push(() => c.write(OK)));
  {
    await using world = await World.make({ target: origin.target });
    await world.supervisor.online;
    const slow = world.edges[0].request(GET);
    await until(() => held.length === 1);
    world.supervisor.stop();
    await until(() => world.edges[0].channel.state === "draining");
    assert.equal(world.supervisor.state, "draining");
    await held[0]();
    assert.equal((await slow.done()).text, OK);
    let over = false;
    world.supervisor.done.then(() => over = true);
    await world.pass(() => over);
    assert.equal(await world.supervisor.done, undefined);
    assert.equal(world.supervisor.state, "closed");
  }
  await origin.close();
});

Deno.test("Supervisor.stop() cuts what is still open when the drain timeout is over", async () => {
  const origin = rawOrigin(() => {});
  {
    await using world = await World.make({ target: origin.target, settings: { drain_timeout: "5s" } });
    await world.supervisor.online;
    const stuck = world.edges[0].request(GET);
    await until(() => origin.connections[0]?.text.length > 0);
    world.supervisor.stop();
    let over = false;
    world.supervisor.done.then(() => over = true);
    await world.pass(() => over);
    assert.equal(stuck.reset, "deadline");
    await until(() => origin.connections[0].ended);
  }
  await origin.close();
});

Deno.test("Supervisor.stop() ends an attempt that is under way", async () => {
  await using world = await World.make({
    dial: () => {
      throw new PosternError("connect_timeout");
    },
  });
  await until(() => world.supervisor.state === "reconnecting");
  world.supervisor.stop();
  assert.equal(await world.supervisor.done, undefined);
});
