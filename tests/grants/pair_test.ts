import assert from "node:assert/strict";
import fc from "fast-check";
import { fromBase64Url } from "../../src/bytes/mod.ts";
import {
  channelIdSchema,
  composeGrantPair,
  consumeAttachToken,
  formatGrant,
  maxGrantChars,
  newChannelId,
  type PairRequest,
  readGrant,
} from "../../src/grants/mod.ts";
import { verifyAttach } from "../../src/identity/mod.ts";
import { openSqliteStore } from "../../src/store/mod.ts";
import {
  atEdge,
  countingRandom,
  issuer,
  newKeyset,
  nowMs,
  nowSeconds,
  refusedWith,
} from "../identity/support.ts";

const request: PairRequest = {
  tunnelUrl: "wss://edge.example.com/relay",
  issuer,
  audience: ["postern-edge"],
  tenant: "alice",
  requester: "bob",
  tunnelId: "tunnel-1",
  edgeId: "edge-1",
  channelId: newChannelId(countingRandom(5)),
  psk: new Uint8Array(32).fill(3),
  initExpireAtS: nowSeconds + 120,
  idleTimeoutSeconds: 60,
  tokenSeconds: 60,
  client: { staticKey: "A".repeat(43) },
  server: { agentId: "agent-1" },
};

Deno.test("newChannelId() is base64url of 24 random bytes", () => {
  const id = newChannelId(countingRandom());
  assert.equal(fromBase64Url(id).length, 24);
  assert.equal(channelIdSchema.parse(id), id);
});

Deno.test("composeGrantPair() makes both sides of one window, id and key, with a token of its own each", async () => {
  const keyset = await newKeyset();
  const pair = await composeGrantPair(request, keyset, { nowMs, random: countingRandom() });
  const { role: _c, token: clientToken, peer_agent_id, ...client } = readGrant(pair.client, {
    role: "client",
    nowMs,
  });
  const { role: _s, token: serverToken, peer_static_key, ...server } = readGrant(pair.server, {
    role: "server",
    nowMs,
  });
  assert.deepEqual(client, server);
  assert.equal(client.channel_init_expire_at_unix_s, request.initExpireAtS);
  assert.deepEqual([peer_agent_id, peer_static_key], ["agent-1", "A".repeat(43)]);
  assert.notEqual(clientToken, serverToken);
  for (const [role, token] of [["client", clientToken], ["server", serverToken]] as const) {
    assert.deepEqual(await verifyAttach(token, keyset, atEdge), {
      iss: issuer,
      aud: ["postern-edge"],
      iat: nowSeconds,
      exp: nowSeconds + 60,
      jti: pair.tokens[role],
      channel_id: request.channelId,
      role,
      init_exp: request.initExpireAtS,
      idle_timeout: 60,
      tenant: "alice",
      requester: "bob",
      tunnel_id: "tunnel-1",
      edge_id: "edge-1",
      // Each half names the agent that it is for: its channels end when its machine is revoked.
      ...(role === "server" ? { agent_id: "agent-1" } : {}),
    });
  }
  assert.equal(pair.tokens.expireAtMs, nowMs + 60_000);
});

Deno.test("composeGrantPair() never lets a token outlive the window, and makes none for a window that is over", async () => {
  const keyset = await newKeyset();
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 600 }),
      fc.integer({ min: 1, max: 600 }),
      async (window, ttl) => {
        const { client, server } = await composeGrantPair(
          { ...request, initExpireAtS: nowSeconds + window, tokenSeconds: ttl },
          keyset,
          { nowMs, random: countingRandom() },
        );
        for (const { token, channel_init_expire_at_unix_s } of [client, server]) {
          const { exp, init_exp } = await verifyAttach(token, keyset, atEdge);
          assert.equal(init_exp, channel_init_expire_at_unix_s);
          assert.equal(exp, nowSeconds + Math.min(window, ttl));
        }
      },
    ),
    { numRuns: 20 },
  );
  for (const initExpireAtS of [nowSeconds, nowSeconds - 61]) {
    const issue = { nowMs, random: countingRandom() };
    await refusedWith("grant_expired", composeGrantPair({ ...request, initExpireAtS }, keyset, issue));
  }
});

Deno.test("the longest grant that composeGrantPair() can make is one that parseGrant() takes", async () => {
  const { client } = await composeGrantPair(
    {
      ...request,
      issuer: `https://${"i".repeat(240)}`,
      tunnelUrl: `wss://${"e".repeat(490)}/`,
      audience: Array.from({ length: 8 }, () => "a".repeat(256)),
      tenant: "t".repeat(128),
    },
    await newKeyset(),
    { nowMs, random: countingRandom() },
  );
  assert.ok(formatGrant(client).length < maxGrantChars / 2);
  readGrant(client, { role: "client", nowMs });
});

Deno.test("consumeAttachToken() lets exactly one of many callers past: token_replayed", async () => {
  const store = openSqliteStore(":memory:", { wall: () => nowMs });
  try {
    const jti = "attach-token-0001";
    const outcomes = await Promise.allSettled(
      Array.from({ length: 8 }, () => consumeAttachToken(store, jti, nowSeconds + 60)),
    );
    assert.equal(outcomes.filter(({ status }) => status === "fulfilled").length, 1);
    await refusedWith("token_replayed", consumeAttachToken(store, jti, nowSeconds + 60));
  } finally {
    await store.close();
  }
});
