import assert from "node:assert/strict";
import { Routes } from "../../src/edge/routes.ts";
import { HashQueue } from "../../src/edge/hash_queue.ts";
import { ServiceGuard } from "../../src/edge/service_guard.ts";
import { type ErrorCode, PosternError } from "../../src/errors/mod.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { session } from "./agents.ts";

const GRACE_MS = 30_000;
const code = (expected: ErrorCode) => (error: unknown) =>
  error instanceof PosternError && error.code === expected;
const never = new AbortController().signal;

function setup() {
  const clock = new VirtualClock();
  return { clock, routes: new Routes(clock, GRACE_MS) };
}

Deno.test("Routes.find() prefers the exact name to a wildcard, which stands for one label only", () => {
  const { routes } = setup();
  const wild = session({ hostnames: ["*.example.test"] }).session;
  const exact = session({ hostnames: ["a.example.test"] }).session;
  routes.add(wild);
  routes.add(exact);
  assert.deepEqual(routes.find("a.example.test")!.sessions, [exact]);
  assert.deepEqual(routes.find("b.example.test")!.sessions, [wild]);
  for (const name of ["example.test", "x.b.example.test", "example", "", ".example.test.", "*.test"]) {
    assert.equal(routes.find(name), undefined, name);
  }
});

Deno.test("Routes.find() leaves an exact name to the wildcard once its grace time is over", () => {
  const { routes, clock } = setup();
  const wild = session({ hostnames: ["*.example.test"] }).session;
  const exact = session({ hostnames: ["a.example.test"] }).session;
  routes.add(wild);
  routes.add(exact);
  routes.remove(exact);
  clock.advance(GRACE_MS);
  assert.equal(routes.find("a.example.test")!.name, "a.example.test");
  clock.advance(1);
  assert.equal(routes.find("a.example.test")!.name, "*.example.test");
  routes.remove(wild);
  assert.equal(routes.find("a.example.test")!.name, "*.example.test");
});

Deno.test("Routes.findTls() goes by exact names before wildcards, also of those whose TLS ends at the edge", () => {
  const { routes, clock } = setup();
  const web = session({ hostnames: ["a.example.test"] }).session;
  routes.add(web);
  assert.equal(routes.findTls("a.example.test"), undefined);
  const wild = session({ hostnames: [], tlsHostnames: ["*.example.test"] }).session;
  const exact = session({ hostnames: [], tlsHostnames: ["b.example.test"] }).session;
  routes.add(wild);
  routes.add(exact);
  assert.equal(routes.findTls("a.example.test"), undefined);
  assert.deepEqual(routes.findTls("b.example.test")!.sessions, [exact]);
  assert.deepEqual(routes.findTls("c.example.test")!.sessions, [wild]);
  assert.equal(routes.findTls("example.test"), undefined);
  // Requests never find what is passed on.
  assert.equal(routes.find("b.example.test"), undefined);
  for (const each of [web, wild, exact]) routes.remove(each);
  clock.advance(GRACE_MS + 1);
  assert.equal(routes.findTls("a.example.test")!.name, "tls:*.example.test");
  routes.forgetOld();
  assert.equal(routes.findTls("c.example.test"), undefined);
  assert.equal(
    routes.expect(
      "tls:c.example.test",
      new ServiceGuard({ clock, random: (bytes) => new Uint8Array(bytes), hashes: new HashQueue(1) }),
    ),
    undefined,
  );
});

Deno.test("Routes has one group a name for all sessions, tcp ports included, and none twice", () => {
  const { routes } = setup();
  const [a, b] = [1, 2].map(() => session({ ports: [7_000] }).session);
  for (const each of [a, b, a]) routes.add(each);
  assert.deepEqual(routes.group("tcp:7000")!.sessions, [a, b]);
  assert.deepEqual(Routes.namesOf(a), ["a.example.test", "tcp:7000"]);
});

Deno.test("Routes.session() gives a session now, one of the excepted only when no other is left", async () => {
  const { routes } = setup();
  const [a, b] = [1, 2].map(() => session().session);
  routes.add(a);
  routes.add(b);
  const group = routes.find("a.example.test")!;
  for (let i = 0; i < 4; i++) assert.equal(await routes.session(group, never, new Set([a])), b);
  routes.remove(b);
  assert.equal(await routes.session(group, never, new Set([a])), a);
});

Deno.test("Routes.session() waits for a session to come back within the grace time", async () => {
  const { routes, clock } = setup();
  const first = session().session;
  routes.add(first);
  routes.remove(first);
  const group = routes.find("a.example.test")!;
  const waiting = [1, 2, 3].map(() => routes.session(group, never));
  await clock.advanceAsync(20_000);
  assert.equal(group.waiting, 3);
  const second = session().session;
  routes.add(second);
  assert.deepEqual(await Promise.all(waiting), [second, second, second]);
  assert.deepEqual([group.waiting, clock.pending], [0, 0]);
});

Deno.test("Routes.session() fails with tunnel_offline when the grace time is over, counted from the loss", async () => {
  const { routes, clock } = setup();
  const first = session().session;
  routes.add(first);
  routes.remove(first);
  clock.advance(20_000);
  const group = routes.find("a.example.test")!;
  const waiting = assert.rejects(routes.session(group, never), code("tunnel_offline"));
  await clock.advanceAsync(9_999);
  assert.equal(group.waiting, 1);
  await clock.advanceAsync(1);
  await waiting;
  await assert.rejects(routes.session(group, never), code("tunnel_offline"));
  assert.equal(clock.pending, 0);
});

Deno.test("Routes.session() waits no longer than the grace time for sessions that are there but not online", async () => {
  const { routes, clock } = setup();
  const { session: degraded, channel } = session();
  routes.add(degraded);
  channel.state = "degraded";
  const waiting = assert.rejects(
    routes.session(routes.find("a.example.test")!, never),
    code("tunnel_offline"),
  );
  await clock.advanceAsync(GRACE_MS);
  await waiting;
});

Deno.test("Routes.session() ends with the signal's reason when the viewer has gone", async () => {
  const { routes, clock } = setup();
  const first = session().session;
  routes.add(first);
  routes.remove(first);
  const group = routes.find("a.example.test")!;
  const gone = new AbortController();
  const waiting = assert.rejects(routes.session(group, gone.signal), code("channel_closed"));
  await clock.advanceAsync(10);
  gone.abort(new PosternError("channel_closed"));
  await waiting;
  await assert.rejects(routes.session(group, gone.signal), code("channel_closed"));
  assert.deepEqual([group.waiting, clock.pending], [0, 0]);
});

Deno.test("Routes.session() refuses more than 4,096 viewers that wait for one route with viewer_limit", async () => {
  const { routes, clock } = setup();
  const first = session().session;
  routes.add(first);
  routes.remove(first);
  const group = routes.find("a.example.test")!;
  const waiting = Array.from({ length: 4_096 }, () => routes.session(group, never));
  await assert.rejects(routes.session(group, never), code("viewer_limit"));
  routes.add(first);
  assert.ok((await Promise.all(waiting)).every((each) => each === first));
  assert.equal(clock.pending, 0);
});

Deno.test("Routes.drop() forgets a route at once and lets nobody wait for it", async () => {
  const { routes, clock } = setup();
  const first = session().session;
  routes.add(first);
  routes.remove(first);
  const waiting = assert.rejects(
    routes.session(routes.find("a.example.test")!, never),
    code("tunnel_offline"),
  );
  await clock.advanceAsync(5);
  routes.drop(["a.example.test", "unknown.example.test"]);
  await waiting;
  assert.equal(routes.find("a.example.test"), undefined);
  assert.equal(clock.pending, 0);
});

Deno.test("Routes.forgetOld() forgets routes whose grace time is over and nobody waits for", () => {
  const { routes, clock } = setup();
  const first = session().session;
  routes.add(first);
  routes.remove(first);
  clock.advance(GRACE_MS);
  routes.forgetOld();
  assert.notEqual(routes.find("a.example.test"), undefined);
  clock.advance(1);
  routes.forgetOld();
  assert.equal(routes.find("a.example.test"), undefined);
});
