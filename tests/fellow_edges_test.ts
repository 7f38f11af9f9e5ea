import assert from "node:assert/strict";
import { Sessions } from "../src/edge/mod.ts";
import { PosternError } from "../src/errors/mod.ts";
import { FellowEdges } from "../src/fellow_edges.ts";
import type { AttachClaims } from "../src/identity/mod.ts";
import type { Announcement } from "../src/ports/mod.ts";
import { settle, VirtualClock } from "./support/virtual_clock.ts";

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
      attached: [],
      cutChannel: () => {},
      cutTunnel: (tunnelId, code) => cuts.push(`tunnel ${tunnelId} ${code}`),
      cutAgent: (agentId) => cuts.push(`agent ${agentId}`),
      cutFailed: (tunnelId, agentId) => cuts.push(`failed ${tunnelId} ${agentId}`),
      cutRelayed: (tunnelId, agentId) => cuts.push(`relayed ${tunnelId} ${agentId}`),
      cutWeaker: (tunnelId) => cuts.push(`weaker ${tunnelId}`),
      holdRules: () => {},
    },
    questions: { asked: () => {}, answered: () => {} },
    attaches: { check: () => Promise.resolve() },
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

Deno.test("FellowEdges cuts private channels that may not be any more: when rules change, after a gap, and once a minute", async () => {
  const clock = new VirtualClock();
  const cuts: string[] = [];
  const logged: string[] = [];
  const refused = new Set<string>();
  let isAway = false;
  let tell = (_announcement: Announcement) => {};
  let gap = () => {};
  const channel = (channel_id: string, tunnel_id: string) => ({ channel_id, tunnel_id }) as AttachClaims;
  const fellows = new FellowEdges({
    store: {
      announce: () => Promise.resolve(),
      listen(onAnnouncement, onGap) {
        tell = onAnnouncement;
        gap = onGap;
        return Promise.resolve(() => Promise.resolve());
      },
      tunnel: () => Promise.resolve(undefined),
    },
    edge: {
      // No agent's session is here.
      sessions: new Sessions({
        clock,
        log: () => {},
        graceMs: 30_000,
        replacement: { maxCount: 5, windowMs: 10_000 },
      }),
      attached: [channel("a", "tun_1"), channel("b", "tun_1"), channel("c", "tun_2")],
      cutChannel: (channelId) => void cuts.push(channelId),
      cutTunnel: () => {},
      cutAgent: () => {},
      cutFailed: () => {},
      cutRelayed: () => {},
      cutWeaker: () => {},
      holdRules: () => {},
    },
    questions: { asked: () => {}, answered: () => {} },
    gate: { checkTunnel: () => Promise.resolve(undefined) },
    attaches: {
      check({ channel_id }) {
        if (isAway) return Promise.reject(new PosternError("store_unavailable"));
        return refused.has(channel_id)
          ? Promise.reject(new PosternError("private_service_unknown"))
          : Promise.resolve();
      },
    },
    clock,
    log: (_level, event) => void logged.push(event),
    onTokensRevoked: () => {},
    onPrivate: () => {},
    onNodeTrustChanged: () => {},
  });
  const cutBy = async (cause: () => void) => {
    cuts.length = 0;
    cause();
    for (let turn = 0; turn < 20; turn++) await settle();
    return [...cuts];
  };
  refused.add("a").add("c");
  assert.deepEqual(await cutBy(() => tell({ kind: "rules_changed", tunnelId: "tun_1" })), ["a"]);
  assert.deepEqual(await cutBy(() => gap()), ["a", "c"]);
  assert.deepEqual(await cutBy(() => clock.advance(60_000)), ["a", "c"]);
  isAway = true;
  assert.deepEqual(await cutBy(() => gap()), [], "what is not known is asked again");
  assert.ok(logged.includes("private channels not checked"));
  isAway = false;
  assert.deepEqual(await cutBy(() => clock.advance(60_000)), ["a", "c"]);
  await fellows.stop();
  assert.deepEqual(await cutBy(() => tell({ kind: "rules_changed", tunnelId: "tun_1" })), []);
});
