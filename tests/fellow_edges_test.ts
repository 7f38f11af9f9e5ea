import assert from "node:assert/strict";
import { Sessions } from "../src/edge/mod.ts";
import { FellowEdges } from "../src/fellow_edges.ts";
import type { Announcement } from "../src/ports/mod.ts";
import { VirtualClock } from "./support/virtual_clock.ts";

Deno.test("FellowEdges cuts what a machine has here when it failed at another edge", async () => {
  const clock = new VirtualClock();
  const cuts: string[] = [];
  let tell = (_announcement: Announcement) => {};
  const fellows = new FellowEdges({
    store: {
      announce: () => Promise.resolve(),
      listen(onAnnouncement) {
        tell = onAnnouncement;
        return Promise.resolve(() => Promise.resolve());
      },
      tunnel: () => Promise.resolve(undefined),
    },
    edge: {
      sessions: new Sessions({
        clock,
        log: () => {},
        graceMs: 30_000,
        replacement: { maxCount: 5, windowMs: 10_000 },
      }),
      cutTunnel: (tunnelId, code) => cuts.push(`tunnel ${tunnelId} ${code}`),
      cutAgent: (agentId) => cuts.push(`agent ${agentId}`),
      cutFailed: (tunnelId, agentId) => cuts.push(`failed ${tunnelId} ${agentId}`),
      cutRelayed: (tunnelId, agentId) => cuts.push(`relayed ${tunnelId} ${agentId}`),
      cutWeaker: (tunnelId) => cuts.push(`weaker ${tunnelId}`),
      holdRules: () => {},
    },
    questions: { asked: () => {}, answered: () => {} },
    gate: { checkTunnel: () => Promise.resolve(undefined) },
    clock,
    log: () => {},
    onTokensRevoked: () => {},
    onPrivate: ({ kind, to }) => cuts.push(`${kind} ${to}`),
    onNodeTrustChanged: () => {},
  });
  tell({ kind: "attestation_failed", tunnelId: "tun_1", agentId: "agent-1" });
  tell({ kind: "machine_revoked", agentId: "agent-2" });
  tell({ kind: "attestation_lapsed", tunnelId: "tun_1", agentId: "agent-3" });
  assert.deepEqual(cuts, ["failed tun_1 agent-1", "agent agent-2", "relayed tun_1 agent-3"]);
  cuts.length = 0;
  tell({ kind: "private_offer", to: "b", from: "a", offerId: "1", sealed: "AAAA" });
  tell({ kind: "private_answer", to: "a", offerId: "1", code: "private_offer_refused" });
  assert.deepEqual(cuts, ["private_offer b", "private_answer a"]);
  await fellows.stop();
  tell({ kind: "attestation_failed", tunnelId: "tun_1", agentId: "agent-1" });
  assert.equal(cuts.length, 2, "nothing after stop()");
});
