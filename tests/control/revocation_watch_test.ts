import assert from "node:assert/strict";
import { revocationPollMs, startRevocationWatch } from "../../src/control/revocation_watch.ts";
import { PosternError } from "../../src/errors/mod.ts";
import type { MachineRecord } from "../../src/ports/mod.ts";
import { VirtualClock } from "../support/virtual_clock.ts";

function world() {
  const clock = new VirtualClock();
  const revoked = new Set<string>();
  const cut: string[] = [];
  const logged: string[] = [];
  const facts = { revocations: 0, isDown: false, asked: 0 };
  const stop = startRevocationWatch({
    clock,
    log: (_level, event, fields) => void logged.push(`${event} ${fields?.code}`),
    agents: () => ["a", "b", "a"],
    onMachineRevoked: (agentId) => void cut.push(agentId),
    store: {
      machineRevocations: () =>
        facts.isDown ? Promise.reject(new PosternError("store_failed")) : Promise.resolve(facts.revocations),
      machine(agentId) {
        facts.asked++;
        const state = revoked.has(agentId) ? "revoked" : "active";
        return Promise.resolve({ agentId, state } as MachineRecord);
      },
    },
  });
  const tick = async () => {
    clock.advance(revocationPollMs);
    for (let turn = 0; turn < 8; turn++) await Promise.resolve();
  };
  const revoke = (agentId: string) => {
    revoked.add(agentId);
    facts.revocations++;
  };
  return { facts, revoke, cut, logged, stop, tick };
}

Deno.test("startRevocationWatch() cuts machines that another process revoked, within two of its questions", async () => {
  const { facts, revoke, cut, stop, tick } = world();
  await tick();
  assert.deepEqual([cut, facts.asked], [[], 2]);
  revoke("a");
  await tick();
  assert.deepEqual(cut, ["a"]);
  for (let n = 0; n < 5; n++) await tick();
  assert.deepEqual(
    [cut, facts.asked],
    [["a"], 4],
    "machines are asked about when something has changed only",
  );
  assert.ok(revocationPollMs <= 1_000);
  stop();
  revoke("b");
  await tick();
  assert.deepEqual(cut, ["a"]);
});

Deno.test("startRevocationWatch() goes on after the store failed, misses nothing and says so once", async () => {
  const { facts, revoke, cut, logged, stop, tick } = world();
  await tick();
  facts.isDown = true;
  revoke("b");
  for (let n = 0; n < 3; n++) await tick();
  assert.deepEqual([cut, logged], [[], ["revocations of machines not known store_failed"]]);
  facts.isDown = false;
  await tick();
  assert.deepEqual(cut, ["b"]);
  stop();
});
