import assert from "node:assert/strict";
import fc from "fast-check";
import type { AgentSession } from "../../src/edge/agent_session.ts";
import { RouteGroup } from "../../src/edge/route_group.ts";
import { session } from "./agents.ts";

function groupOf(...weights: number[]) {
  const group = new RouteGroup("a.example.test");
  const members = weights.map((weight) => session({ weight }));
  for (const member of members) group.add(member.session);
  return { group, members, sessions: members.map((member) => member.session) };
}

Deno.test("RouteGroup.pick() shares turns exactly by weight within each round, and smoothly", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 6 }), (weights) => {
      const { group, sessions } = groupOf(...weights);
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      for (let round = 0; round < 3; round++) {
        const turns = new Map<AgentSession, number>();
        for (let i = 0; i < total; i++) {
          const picked = group.pick(0)!;
          turns.set(picked, (turns.get(picked) ?? 0) + 1);
        }
        assert.deepEqual(sessions.map((each) => turns.get(each)), weights);
      }
    }),
  );
  const { group, sessions: [heavy, b, c] } = groupOf(5, 1, 1);
  const order = Array.from({ length: 7 }, () => group.pick(0));
  assert.deepEqual(order, [heavy, heavy, b, heavy, c, heavy, heavy]);
});

Deno.test("RouteGroup.pick() passes over unhealthy sessions while another one is there, for a while", () => {
  const { group, sessions: [bad, good] } = groupOf(1, 1);
  for (let i = 0; i < 3; i++) bad.originAnswered(false, 1_000);
  for (let i = 0; i < 6; i++) assert.equal(group.pick(1_000 + i), good);
  assert.equal(group.pick(2_000, new Set([good])), bad, "better than nobody");
  const later = new Set([group.pick(6_000), group.pick(6_000)]);
  assert.ok(later.has(bad));
  bad.originAnswered(false, 6_000);
  assert.equal(bad.isHealthy(6_001), false, "a failure in a row with the others");
  bad.originAnswered(true, 6_002);
  assert.equal(bad.isHealthy(6_002), true);
  const all = groupOf(1, 1);
  for (const each of all.sessions) for (let i = 0; i < 3; i++) each.originAnswered(false, 0);
  assert.notEqual(all.group.pick(0), undefined);
});

Deno.test("RouteGroup.pick() gives no session that is offline or excepted", () => {
  const { group, members: [a, b] } = groupOf(1, 1);
  a.channel.state = "draining";
  assert.equal(group.pick(0), b.session);
  assert.equal(group.pick(0, new Set([b.session])), undefined);
  b.session.lastEchoAt = 0;
  assert.equal(group.pick(0), undefined);
  const one = groupOf(1);
  assert.equal(one.group.pick(0, new Set(one.sessions)), undefined);
  one.members[0].channel.state = "closing";
  assert.equal(one.group.pick(0), undefined);
});

Deno.test("RouteGroup remembers since when it is empty, and wakes who waits when a session comes", () => {
  const { group, sessions: [a, b] } = groupOf(1, 1);
  group.remove(a, 5);
  assert.deepEqual([group.isEmpty, group.emptySince], [false, undefined]);
  group.remove(b, 7);
  group.remove(b, 9);
  assert.deepEqual([group.isEmpty, group.emptySince], [true, 7]);
  const woken: string[] = [];
  group.whenAdded(() => woken.push("a"));
  const stop = group.whenAdded(() => woken.push("b"));
  group.whenAdded(() => woken.push("c"));
  stop();
  assert.equal(group.waiting, 2);
  group.add(a);
  assert.deepEqual([woken, group.waiting, group.emptySince], [["a", "c"], 0, undefined]);
});

Deno.test("RouteGroup.pick() gives an agent the weight of one session, however many it has side by side", () => {
  const group = new RouteGroup("a.example.test");
  const beside = [0, 1, 2].map((index) =>
    session({ agent: "many", carrier: { group: "g".repeat(22), index } }).session
  );
  const alone = session({ agent: "one" }).session;
  for (const each of [...beside, alone]) group.add(each);
  const turns = (rounds: number) => {
    const picked = Array.from({ length: rounds }, () => group.pick(0));
    return [...beside, alone].map((each) => picked.filter((other) => other === each).length);
  };
  assert.deepEqual(turns(60), [10, 10, 10, 30]);
  group.remove(beside[0], 0);
  assert.deepEqual(turns(60), [0, 15, 15, 30]);
});

Deno.test("RouteGroup.pick() takes the channel of an agent that ends in this worker, and one of another only without it", () => {
  const group = new RouteGroup("a.example.test");
  const place = (index: number) => ({ group: "run-1", index });
  const near = session({ agent: "one", carrier: place(0) });
  const far = session({ agent: "one", carrier: place(1), isLinked: true });
  const other = session({ agent: "two", isLinked: true });
  for (const each of [far, near, other]) group.add(each.session);
  const picked = Array.from({ length: 6 }, () => group.pick(0));
  assert.equal(picked.filter((each) => each === near.session).length, 3, "agents share the turns as ever");
  assert.equal(picked.filter((each) => each === other.session).length, 3);
  group.remove(near.session, 0);
  assert.deepEqual(new Set([group.pick(0), group.pick(0)]), new Set([far.session, other.session]));
});
