import assert from "node:assert/strict";
import { enrollMachine, rememberShown } from "../control/machines.ts";
import { edgeOf } from "../control/support.ts";
import type { AuditEntry } from "../../src/ports/mod.ts";
import {
  type Browser,
  channelOf,
  firstOwner,
  hostile,
  type OpenDashboard,
  openDashboard,
  signedIn,
  wordsOf,
} from "./support.ts";

const entry = (change: Partial<AuditEntry>): AuditEntry => ({
  atMs: Date.UTC(2026, 0, 1),
  actor: "ann",
  action: "tunnel.create",
  subject: "t-1",
  outcome: "ok",
  detail: {},
  ...change,
});

async function tunnel({ control }: OpenDashboard, name: string, owner = "ann"): Promise<string> {
  const made = await control.post("/tunnels/create", { requested_name: name }, await control.tokenOf(owner));
  assert.equal(made.status, 200, JSON.stringify(made.json));
  return made.json.tunnel_id;
}

async function words(browser: Browser, path: string): Promise<string> {
  const answer = await browser.get(path);
  assert.equal(answer.status, 200, answer.text);
  return wordsOf(answer.text);
}

Deno.test("pages of an edge without anything say so, and show no nodes that there are none of", async () => {
  await using open = await openDashboard();
  const owner = await firstOwner(open);
  assert.match(await words(owner, "/dashboard"), /Services 0 0 online .* Nothing: no proof failed/);
  assert.doesNotMatch(await words(owner, "/dashboard"), /Connectors|Tunnelers/);
  assert.match(await words(owner, "/dashboard/services"), /No service is published.*No channel stands now/);
  assert.match(await words(owner, "/dashboard/audit?actor=nobody"), /No line is like that/);
});

Deno.test("overview counts services, agents by their proof, machines, channels and nodes", async () => {
  await using open = await openDashboard();
  const owner = await firstOwner(open);
  const { store, channels, clock } = open.control;
  const web = await tunnel(open, "web");
  await tunnel(open, "shop");
  channels.push(
    channelOf({ tunnelId: web }),
    channelOf({ sessionId: "s-2", agentId: "agent-2", tier: "bound-key", tunnelId: web }),
    channelOf({ sessionId: "s-3", agentId: "agent-3", isOnline: false }),
  );
  await store.seeNode({ role: "connector", id: "c-1", version: "1", lastSeenMs: clock.wall() });
  await store.seeNode({ role: "connector", id: "c-2", version: "1", lastSeenMs: clock.wall() - 60_000 });
  const text = await words(owner, "/dashboard");
  assert.match(text, /Services 2 1 online/);
  assert.match(text, /Agents online 2 1 by TPM, 1 by a key in a file/);
  assert.match(text, /Channels 3 2 online, 9 streams open/);
  assert.match(text, /Connectors 1 online, 1 offline/);
  assert.match(text, /Requests 37,035/);
});

Deno.test("overview shows failed proofs, refusals as one alarm a kind, and what is asked now", async () => {
  await using open = await openDashboard();
  const owner = await firstOwner(open);
  const { store, channels, clock } = open.control;
  for (const subject of ["a", "b", "c"]) {
    await store.appendAudit(
      entry({ action: "attestation", subject, outcome: "pcr_mismatch", atMs: clock.wall() }),
    );
  }
  await store.appendAudit(entry({ action: "old", outcome: "long_ago", atMs: clock.wall() - 90_000_000 }));
  await store.appendAudit(entry({ action: "machine.revoke", subject: "agent-9", atMs: clock.wall() }));
  channels.push(
    channelOf({ attestation: "asked", reauthDeadlineMs: clock.wall() + 5_000 }),
    channelOf({ sessionId: "s-2", agentId: "agent-2", attestation: "deferred" }),
    channelOf({ sessionId: "s-3", agentId: "agent-3", reauthDeadlineMs: clock.wall() + 5_000 }),
  );
  const text = await words(owner, "/dashboard");
  assert.match(text, /Refused: attestation c: pcr_mismatch \(3 times, this one last\)/);
  assert.match(text, /Machine revoked agent-9/);
  assert.match(text, /Re-attestation is due agent-1 has not proved itself yet/);
  assert.match(text, /Re-attestation put off agent-2/);
  assert.doesNotMatch(text, /Refused: old|agent-3 has/);
});

Deno.test("services are shown with presence, tier and deadline; a key in a file is marked as weaker", async () => {
  await using open = await openDashboard();
  const owner = await firstOwner(open);
  const { presences, channels, clock } = open.control;
  const web = await tunnel(open, "web");
  presences.set(web, {
    status: "online",
    agents: 1,
    tiers: ["bound-key"],
    lastEchoAtMs: clock.wall() - 2_000,
  });
  channels.push(channelOf({
    tunnelId: web,
    tier: "bound-key",
    attestedAtMs: clock.wall() - 60_000,
    reauthDeadlineMs: clock.wall() + 240_000,
  }));
  const text = await words(owner, "/dashboard/services");
  assert.match(text, /web web\.tunnel\.example online http 1 key in a file \(weaker\) ann 2 s ago/);
  assert.match(text, /1 min ago deadline in 4 min 12 ms 12,345 3 streams 1\.5 kB in 2\.0 MB out/);
});

Deno.test("service is shown with its agents and channels, and drained by who may", async () => {
  await using open = await openDashboard();
  const owner = await firstOwner(open);
  const viewer = await signedIn(open, "viewer");
  const { store, channels, clock, drained } = open.control;
  const web = await tunnel(open, "web");
  await store.bindAgent(web, "agent-1", clock.wall() - 60_000, 5);
  channels.push(channelOf({ tunnelId: web }), channelOf({ sessionId: "s-2", agentId: "agent-x" }));
  const path = `/dashboard/services/${web}`;
  const text = await words(owner, path);
  assert.match(text, /web\.tunnel\.example Protocol http Owner ann/);
  assert.match(
    text,
    /Live channels .*agent-1 from .*Agents that have proved .*agent-1 1 min ago/,
  );
  assert.doesNotMatch(text, /agent-x/);
  assert.equal((await owner.get("/dashboard/services/none")).status, 404);
  assert.doesNotMatch(await words(viewer, path), /Drain channels/);
  const fields = { csrf: await viewer.csrf(), tunnel_id: web };
  assert.equal((await viewer.post("/dashboard/services/drain", fields)).status, 403);
  const done = await owner.post("/dashboard/services/drain", { ...fields, csrf: await owner.csrf() });
  assert.equal(done.headers.get("Location"), `${path}?done=drained`);
  assert.match(await words(owner, `${path}?done=drained`), /were asked to end their channels/);
  assert.doesNotMatch(await words(owner, `${path}?done=toString`), /native/);
  assert.deepEqual(drained, [`${web} 30000`]);
});

Deno.test("services are shown a page at a time", async () => {
  await using open = await openDashboard();
  const owner = await firstOwner(open);
  for (let at = 0; at < 130; at++) {
    await open.control.store.claimTunnel({
      tunnelId: `t-${String(at).padStart(3, "0")}`,
      name: `n${at}`,
      owner: "ann",
      anonymous: false,
      protocol: "http",
      createdAtMs: 1,
      heldUntilMs: 1,
      maxTunnels: 1_000,
    });
  }
  const { text } = await owner.get("/dashboard/services");
  assert.match(text, /n99/);
  assert.doesNotMatch(text, />n100</);
  const [, next] = /rel="next" href="([^"]+)"/.exec(text)!;
  const second = await owner.get(next);
  assert.match(second.text, />n100<.*>n129</s);
  assert.doesNotMatch(second.text, />n99</);
});

Deno.test("pages escape what others named", async () => {
  await using open = await openDashboard();
  const owner = await firstOwner(open);
  const { store, channels, clock } = open.control;
  const at = { atMs: clock.wall() };
  await store.appendAudit(
    entry({
      ...at,
      actor: hostile,
      action: hostile,
      subject: hostile,
      outcome: hostile,
      detail: { [hostile]: hostile },
    }),
  );
  channels.push(
    channelOf({ agentId: hostile, remote: hostile, tunnelId: hostile, state: hostile, isOnline: false }),
  );
  await store.claimTunnel({
    tunnelId: hostile,
    name: hostile,
    owner: hostile,
    anonymous: false,
    protocol: "http",
    createdAtMs: 1,
    heldUntilMs: 1,
    maxTunnels: 10,
  });
  const query = new URLSearchParams({ actor: hostile, subject: hostile });
  for (const path of ["/dashboard", "/dashboard/services", "/dashboard/audit", `/dashboard/audit?${query}`]) {
    const { text, status } = await owner.get(path);
    assert.equal(status, 200);
    assert.match(text, /&lt;script&gt;alert/, path);
    assert.doesNotMatch(text, /<script>|<img/, path);
  }
  const login = await owner.get(`/dashboard/login?back=${encodeURIComponent(hostile)}`);
  assert.doesNotMatch(login.text, /<script>|<img/);
  const failed = await owner.post("/dashboard/login", { name: hostile, password: "x" });
  assert.doesNotMatch(failed.text, /<script>|<img/);
});

Deno.test("audit log is looked through by each of its words, and paged", async () => {
  await using open = await openDashboard();
  const owner = await firstOwner(open);
  for (let at = 0; at < 120; at++) {
    await open.control.store.appendAudit(
      entry({ actor: at % 2 === 0 ? "even" : "odd", subject: `s-${at}` }),
    );
  }
  const { text } = await owner.get("/dashboard/audit?actor=even&outcome=ok");
  assert.match(text, /s-118/);
  assert.doesNotMatch(text, /s-117/);
  const [, next] = /rel="next" href="([^"]+)"/.exec(text)!;
  const older = await owner.get(next.replaceAll("&amp;", "&"));
  assert.match(older.text, />s-18</);
  assert.match(older.text, />s-0</);
  assert.doesNotMatch(older.text, />s-20</);
});

Deno.test("audit log says whether its chain is whole, and where it is not", async () => {
  await using open = await openDashboard();
  const owner = await firstOwner(open);
  const csrf = await owner.csrf("/dashboard/audit");
  assert.match(await words(owner, "/dashboard/audit"), /not verified/);
  await owner.post("/dashboard/audit/verify", { csrf });
  assert.match(await words(owner, "/dashboard/audit"), /whole verified now Lines 1 to 3/);
  const { store, clock } = open.control;
  const read = store.auditLines.bind(store);
  store.auditLines = async (limit, after) =>
    (await read(limit, after)).map((line) => line.id === 2 ? { ...line, actor: "eve" } : line);
  await owner.post("/dashboard/audit/verify", { csrf });
  assert.match(await words(owner, "/dashboard/audit"), /whole/, "not walked again at once");
  clock.advance(10_000);
  await owner.post("/dashboard/audit/verify", { csrf });
  assert.match(await words(owner, "/dashboard/audit"), /broken at line 2 this line is not as it was written/);
});

Deno.test("machines are shown with labels, verdict and policy, and each with its PCRs and keys", async () => {
  await using open = await openDashboard();
  const owner = await firstOwner(open);
  const { store, channels } = open.control;
  assert.match(await words(owner, "/dashboard/machines"), /No machine is enrolled/);
  const good = await enrollMachine(store, 1, ["prod"]);
  await rememberShown(store, good, { "7": "ab".repeat(32) });
  const list = await words(owner, "/dashboard/machines");
  assert.match(list, /1 active, 0 revoked/);
  assert.match(list, new RegExp(`${good} enrolled prod`));
  channels.push(channelOf({ agentId: good }));
  assert.match(await words(owner, "/dashboard/machines"), new RegExp(`${good} online prod`));
  const detail = await words(owner, `/dashboard/machines/${good}`);
  assert.match(detail, /Judged under baseline@1/);
  assert.match(detail, new RegExp(`7 ${"ab".repeat(32)}`));
  assert.match(detail, /Reason For the audit log\. Revoke machine/);
  assert.equal((await owner.get("/dashboard/machines/none")).status, 404);
});

Deno.test("machine is revoked, restored and forgotten by an operator, with a reason, and not by a viewer", async () => {
  await using open = await openDashboard();
  const owner = await signedIn(open, "operator");
  const viewer = await signedIn(open, "viewer");
  const { store, deleted } = open.control;
  const agentId = await enrollMachine(store, 1);
  const path = `/dashboard/machines/${agentId}`;
  const csrf = await owner.csrf();
  const act = (what: string, fields = {}) =>
    owner.post(`/dashboard/machines/${what}`, { csrf, agent_id: agentId, ...fields });
  assert.doesNotMatch(await words(viewer, path), /Revoke machine/);
  const refused = await viewer.post("/dashboard/machines/revoke", {
    csrf: await viewer.csrf(),
    agent_id: agentId,
    reason: "x",
  });
  assert.equal(refused.status, 403);
  assert.equal((await act("revoke", { reason: " " })).status, 400);
  const done = await act("revoke", { reason: hostile });
  assert.equal(done.headers.get("Location"), `${path}?done=machine_revoked`);
  assert.deepEqual(deleted, [`${agentId} revoked`]);
  assert.match((await owner.get(path)).text, /Revoked<\/strong>.*&quot;&gt;&lt;script&gt;/s);
  assert.match(await words(owner, "/dashboard/machines"), /0 active, 1 revoked .* revoked/);
  assert.equal((await act("restore")).headers.get("Location"), `${path}?done=machine_restored`);
  assert.equal((await act("delete")).status, 409);
  await act("revoke", { reason: "stolen" });
  const forgotten = await act("delete");
  assert.equal(forgotten.headers.get("Location"), "/dashboard/machines?done=machine_deleted");
  const actions = (await store.auditEntries(20)).filter(({ action }) => action.startsWith("machine."));
  assert.equal(actions[0].actor, "admin:the-operator");
  assert.deepEqual(
    actions.map(({ action, outcome }) => `${action} ${outcome}`).slice(0, 5),
    [
      "machine.delete ok",
      "machine.revoke ok",
      "machine.delete machine_active",
      "machine.restore ok",
      "machine.revoke ok",
    ],
  );
});

Deno.test("connectors and tunnelers are shown as they were heard, and online while that is fresh", async () => {
  await using open = await openDashboard();
  const owner = await firstOwner(open);
  const { store, clock } = open.control;
  const lastSeenMs = clock.wall();
  await store.seeNode({ role: "connector", id: "c-1", privateIp: "10.0.0.4", version: "0.1.0", lastSeenMs });
  await store.seeNode({ role: "tunneler", id: "t-1", connectorId: "c-1", version: "0.1.0", lastSeenMs });
  assert.match(await words(owner, "/dashboard"), /Connectors Tunnelers Tokens/);
  assert.match(await words(owner, "/dashboard/connectors"), /c-1 online 10\.0\.0\.4 0\.1\.0 now now/);
  clock.advance(30_000);
  assert.match(await words(owner, "/dashboard/tunnelers"), /t-1 offline c-1 0\.1\.0 30 s ago/);
});

Deno.test("edges: with several, each channel's is named, and an edge is drained and resumed by who may", async () => {
  await using open = await openDashboard({ edges: [edgeOf(), edgeOf({ edgeId: "edge-2" })] });
  const owner = await firstOwner(open);
  const viewer = await signedIn(open, "viewer");
  open.control.channels.push(channelOf());
  assert.match(await words(owner, "/dashboard/services"), /Service Edge State .* t-1 edge-1 online/);
  assert.match(await words(owner, "/dashboard/edges"), /edge-1 in service 1\.2\.3 1 1 online 1 1 12,345/);
  open.control.silent.push("edge-2");
  for (const page of ["", "/services", "/edges"]) {
    assert.match(await words(owner, `/dashboard${page}`), /No answer came from edge-2/);
  }
  assert.doesNotMatch(await words(viewer, "/dashboard/edges"), /Drain edge-1/);
  const csrf = await viewer.csrf();
  assert.equal((await viewer.post("/dashboard/edges/drain", { edge_id: "edge-1", csrf })).status, 403);
  open.control.silent.length = 0;
  const forms = { csrf: await owner.csrf(), edge_id: "edge-1" };
  for (const act of ["drain", "resume"]) {
    const answer = await owner.post(`/dashboard/edges/${act}`, forms);
    assert.equal(
      answer.headers.get("Location"),
      `/dashboard/edges?done=edge_${act}${act === "drain" ? "ed" : "d"}`,
    );
  }
  assert.deepEqual(open.control.drained, ["edge-1 30000", "edge-1"]);
  assert.equal((await owner.post("/dashboard/edges/drain", { ...forms, edge_id: "edge-9" })).status, 404);
  open.control.silent.push("edge-1");
  const unanswered = await owner.post("/dashboard/edges/drain", forms);
  assert.match(unanswered.headers.get("Location")!, /edge_silent/);
});
