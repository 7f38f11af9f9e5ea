import assert from "node:assert/strict";
import {
  keepKeyset,
  openKeyset,
  startUpkeep,
  sweepAbandoned,
  upkeepIntervalMs,
} from "../../src/control/mod.ts";
import { codeOf } from "../../src/errors/mod.ts";
import { verifyStage0 } from "../../src/identity/mod.ts";
import { countingRandom } from "../identity/support.ts";
import { issuer, openControl } from "./support.ts";

const hourMs = 3_600_000;

Deno.test("openKeyset() makes keys once; a second process has the same", async () => {
  await using control = await openControl();
  const other = await openKeyset({ store: control.store, clock: control.clock, random: countingRandom(99) });
  assert.deepEqual(other.jwks(), control.keyset.jwks());
});

Deno.test("openKeyset() refuses to replace stored keys that it cannot read: keyset_malformed", async () => {
  await using control = await openControl();
  for (const [index, value] of ["not json", "{}"].entries()) {
    assert.equal(await control.store.saveKeyset(value, index + 1), true);
    const { store, clock } = control;
    const code = await openKeyset({ store, clock, random: countingRandom() }).then(() => "opened", codeOf);
    assert.equal(code, "keyset_malformed");
  }
});

Deno.test("keepKeyset() rotates for all processes: each verifies what the other signs", async () => {
  await using control = await openControl({ config: { anonymousTunnels: true } });
  const deps = { store: control.store, clock: control.clock, random: countingRandom(50) };
  const other = await openKeyset(deps);
  control.clock.advance(23 * hourMs);
  await keepKeyset(control.deps, control.keyset);
  await keepKeyset(deps, other);
  assert.equal(control.keyset.jwks().keys.length, 2);
  assert.deepEqual(other.jwks(), control.keyset.jwks());
  const before = control.keyset.signingKey().kid;
  control.clock.advance(hourMs);
  await keepKeyset(control.deps, control.keyset);
  assert.notEqual(control.keyset.signingKey().kid, before);
  const { ephemeral_token } = (await control.post("/tunnels/create", {})).json;
  // The other process has not looked at the store since, and knows the key already.
  await verifyStage0(ephemeral_token, other, {
    audience: "postern-edge",
    issuer,
    nowMs: control.clock.wall(),
  });
  await keepKeyset(deps, other);
  assert.deepEqual(other.jwks(), control.keyset.jwks());
});

Deno.test("keepKeyset() gives up when others keep writing: store_busy", async () => {
  await using control = await openControl();
  control.clock.advance(23 * hourMs);
  const store = { ...control.store, saveKeyset: () => Promise.resolve(false) };
  const code = await keepKeyset({ ...control.deps, store }, control.keyset).then(() => "kept", codeOf);
  assert.equal(code, "store_busy");
});

Deno.test("sweepAbandoned() frees anonymous names that nobody holds or serves, and no others", async () => {
  await using control = await openControl({ config: { anonymousTunnels: true } });
  const create = async (name: string, token?: string) =>
    (await control.post("/tunnels/create", { requested_name: name }, token)).json.tunnel_id;
  const left = await create("left");
  const served = await create("served");
  await create("owned", await control.tokenOf("alice"));
  control.presences.set(served, { status: "online", agents: 1, tiers: ["tpm"] });
  assert.equal(await sweepAbandoned(control.deps), 0);
  control.clock.advance(hourMs + 30_001);
  assert.equal(await sweepAbandoned(control.deps), 1);
  assert.deepEqual(control.deleted, [`${left} abandoned`]);
  assert.ok(await control.store.tunnelByName("served"));
  assert.ok(await control.store.tunnelByName("owned"));
});

Deno.test("startUpkeep() forgets a day later that the proof of an agent was put off which never came back", async () => {
  await using control = await openControl();
  const forgetDeferrals = Promise.withResolvers<void>();
  const store = {
    ...control.store,
    forgetDeferrals: async (beforeMs: number) => {
      const count = await control.store.forgetDeferrals(beforeMs);
      if (count > 0) forgetDeferrals.resolve();
      return count;
    },
  };
  const who = { tunnelId: "tun_1", agentId: "agent-1" };
  const spent = () => control.store.deferralSpent(who.tunnelId, who.agentId);
  await control.store.deferAttestation({ ...who, nowMs: control.clock.wall(), byMs: 1_000, capMs: 5_000 });
  control.clock.advance(24 * hourMs);
  const stop = startUpkeep({ ...control.deps, store });
  assert.equal(await spent(), 1_000);
  control.clock.advance(upkeepIntervalMs);
  await forgetDeferrals.promise;
  assert.equal(await spent(), 0);
  stop();
});

Deno.test("startUpkeep() works every minute until it is stopped, and logs what fails", async () => {
  await using control = await openControl({ config: { anonymousTunnels: true } });
  const passes: Promise<unknown>[] = [];
  const store = {
    ...control.store,
    loadKeyset: () => {
      const loading = control.store.loadKeyset();
      passes.push(loading.catch(() => {}));
      return loading;
    },
  };
  const settle = async () => {
    for (let turn = 0; turn < 50; turn++) await new Promise<void>((resolve) => queueMicrotask(resolve));
    await crypto.subtle.digest("SHA-256", new Uint8Array(1));
  };
  const stop = startUpkeep({ ...control.deps, store });
  control.clock.advance(upkeepIntervalMs - 1);
  assert.equal(passes.length, 0);
  await control.store.close();
  control.clock.advance(1);
  await settle();
  assert.equal(passes.length, 1);
  assert.ok(
    control.logged.some((line) => line.includes("control upkeep failed") && line.includes("store_failed")),
  );
  control.clock.advance(upkeepIntervalMs);
  await settle();
  assert.equal(passes.length, 2);
  stop();
  control.clock.advance(upkeepIntervalMs * 5);
  await settle();
  assert.equal(passes.length, 2);
});
