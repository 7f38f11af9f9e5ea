import assert from "node:assert/strict";
import { utf8, utf8Decode } from "../../../src/bytes/mod.ts";
import { boundKeyProvider } from "../../../src/attestation/mod.ts";
import { CHANNEL_LIMITS, privateFingerprint, type VerifiedPrivatePeer } from "../../../src/channel/mod.ts";
import { generateX25519KeyPair } from "../../../src/crypto/mod.ts";
import { Slabs, WireBuffers } from "../../../src/driver/mod.ts";
import { type ErrorCode, PosternError } from "../../../src/errors/mod.ts";
import { type ChannelInitGrant, grantSuites } from "../../../src/grants/mod.ts";
import type { StreamHandler } from "../../../src/mux/mod.ts";
import { noLog } from "../../../src/telemetry/mod.ts";
import {
  carryConnection,
  endpointIdentity,
  PrivateConnector,
  type PrivateParts,
  PrivateServer,
} from "../../../agent/private/mod.ts";
import { toBase64Url } from "../../../src/bytes/mod.ts";
import { memoryStreamPair } from "../../support/memory_stream.ts";
import { StreamUser } from "../../support/mux_pair.ts";
import { MemoryRelay } from "../../support/private_relay.ts";
import { systemRandom } from "../../support/private_pair.ts";
import { settle, VirtualClock } from "../../support/virtual_clock.ts";
import { referenceCore } from "../../reference/sealing_core.ts";

const code = (expected: ErrorCode) => (error: unknown) =>
  error instanceof PosternError && error.code === expected;

const TARGET = { name: "db", protocol: "tcp", address: { host: "127.0.0.1", port: 5432 } } as const;

/** Two agents, their relay, and a control that hands grants to both. */
async function scene(options: { client?: Partial<PrivateParts>; server?: Partial<PrivateParts> } = {}) {
  const clock = new VirtualClock();
  const relay = new MemoryRelay();
  const accepted: StreamUser[] = [];
  const provider = await boundKeyProvider(systemRandom(32));
  const parts = (): PrivateParts => ({
    connect: relay.connect,
    staticKeys: generateX25519KeyPair(systemRandom),
    identity: () => Promise.resolve(endpointIdentity({ provider, clock })),
    pins: [],
    suites: ["classic"],
    limits: CHANNEL_LIMITS,
    buffers: new WireBuffers(referenceCore({ memoryBytes: 4_194_304 })),
    clock,
    random: systemRandom,
    version: "1.2.3",
  });
  const echo = (): StreamHandler => {
    const user = new StreamUser(true);
    user.inData = () => user.stream.offer(user.received.at(-1)!.slice());
    user.inEnd = () => user.stream.end();
    accepted.push(user);
    return user;
  };
  const server = new PrivateServer({
    ...parts(),
    ...options.server,
    log: noLog,
    serve: () => ({
      kind: "tcp",
      accept: (stream) => {
        const user = echo() as StreamUser;
        user.stream = stream;
        return user;
      },
    }),
  });
  let issued = 0;
  const grant = async (): Promise<ChannelInitGrant> => {
    const common = {
      tunnel_url: "wss://edge.example.test",
      channel_id: `channel-number-${++issued}-of-test`,
      channel_init_expire_at_unix_s: Math.floor(clock.wall() / 1_000) + 120,
      idle_timeout_seconds: 60,
      e2ee_psk_b64u: toBase64Url(systemRandom(32)),
      allowed_suites: [...grantSuites],
      default_suite: grantSuites[1],
    };
    const { staticKey } = await server.accept(
      { ...common, role: "server", token: `server-token-${issued}-long-enough` },
      TARGET,
    );
    return {
      ...common,
      role: "client",
      token: `client-token-${issued}-long-enough`,
      peer_static_key: staticKey,
      peer_agent_id: provider.agentId,
    };
  };
  const connector = new PrivateConnector({
    ...parts(),
    ...options.client,
    service: "db",
    grant,
    retry: { initialMs: 1_000, maxMs: 30_000, maxElapsedMs: 0 },
    log: noLog,
  });
  return {
    clock,
    relay,
    server,
    connector,
    accepted,
    agentId: provider.agentId,
    get issued() {
      return issued;
    },
    /** Lets promises and memory streams move until something holds, time standing almost still. */
    async until(condition: () => unknown, stepMs = 0.1) {
      for (let turn = 0; !condition(); turn++) {
        assert.ok(turn < 5_000, "it never comes to hold");
        await settle();
        await clock.advanceAsync(stepMs);
      }
    },
    async close() {
      const over = Promise.all([connector.stop(0), server.stop(0)]);
      for (let i = 0; i < 10; i++) await clock.advanceAsync(1_000);
      await over;
    },
  };
}

async function talk(
  connection: { client: ReturnType<typeof memoryStreamPair>[0] },
  text: string,
): Promise<string> {
  const bytes = utf8(text);
  for (let at = 0; at < bytes.length;) at += await connection.client.write(bytes.subarray(at));
  const buffer = new Uint8Array(bytes.length);
  for (let at = 0; at < buffer.length;) {
    const read = await connection.client.read(buffer.subarray(at));
    if (read === null) break;
    at += read;
  }
  return utf8Decode(buffer);
}

Deno.test("PrivateConnector and PrivateServer carry connections end to end, and the relay sees none of it", async () => {
  const all = await scene();
  await all.until(() => all.connector.session);
  const peer: VerifiedPrivatePeer = await all.connector.online;
  assert.deepEqual([peer.fingerprint, peer.assurance, peer.agentId], [
    all.server.fingerprint,
    "named",
    all.agentId,
  ]);
  const [client, ours] = memoryStreamPair();
  const carried = carryConnection(ours, {
    connector: all.connector,
    slabs: new Slabs(),
    requestId: "one",
    signal: new AbortController().signal,
  });
  const marker = "MARKER-only-for-the-two-of-us";
  let answer: string | undefined;
  talk({ client }, marker).then((text) => answer = text);
  await all.until(() => answer);
  assert.equal(answer, marker);
  assert.equal(all.relay.holds(utf8(marker)), false);
  assert.ok(all.relay.passed.length > 4);
  await client.closeWrite();
  let over = false;
  carried.then((reason) => over = reason === undefined);
  await all.until(() => over);
  assert.equal(all.accepted[0].ended, true);
  assert.equal(all.server.sessions.size, 1);
  await all.close();
  assert.equal(all.server.sessions.size, 0);
  await assert.rejects(all.connector.acquire(new AbortController().signal), code("channel_closed"));
});

Deno.test("PrivateConnector comes back by a new grant when the relay breaks off, and streams wait for it", async () => {
  const all = await scene();
  await all.until(() => all.connector.session);
  const first = all.connector.session!;
  await all.relay.cut();
  await all.until(() => all.connector.session === undefined);
  const waiting = all.connector.acquire(new AbortController().signal);
  await all.until(() => all.connector.session, 10);
  const second = await waiting;
  assert.notEqual(second.channelId, first.channelId);
  assert.equal(all.issued, 2);
  assert.equal(all.relay.spent.size, 4);
  await all.close();
});

Deno.test("PrivateSession tells what the relay said as it closed, and does not believe more than that it closed", async () => {
  const all = await scene();
  await all.until(() => all.connector.session);
  const session = all.connector.session!;
  let error: PosternError | undefined;
  session.ended.then((ended) => error = ended);
  await all.relay.cut("idle_timeout");
  await all.until(() => error);
  assert.deepEqual([error!.code, error!.detail.relay], ["peer_closed", "relay_idle"]);
  await all.until(() => all.connector.session, 10);
  await all.relay.cut("revoked");
  await all.until(() => all.connector.session === undefined);
  await all.until(() => all.connector.session, 10);
  await all.close();
});

Deno.test("PrivateConnector makes the next channel before the server has drained the old one", async () => {
  const all = await scene();
  await all.until(() => all.connector.session);
  const first = all.connector.session!;
  const stream = first.open({ class: 0, viewer: "", requestId: "" }, new StreamUser(true));
  for (const session of all.server.sessions) session.drain(60_000);
  await all.until(() => all.connector.session && all.connector.session !== first);
  const second = all.connector.session!;
  assert.notEqual(second.channelId, first.channelId);
  assert.equal(first.state, "draining");
  stream.reset("cancelled");
  await all.until(() => first.state === "closed");
  await all.close();
});

Deno.test("PrivateConnector ends for good when the other end is not the pinned one", async () => {
  const all = await scene({ client: { pins: [privateFingerprint(systemRandom(32))] } });
  let over = false;
  all.connector.done.then(() => over = true);
  await all.until(() => over);
  assert.equal((await all.connector.done)!.code, "private_pin_mismatch");
  await assert.rejects(all.connector.online, code("private_pin_mismatch"));
  await all.close();
});

Deno.test("PrivateConnector.acquire() gives up after its time, and at once when the signal aborts", async () => {
  const all = await scene({ client: { connect: () => new Promise(() => {}) } });
  const late = all.connector.acquire(new AbortController().signal);
  const abort = new AbortController();
  const given = all.connector.acquire(abort.signal);
  abort.abort();
  await assert.rejects(given, code("connect_aborted"));
  late.catch(() => {});
  await all.clock.advanceAsync(15_000);
  await assert.rejects(late, code("private_unreachable"));
});

Deno.test("PrivateServer takes grants for its role, in their time, and so many at once that wait", async () => {
  const all = await scene({
    server: {
      connect: (_, signal) =>
        new Promise((_, reject) =>
          signal.addEventListener("abort", () => reject(new PosternError("connect_aborted")))
        ),
    },
  });
  const grant = {
    tunnel_url: "wss://edge.example.test",
    channel_id: "channel-of-a-test-of-limits",
    channel_init_expire_at_unix_s: Math.floor(all.clock.wall() / 1_000) + 120,
    idle_timeout_seconds: 60,
    e2ee_psk_b64u: toBase64Url(systemRandom(32)),
    allowed_suites: [...grantSuites],
    default_suite: grantSuites[0],
    role: "server",
    token: "a token of the right length",
  } satisfies ChannelInitGrant;
  await assert.rejects(all.server.accept({ ...grant, role: "client" }, TARGET), code("grant_wrong_role"));
  await assert.rejects(
    all.server.accept({ ...grant, channel_init_expire_at_unix_s: 1 }, TARGET),
    code("grant_expired"),
  );
  while (all.server.sessions.size < 64) await all.server.accept(grant, TARGET);
  await assert.rejects(all.server.accept(grant, TARGET), code("private_channel_limit"));
  const [first] = all.server.sessions;
  first.close();
  await first.ended;
  await all.server.accept(grant, TARGET);
  await all.server.stop(0);
  await assert.rejects(all.server.accept(grant, TARGET), code("peer_draining"));
  await all.close();
});
