import assert from "node:assert/strict";
import { Sessions } from "../../src/edge/sessions.ts";
import { type ErrorCode, PosternError } from "../../src/errors/mod.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { session } from "./agents.ts";

const code = (expected: ErrorCode) => (error: unknown) =>
  error instanceof PosternError && error.code === expected;

function setup() {
  const clock = new VirtualClock();
  const sessions = new Sessions({
    clock,
    log: () => {},
    graceMs: 30_000,
    replacement: { maxCount: 5, windowMs: 10_000 },
  });
  return { clock, sessions };
}

Deno.test("Sessions.add() fences older sessions of the same agent and tunnel at once, and nobody else's", () => {
  const { sessions } = setup();
  const old = session();
  const others = [session({ agent: "another" }), session({ tunnel: "another" })];
  for (const each of [old, ...others]) {
    sessions.add(each.session, undefined, 0);
    sessions.online(each.session);
  }
  const fresh = session();
  sessions.add(fresh.session, undefined, 0);
  assert.equal(old.channel.closedWith!.code, "session_fenced");
  for (const other of others) assert.equal(other.channel.closedWith, undefined);
  assert.equal(sessions.routes.group("a.example.test")!.sessions.includes(old.session), false);
  assert.equal(
    sessions.routes.group("a.example.test")!.sessions.includes(fresh.session),
    false,
    "not online yet",
  );
  sessions.online(fresh.session);
  assert.equal(sessions.routes.group("a.example.test")!.sessions.includes(fresh.session), true);
});

Deno.test("Sessions.add() drains the session that the new one replaces in order", () => {
  const { sessions } = setup();
  const old = session({ id: "old" });
  sessions.add(old.session, undefined, 0);
  sessions.add(session().session, "old", 7_000);
  assert.deepEqual([old.channel.drainedFor, old.channel.closedWith], [7_000, undefined]);
});

Deno.test("Sessions.checkReplacement() allows five replacements in ten seconds and then throws replace_rate_limited", () => {
  for (const orderly of [false, true]) {
    const { sessions, clock } = setup();
    const replace = () => {
      sessions.checkReplacement("tunnel", "agent");
      const previous = sessions.all.at(-1)?.id;
      const next = session();
      sessions.add(next.session, orderly ? previous : undefined, 1_000);
      if (!orderly) return;
      for (const old of sessions.all) if (old !== next.session) sessions.remove(old);
    };
    for (let i = 0; i <= 5; i++) replace();
    assert.throws(replace, code("replace_rate_limited"));
    sessions.checkReplacement("tunnel", "another");
    clock.advance(9_999);
    assert.throws(replace, code("replace_rate_limited"));
    clock.advance(1);
    replace();
  }
});

Deno.test("Sessions counts a session that was fenced once, however long its channel takes to close", () => {
  const { sessions } = setup();
  for (let i = 0; i < 4; i++) sessions.add(session().session, undefined, 0);
  sessions.checkReplacement("tunnel", "agent"); // three were replaced, though all are still closing
});

Deno.test("Sessions.online() is for sessions that are there and whose channel stands", () => {
  const { sessions } = setup();
  const gone = session();
  sessions.add(gone.session, undefined, 0);
  sessions.remove(gone.session);
  sessions.online(gone.session);
  const draining = session();
  sessions.add(draining.session, undefined, 0);
  draining.channel.state = "draining";
  sessions.online(draining.session);
  assert.equal(sessions.routes.find("a.example.test"), undefined);
});

Deno.test("Sessions.retire() and remove() take a session from its routes", () => {
  const { sessions } = setup();
  const one = session();
  sessions.add(one.session, undefined, 0);
  sessions.online(one.session);
  sessions.retire(one.session);
  assert.equal(sessions.routes.find("a.example.test")!.isEmpty, true);
  assert.deepEqual([sessions.size, sessions.ofTunnel("tunnel")], [1, [one.session]]);
  sessions.remove(one.session);
  assert.equal(sessions.size, 0);
});

Deno.test("Sessions.cutTunnel() cuts its sessions, and its names are unknown at once", () => {
  const { sessions } = setup();
  const [mine, other] = [session(), session({ tunnel: "other", hostnames: ["b.example.test"] })];
  for (const each of [mine, other]) {
    sessions.add(each.session, undefined, 0);
    sessions.online(each.session);
  }
  sessions.cutTunnel("tunnel", new PosternError("tunnel_deleted"));
  assert.equal(mine.channel.closedWith!.code, "tunnel_deleted");
  assert.equal(other.channel.closedWith, undefined);
  assert.equal(sessions.routes.find("a.example.test"), undefined);
  assert.notEqual(sessions.routes.find("b.example.test"), undefined);
});

Deno.test("Sessions.cutAgent() cuts all sessions of the agent, linked ones too, and leaves the names to others", () => {
  const { sessions } = setup();
  const [mine, draining, other] = [session(), session({ tunnel: "second" }), session({ agent: "another" })];
  for (const each of [mine, draining, other]) {
    sessions.add(each.session, undefined, 0);
    sessions.online(each.session);
  }
  draining.session.channel.drain("draining", 1_000, 0);
  const linked = session({ isLinked: true });
  sessions.link(linked.session);
  sessions.cutAgent("agent", new PosternError("machine_revoked"));
  for (const each of [mine, draining, linked]) assert.equal(each.channel.closedWith?.code, "machine_revoked");
  assert.equal(other.channel.closedWith, undefined);
  assert.deepEqual(sessions.routes.find("a.example.test")?.sessions, [other.session]);
});

Deno.test("Sessions.cutWeaker() cuts sessions of weaker agents of the tunnel, linked ones too, and no others", () => {
  const { sessions } = setup();
  const [weak, strong, elsewhere] = [
    session(),
    session({ agent: "machine", tier: "tpm" }),
    session({ tunnel: "second" }),
  ];
  for (const each of [weak, strong, elsewhere]) {
    sessions.add(each.session, undefined, 0);
    sessions.online(each.session);
  }
  const linked = session({ agent: "another", isLinked: true });
  sessions.link(linked.session);
  assert.deepEqual(sessions.agentsOfTier("tunnel", "tpm"), new Set(["machine"]));
  sessions.cutWeaker("tunnel", "tpm", new PosternError("tier_too_weak"));
  for (const each of [weak, linked]) assert.equal(each.channel.closedWith?.code, "tier_too_weak");
  for (const each of [strong, elsewhere]) assert.equal(each.channel.closedWith, undefined);
});

Deno.test("Sessions.drain() asks every agent and resolves when the last session has gone", async () => {
  const { sessions } = setup();
  await sessions.drain(1_000);
  const all = [session(), session({ agent: "b" })];
  for (const each of all) sessions.add(each.session, undefined, 0);
  let over = false;
  const drained = sessions.drain(9_000).then(() => over = true);
  assert.deepEqual(all.map((each) => each.channel.drainedFor), [9_000, 9_000]);
  sessions.remove(all[0].session);
  await Promise.resolve();
  assert.equal(over, false);
  sessions.remove(all[1].session);
  await drained;
});

Deno.test("Sessions.add() leaves sessions beside it alone, fences its own place and every other run of the agent", () => {
  const { sessions } = setup();
  const place = (group: string, index: number) => ({ carrier: { group: group.repeat(22), index } });
  const first = [0, 1, 2].map((index) => session(place("a", index)));
  for (const each of first) sessions.add(each.session, undefined, 0);
  for (const { channel } of first) assert.equal(channel.closedWith, undefined);
  const again = session(place("a", 1));
  sessions.add(again.session, undefined, 0);
  assert.deepEqual(first.map(({ channel }) => channel.closedWith?.code), [
    undefined,
    "session_fenced",
    undefined,
  ]);
  const strangers = [
    session({ agent: "another", ...place("a", 0) }),
    session({ tunnel: "another", ...place("a", 0) }),
  ];
  for (const each of strangers) sessions.add(each.session, undefined, 0);
  const nextRun = session(place("b", 0));
  sessions.add(nextRun.session, undefined, 0);
  for (const { channel } of [...first, again]) assert.equal(channel.closedWith?.code, "session_fenced");
  for (const { channel } of strangers) assert.equal(channel.closedWith, undefined);
  const only = session();
  sessions.add(only.session, undefined, 0);
  assert.equal(nextRun.channel.closedWith?.code, "session_fenced", "one without a place is the only one");
});

Deno.test("Sessions counts replacements for each place: eight carriers that reconnect at once are no storm", () => {
  const { sessions } = setup();
  const place = (index: number) => ({ carrier: { group: "a".repeat(22), index } });
  for (let round = 0; round < 2; round++) {
    for (let index = 0; index < 8; index++) {
      sessions.checkReplacement("tunnel", "agent", index);
      sessions.add(session(place(index)).session, undefined, 0);
    }
  }
  // A new run that fences all eight is one replacement.
  sessions.checkReplacement("tunnel", "agent", 0);
  sessions.add(session({ carrier: { group: "b".repeat(22), index: 0 } }).session, undefined, 0);
  sessions.checkReplacement("tunnel", "agent", 0);
});

Deno.test("Sessions.ofTunnel() tells the sessions of one tunnel as they come and go", () => {
  const { sessions } = setup();
  const [a, b, other] = [session({ agent: "a" }), session({ agent: "b" }), session({ tunnel: "other" })];
  for (const each of [a, b, other]) sessions.add(each.session, undefined, 0);
  assert.deepEqual(sessions.ofTunnel("tunnel"), [a.session, b.session]);
  sessions.remove(a.session);
  sessions.remove(a.session);
  assert.deepEqual(sessions.ofTunnel("tunnel"), [b.session]);
  sessions.remove(b.session);
  assert.deepEqual(sessions.ofTunnel("tunnel"), []);
  assert.deepEqual(sessions.ofTunnel("other"), [other.session]);
});
