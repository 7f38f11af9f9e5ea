import assert from "node:assert/strict";
import { toBase64Url } from "../src/bytes/mod.ts";
import { generateX25519KeyPair } from "../src/crypto/mod.ts";
import type { EdgePlane } from "../src/edge/mod.ts";
import { type ErrorCode, PosternError } from "../src/errors/mod.ts";
import type { PrivateAnnouncement } from "../src/fellow_edges.ts";
import { type ChannelInitGrant, defaultGrantSuite } from "../src/grants/mod.ts";
import type { Announcement, EdgeRecord, Random } from "../src/ports/mod.ts";
import { PrivateDelivery } from "../src/private_delivery.ts";
import { session } from "./edge/agents.ts";
import { settle, VirtualClock } from "./support/virtual_clock.ts";

const random: Random = (bytes) => crypto.getRandomValues(new Uint8Array(bytes));
const code = (expected: ErrorCode) => (error: unknown) =>
  error instanceof PosternError && error.code === expected;
const nobody: ReadonlySet<string> = new Set();
const taken = { agentId: "agent-1", staticKey: "K".repeat(43) };

/** Edges a and b on one database, which keeps all that passes through it. The agent is at b. */
function twoEdges(offerPrivate: EdgePlane["offerPrivate"] = () => Promise.resolve(taken)) {
  const clock = new VirtualClock();
  const passed: string[] = [];
  const edges = new Map<string, PrivateDelivery>();
  const records = new Map<string, EdgeRecord>();
  const network = { drops: false };
  const offered: string[] = [];
  for (const name of ["a", "b"]) {
    const edgeStatic = generateX25519KeyPair(random);
    const edgeUrl = `wss://${name}.example/`;
    const publicKey = toBase64Url(edgeStatic.publicKey);
    const facts = { edgeId: `edge-${name}`, edgeUrl, publicKey };
    records.set(name, {
      ...facts,
      instanceId: name,
      transport: "wss",
      region: "here",
      priority: 0,
      seenAtMs: 0,
    });
    const sessions = name === "b" ? [session({ agent: "agent-1" }).session] : [];
    edges.set(
      name,
      new PrivateDelivery({
        edge: () => ({
          sessions: { all: sessions, ofTunnel: () => sessions },
          offerPrivate: (tunnelId: string, agentId: string, grant: ChannelInitGrant) => {
            offered.push(`${name} ${tunnelId} ${agentId} ${grant.channel_id}`);
            return offerPrivate(tunnelId, agentId, grant);
          },
        } as unknown as EdgePlane),
        directory: {
          instanceId: name,
          servedElsewhere: () => Promise.resolve(name === "a" ? [records.get("b")!] : []),
        },
        askEdges: () => {
          const facts = { requests: 1, tunnelId: "tun_1", tier: "bound-key", state: "established", rttMs: 1 };
          const zeros = { sinceMs: 0, streams: 0, bytesIn: 0, bytesOut: 0, remote: "192.0.2.1:1" };
          const row = (sessionId: string, agentId: string, isOnline: boolean) => ({
            ...facts,
            ...zeros,
            sessionId,
            agentId,
            isOnline,
            edgeId: "edge-b",
          });
          const rows = [row("s1", "agent-0", false), row("s2", "agent-1", true)];
          return Promise.resolve({ answers: [{ edgeId: "edge-b", rows }], silent: [] });
        },
        announce: (announcement: Announcement) => {
          passed.push(JSON.stringify(announcement));
          if (network.drops) return;
          for (const [other, delivery] of edges) {
            if (other !== name) delivery.heard(JSON.parse(passed.at(-1)!) as PrivateAnnouncement);
          }
        },
        own: () => facts,
        edgeStatic,
        clock,
        random,
        log: () => {},
      }),
    );
  }
  return { clock, passed, offered, network, a: edges.get("a")!, b: edges.get("b")! };
}

const grantAt = (clock: VirtualClock): ChannelInitGrant => ({
  tunnel_url: "wss://b.example/v1/channel/attach",
  channel_id: "c".repeat(32),
  channel_init_expire_at_unix_s: Math.floor(clock.wall() / 1_000) + 120,
  idle_timeout_seconds: 60,
  role: "server",
  token: "t".repeat(900),
  e2ee_psk_b64u: toBase64Url(random(32)),
  allowed_suites: [defaultGrantSuite],
  default_suite: defaultGrantSuite,
});

Deno.test("PrivateDelivery prefers agents of its own edge, and both endpoints meet where the agent is", async () => {
  const { a, b, offered, passed, clock } = twoEdges();
  const own = (await b.locate("tun_1", nobody))!;
  assert.deepEqual([own.instanceId, own.edgeId, own.tunnelUrl], [
    undefined,
    "edge-b",
    "wss://b.example/v1/channel/attach",
  ]);
  assert.deepEqual(await b.offer(own, "tun_1", grantAt(clock)), taken);
  assert.deepEqual([offered.length, passed.length], [1, 0], "nothing passes through the database");
  const far = (await a.locate("tun_1", nobody))!;
  assert.deepEqual([far.instanceId, far.tunnelUrl], ["b", own.tunnelUrl]);
  assert.deepEqual([own.agentId, far.agentId], ["agent-1", "agent-1"]);
  for (const each of [a, b]) assert.equal(await each.locate("tun_1", new Set(["agent-1"])), undefined);
});

Deno.test("PrivateDelivery.offer() reaches an agent of another edge, and the database sees no grant", async () => {
  const { a, offered, passed, clock } = twoEdges();
  const grant = grantAt(clock);
  assert.deepEqual(await a.offer((await a.locate("tun_1", nobody))!, "tun_1", grant), taken);
  assert.deepEqual(offered, [`b tun_1 agent-1 ${grant.channel_id}`]);
  assert.equal(passed.length, 2);
  for (const text of passed) {
    for (const secret of [grant.e2ee_psk_b64u, grant.token, grant.channel_id, "tun_1"]) {
      assert.ok(!text.includes(secret));
    }
    assert.ok(text.length < 7_000, `${text.length}`);
  }
  assert.equal(clock.pending, 0);
});

Deno.test("PrivateDelivery.offer() tells what the other edge refuses with, and waits so long: private_offer_timeout", async () => {
  // deno-lint-ignore require-await -- what it throws is a rejection
  const { a, network, clock } = twoEdges(async () => {
    throw new PosternError("private_offer_refused");
  });
  const far = (await a.locate("tun_1", nobody))!;
  await assert.rejects(a.offer(far, "tun_1", grantAt(clock)), code("private_offer_refused"));
  await assert.rejects(
    a.offer(far, "tun_1", { ...grantAt(clock), role: "client" }),
    code("grant_wrong_role"),
  );
  network.drops = true;
  const waiting = assert.rejects(a.offer(far, "tun_1", grantAt(clock)), code("private_offer_timeout"));
  await settle();
  clock.advance(8_000);
  await waiting;
  await assert.rejects(
    a.offer(far, "tun_1", { ...grantAt(clock), token: "t".repeat(8_000) }),
    code("grant_malformed"),
  );
});

Deno.test("PrivateDelivery.heard() opens nothing that was changed, moved to another number, or meant for another edge", async () => {
  const { a, b, passed, offered, clock, network } = twoEdges();
  network.drops = true;
  const waiting = a.offer((await a.locate("tun_1", nobody))!, "tun_1", grantAt(clock));
  const late = assert.rejects(waiting, code("private_offer_timeout"));
  const offer = JSON.parse(passed[0]);
  const flipped = offer.sealed[60] === "A" ? "B" : "A";
  for (
    const change of [
      { sealed: offer.sealed.slice(0, 60) + flipped + offer.sealed.slice(61) },
      { sealed: "" },
      { sealed: "not base64url!" },
      { offerId: "another" },
      { to: "c" },
    ]
  ) b.heard({ ...offer, ...change });
  await settle();
  assert.deepEqual(offered, []);
  // Answers to nothing, and of nonsense, harm nobody.
  a.heard({ kind: "private_answer", to: "a", offerId: "another", ...taken });
  b.heard(offer);
  await settle();
  assert.equal(offered.length, 1);
  clock.advance(8_000);
  await late;
});
