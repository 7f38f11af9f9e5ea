import assert from "node:assert/strict";
import { issuer } from "../control/support.ts";
import { channelOf, firstOwner, type OpenDashboard, openDashboard } from "./support.ts";

interface Event {
  readonly event: string;
  // deno-lint-ignore no-explicit-any -- data of every kind of event
  readonly data: any;
}

/** Reads events of one stream. */
async function follow(open: OpenDashboard, cookie: string, page: string) {
  const response = await open.app.fetch(
    new Request(`${issuer}/dashboard/live?page=${encodeURIComponent(page)}`, { headers: { Cookie: cookie } }),
    { clientIp: "192.0.2.1", canStream: true },
  );
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("Content-Type"), "text/event-stream");
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  const next = async (): Promise<Event | undefined> => {
    const { value, done } = await reader.read();
    if (done) return undefined;
    const match = /^event: (\w+)\ndata: (.*)\n\n$/.exec(value);
    return match === null ? await next() : { event: match[1], data: JSON.parse(match[2]) };
  };
  return { next, cancel: () => reader.cancel() };
}

Deno.test("live page is told what changed, and that nothing did", async () => {
  await using open = await openDashboard();
  const owner = await firstOwner(open);
  const { clock, channels } = open.control;
  const stream = await follow(open, owner.cookie, "/dashboard/services");
  const first = await stream.next();
  assert.equal(first?.event, "update");
  assert.deepEqual(first.data.regions.map(({ id }: { id: string }) => id), ["services", "channels"]);
  clock.advance(2_000);
  assert.equal((await stream.next())?.event, "same");
  channels.push(channelOf());
  clock.advance(2_000);
  const changed = await stream.next();
  assert.deepEqual(changed?.data.regions.map(({ id }: { id: string }) => id), ["channels"]);
  assert.match(changed?.data.regions[0].html, /agent-1/);
  await stream.cancel();
  assert.equal(clock.pending, 1, "the next sample of the traffic");
});

Deno.test("live page is over when its session is, and when the edge stops", async () => {
  await using open = await openDashboard();
  const owner = await firstOwner(open);
  const { clock } = open.control;
  const stream = await follow(open, owner.cookie, "/dashboard");
  const other = await follow(open, owner.cookie, "/dashboard");
  await stream.next();
  await other.next();
  open.app.close();
  assert.equal(await other.next(), undefined);
  assert.equal(await stream.next(), undefined);
  const third = await follow(open, owner.cookie, "/dashboard");
  await third.next();
  await owner.post("/dashboard/logout", { csrf: await owner.csrf() });
  clock.advance(2_000);
  assert.deepEqual(await third.next(), { event: "over", data: {} });
  assert.equal(await third.next(), undefined);
  assert.equal(clock.pending, 0);
});

Deno.test("live page where answers go whole is told one round at a time, and not twice the same", async () => {
  await using open = await openDashboard();
  const owner = await firstOwner(open);
  const first = await owner.get("/dashboard/live?page=/dashboard/services");
  assert.match(first.text, /^retry: 2000\n\nid: (\S+)\nevent: update\n/);
  const [, id] = /id: (\S+)/.exec(first.text)!;
  const again = await owner.get("/dashboard/live?page=/dashboard/services", { "Last-Event-ID": id });
  assert.match(again.text, /event: same\n/);
  const outside = await owner.get("/dashboard/live?page=https://evil.example/");
  assert.match(outside.text, /"id":"totals"/, "anything else is the overview");
});

Deno.test("live pages are not without number", async () => {
  await using open = await openDashboard();
  const owner = await firstOwner(open);
  const streams = [];
  for (let count = 0; count < 64; count++) streams.push(await follow(open, owner.cookie, "/dashboard/audit"));
  const response = await open.app.fetch(
    new Request(`${issuer}/dashboard/live`, { headers: { Cookie: owner.cookie } }),
    { clientIp: "192.0.2.1", canStream: true },
  );
  assert.equal(response.status, 429);
  await response.body?.cancel();
  for (const stream of streams) await stream.cancel();
  // Rounds that were under way end by themselves.
  await owner.get("/dashboard/audit");
  assert.equal(open.control.clock.pending, 1, "the next sample of the traffic");
});

Deno.test("live page does not keep a session open that nobody uses", async () => {
  await using open = await openDashboard();
  const owner = await firstOwner(open);
  const { clock } = open.control;
  const live = () => owner.get("/dashboard/live?page=/dashboard");
  for (let minutes = 0; minutes < 59; minutes += 10) {
    assert.match((await live()).text, /event: update/);
    clock.advance(600_000);
  }
  assert.equal((await live()).status, 303);
});
