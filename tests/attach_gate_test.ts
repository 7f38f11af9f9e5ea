import assert from "node:assert/strict";
import { attachAudit } from "../src/attach_audit.ts";
import { attachGate } from "../src/attach_gate.ts";
import type { AttachRefusal } from "../src/edge/mod.ts";
import { codeOf, PosternError } from "../src/errors/mod.ts";
import { type AttachClaims, issueAttach } from "../src/identity/mod.ts";
import type { AuditEntry, Store } from "../src/ports/mod.ts";
import { countingRandom, issuer, newKeyset, nowMs, nowSeconds } from "./identity/support.ts";
import { settle, VirtualClock } from "./support/virtual_clock.ts";

/** As the edge's own control says it. */
const said = {
  iss: issuer,
  aud: ["postern-edge"],
  channel_id: "channel-0123456789",
  role: "client",
  init_exp: nowSeconds + 120,
  idle_timeout: 60,
  tenant: "owner",
} as const;
const claims: AttachClaims = {
  ...said,
  aud: [...said.aud],
  iat: nowSeconds,
  exp: nowSeconds + 60,
  jti: "token-0123456789",
};

type AskedStore = Pick<
  Store,
  "isRevoked" | "machine" | "tunnel" | "consumeOnce" | "attestation" | "newestAttestation"
>;

async function gateOf(store: Partial<AskedStore> = {}) {
  const spent: string[] = [];
  const keyset = await newKeyset();
  const gate = attachGate(
    keyset,
    {
      isRevoked: () => Promise.resolve(false),
      machine: () => Promise.resolve(undefined),
      tunnel: () => Promise.resolve(undefined),
      attestation: () => Promise.resolve(undefined),
      newestAttestation: () => Promise.resolve(undefined),
      consumeOnce: (kind, id) => Promise.resolve(spent.push(`${kind} ${id}`) > 0),
      ...store,
    },
    new VirtualClock(nowMs),
    {
      edgeAudience: ["postern-edge"],
      issuer,
      tokens: { clockSkewMs: 30_000 } as Parameters<typeof attachGate>[3]["tokens"],
    },
  );
  return { gate, spent, keyset };
}

Deno.test("attachGate() takes attach tokens of the edge's own control only, while they last", async () => {
  const { gate, keyset } = await gateOf();
  const issue = { nowMs, random: countingRandom(), ttlSeconds: 60 };
  const codeFor = async (token: string) => await gate.verify(token).then(() => "taken", codeOf);
  const draft = { ...said, aud: [...said.aud] };
  const { token, jti } = await issueAttach(draft, keyset, issue);
  assert.equal((await gate.verify(token)).jti, jti);
  const others: [string, string][] = [
    [
      "token_wrong_issuer",
      (await issueAttach({ ...draft, iss: "https://elsewhere.test" }, keyset, issue)).token,
    ],
    ["token_wrong_audience", (await issueAttach({ ...draft, aud: ["somebody"] }, keyset, issue)).token],
    ["token_unknown_key", (await issueAttach(draft, await newKeyset(9), issue)).token],
    ["token_expired", (await issueAttach(draft, keyset, { ...issue, nowMs: nowMs - 91_000 })).token],
    ["token_malformed", "no token at all"],
  ];
  for (const [code, token] of others) assert.equal(await codeFor(token), code);
});

Deno.test("attachGate() spends nothing for a tenant, machine or service that was taken back, and fails closed", async () => {
  const spend = async (store: Partial<AskedStore>, agent_id?: string, tunnel_id?: string) => {
    const { gate, spent } = await gateOf(store);
    const code = await gate.spend({ ...claims, agent_id, tunnel_id }).then(() => "spent", codeOf);
    return [code, spent.length];
  };
  const machine = (state: string): Pick<AskedStore, "machine"> => ({
    machine: () => Promise.resolve({ state } as Awaited<ReturnType<Store["machine"]>>),
  });
  assert.deepEqual(await spend({}), ["spent", 1]);
  assert.deepEqual(await spend(machine("active"), "agent-1"), ["spent", 1]);
  assert.deepEqual(await spend(machine("revoked"), "agent-1"), ["machine_revoked", 0]);
  const tunnel = () => Promise.resolve({} as Awaited<ReturnType<Store["tunnel"]>>);
  assert.deepEqual(await spend({ tunnel }, undefined, "tunnel-1"), ["spent", 1]);
  assert.deepEqual(await spend({}, undefined, "tunnel-1"), ["tunnel_deleted", 0]);
  assert.deepEqual(await spend({ isRevoked: () => Promise.resolve(true) }), ["token_revoked", 0]);
  assert.deepEqual(await spend({ consumeOnce: () => Promise.resolve(false) }), ["token_replayed", 0]);
  const away = () => Promise.reject(new PosternError("store_unavailable"));
  assert.deepEqual(await spend({ isRevoked: away }), ["store_unavailable", 0]);
  assert.deepEqual(await spend({ consumeOnce: away }), ["store_unavailable", 0]);
});

Deno.test("attachGate() spends nothing for a requester whose tokens were revoked, whoever the tenant is", async () => {
  const { gate, spent } = await gateOf({ isRevoked: ({ owner }) => Promise.resolve(owner === "guest") });
  await gate.spend({ ...claims, requester: "another" });
  assert.equal(
    await gate.spend({ ...claims, requester: "guest" }).then(() => "spent", codeOf),
    "token_revoked",
  );
  assert.equal(spent.length, 1);
});

Deno.test("attachGate() spends nothing for an agent whose attestation does not stand: attestation_failed", async () => {
  const standing = (state: string) => () =>
    Promise.resolve({ state, body: "{}" } as Awaited<ReturnType<Store["attestation"]>>);
  const tunnel = () => Promise.resolve({} as Awaited<ReturnType<Store["tunnel"]>>);
  const spend = async (store: Partial<AskedStore>, change: Partial<AttachClaims>) => {
    const { gate } = await gateOf({ tunnel, ...store });
    return await gate.spend({ ...claims, agent_id: "agent-1", tunnel_id: "tunnel-1", ...change })
      .then(() => "spent", codeOf);
  };
  const asked = { role: "client", attestation_id: "attestation-1" } as const;
  const states = ["passed", "asked", "ended", "failed", "lapsed"];
  const expected = ["spent", "spent", "spent", "attestation_failed", "attestation_failed"];
  const clients = states.map((state) => spend({ attestation: standing(state) }, asked));
  assert.deepEqual(await Promise.all(clients), expected);
  const servers = states.map((state) => spend({ newestAttestation: standing(state) }, { role: "server" }));
  assert.deepEqual(await Promise.all(servers), expected);
  assert.equal(await spend({}, asked), "attestation_failed", "one that was named, and is gone");
  assert.equal(await spend({}, { role: "server" }), "spent", "it is never asked again");
});

Deno.test("attachGate() takes a machine that is gone, and had proved itself by its TPM, for a revoked one", async () => {
  const proved = (body: string) => () =>
    Promise.resolve({ state: "passed", body } as Awaited<ReturnType<Store["attestation"]>>);
  const spend = async (store: Partial<AskedStore>) => {
    const { gate } = await gateOf(store);
    return await gate.spend({ ...claims, agent_id: "agent-1", attestation_id: "attestation-1" })
      .then(() => "spent", codeOf);
  };
  const machine = () => Promise.resolve({ state: "active" } as Awaited<ReturnType<Store["machine"]>>);
  assert.equal(await spend({ attestation: proved('{"tier":"tpm"}') }), "machine_revoked");
  assert.equal(await spend({ attestation: proved('{"tier":"tpm"}'), machine }), "spent");
  assert.equal(await spend({ attestation: proved('{"tier":"bound-key"}') }), "spent");
  assert.equal(await spend({ attestation: proved("{}") }), "spent", "another control judged it");
});

Deno.test("attachGate() spends nothing for a server without a TPM where the service demands one: tier_too_weak", async () => {
  const tunnel = () => Promise.resolve({ requireTier: "tpm" } as Awaited<ReturnType<Store["tunnel"]>>);
  const machine = () => Promise.resolve({ state: "active" } as Awaited<ReturnType<Store["machine"]>>);
  const spend = async (store: Partial<AskedStore>, role: "client" | "server") => {
    const { gate } = await gateOf({ tunnel, ...store });
    return await gate.spend({ ...claims, role, agent_id: "agent-1", tunnel_id: "tunnel-1" })
      .then(() => "spent", codeOf);
  };
  assert.equal(await spend({}, "server"), "tier_too_weak");
  assert.equal(await spend({ machine }, "server"), "spent");
  assert.equal(await spend({}, "client"), "spent");
});

Deno.test("attachGate().check() holds a channel against who may connect now: private_service_unknown", async () => {
  const invites = (connect: string[]) => () =>
    Promise.resolve(
      { owner: "owner", rules: { value: JSON.stringify({ connect }), revision: 1 } } as Awaited<
        ReturnType<Store["tunnel"]>
      >,
    );
  const guest = { ...claims, requester: "guest", tunnel_id: "tunnel-1" };
  const check = async (connect: string[], change: Partial<AttachClaims> = {}) => {
    const { gate, spent } = await gateOf({ tunnel: invites(connect) });
    const code = await gate.check({ ...guest, ...change }).then(() => "good", codeOf);
    assert.equal(spent.length, 0, "it spends nothing");
    return code;
  };
  assert.equal(await check(["guest"]), "good");
  assert.equal(await check(["another"]), "private_service_unknown");
  assert.equal(await check([], { requester: "owner" }), "good");
  assert.equal(await check([], { requester_role: "operator" }), "good");
  assert.equal(await check([], { attestation_id: "long-forgotten", requester: "owner" }), "good");
  const { gate, spent } = await gateOf({ tunnel: invites([]) });
  assert.equal(await gate.spend(guest).then(() => "spent", codeOf), "private_service_unknown");
  assert.equal(spent.length, 0);
});

Deno.test("attachAudit() writes down who showed a token, within its budget, and never the token", async () => {
  const lines: AuditEntry[] = [];
  const clock = new VirtualClock();
  const logged: string[] = [];
  let isAway = false;
  const audit = attachAudit({
    clock,
    log: (_level, event) => void logged.push(event),
    store: {
      // deno-lint-ignore require-await -- as the store does
      async appendAudit(entry) {
        if (isAway) throw new PosternError("store_unavailable");
        lines.push(entry);
      },
    },
  });
  const refusal: AttachRefusal = {
    code: "token_replayed",
    reason: "token_replay",
    remote: "192.0.2.1:5",
    claims,
  };
  audit(refusal);
  audit({ ...refusal, claims: undefined, code: "token_expired", reason: "invalid_token" });
  audit({ ...refusal, claims: undefined, code: "relay_full", reason: "too_many_connections" });
  assert.deepEqual(lines.map(({ actor, action, subject, outcome }) => [actor, action, subject, outcome]), [
    ["owner", "channel.attach", "channel-0123456789", "token_replayed"],
    ["anonymous", "channel.attach", "relay", "token_expired"],
  ]);
  assert.deepEqual(lines[0].detail, {
    reason: "token_replay",
    remote: "192.0.2.1:5",
    role: "client",
    token_id: "token-0123456789",
  });
  for (let at = 0; at < 100; at++) audit(refusal);
  assert.equal(lines.length, 60);
  isAway = true;
  await clock.advanceAsync(1_000);
  audit(refusal);
  await settle();
  assert.deepEqual(logged, ["audit line not written"]);
});
