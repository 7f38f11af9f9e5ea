import assert from "node:assert/strict";
import { attachAudit } from "../src/attach_audit.ts";
import { attachGate } from "../src/attach_gate.ts";
import type { AttachRefusal } from "../src/edge/mod.ts";
import { codeOf, PosternError } from "../src/errors/mod.ts";
import type { AttachClaims } from "../src/identity/mod.ts";
import type { AuditEntry, Store } from "../src/ports/mod.ts";
import type { TokenVerifier } from "../src/tokens/mod.ts";
import { settle, VirtualClock } from "./support/virtual_clock.ts";

const claims: AttachClaims = {
  iss: "https://edge.test",
  aud: ["postern-edge"],
  iat: 1_000,
  exp: 1_060,
  jti: "token-0123456789",
  channel_id: "channel-0123456789",
  role: "client",
  init_exp: 1_120,
  idle_timeout: 60,
  tenant: "owner",
};

type AskedStore = Pick<Store, "isRevoked" | "machine" | "tunnel" | "consumeOnce">;

function gateOf(said: Partial<AttachClaims>, store: Partial<AskedStore> = {}) {
  const asked: string[] = [];
  const gate = attachGate(
    {
      // deno-lint-ignore require-await -- as the verifier does
      async verify(kind: string) {
        asked.push(kind);
        return { ...claims, ...said };
      },
    } as Pick<TokenVerifier, "verify">,
    {
      isRevoked: () => Promise.resolve(false),
      machine: () => Promise.resolve(undefined),
      tunnel: () => Promise.resolve(undefined),
      consumeOnce: (kind, id) => Promise.resolve(asked.push(`${kind} ${id}`) > 0),
      ...store,
    },
    new VirtualClock(),
    {
      edgeAudience: ["postern-edge"],
      issuer: "https://edge.test",
      tokens: { clockSkewMs: 30_000 } as Parameters<typeof attachGate>[3]["tokens"],
    },
  );
  return { gate, asked };
}

Deno.test("attachGate() takes tokens of the edge's own control only, whoever else may publish", async () => {
  assert.equal((await gateOf({}).gate.verify("token")).jti, claims.jti);
  const foreign = gateOf({ iss: "https://elsewhere.test" }).gate.verify("token");
  assert.equal(await foreign.then(() => "taken", codeOf), "token_wrong_issuer");
});

Deno.test("attachGate() spends nothing for a tenant, machine or service that was taken back, and fails closed", async () => {
  const spend = async (store: Partial<AskedStore>, agent_id?: string, tunnel_id?: string) => {
    const { gate, asked } = gateOf({}, store);
    const code = await gate.spend({ ...claims, agent_id, tunnel_id }).then(() => "spent", codeOf);
    return [code, asked.length];
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
