import assert from "node:assert/strict";
import { firstOwner, hostile, openDashboard, signedIn, wordsOf } from "./support.ts";

/** What stands in the one place that secrets are shown in. */
function secretOf(text: string): string {
  return /<code class="secret" id="secret">([^<]*)<\/code>/.exec(text)![1];
}

Deno.test("tokens page makes an enrollment token that is shown once, and lets a machine in", async () => {
  await using open = await openDashboard();
  const operator = await signedIn(open, "operator");
  const csrf = await operator.csrf("/dashboard/tokens");
  const made = await operator.post("/dashboard/tokens/enrollment", {
    csrf,
    kind: "machine",
    labels: "prod, rack-2",
    ttl_minutes: "90",
  });
  assert.equal(made.status, 200, wordsOf(made.text));
  assert.equal(made.headers.get("Cache-Control"), "no-store");
  const token = secretOf(made.text);
  assert.match(token, /^enroll\.[\w-]{12}\.[\w-]{43}$/);
  const [, tokenId, secret] = token.split(".");
  const kept = await open.control.store.enrollmentToken(tokenId);
  assert.deepEqual(kept?.labels, ["prod", "rack-2"]);
  assert.equal(kept.expiresAtMs - kept.createdAtMs, 90 * 60_000);
  assert.equal(kept.createdBy, "admin:the-operator");
  for (const path of ["/dashboard", "/dashboard/tokens", "/dashboard/audit"]) {
    assert.ok(!(await operator.get(path)).text.includes(secret), path);
  }
});

Deno.test("tokens page makes a link for whoever installs, and tokens for nodes", async () => {
  await using open = await openDashboard();
  const owner = await firstOwner(open);
  const csrf = await owner.csrf("/dashboard/tokens");
  const linked = await owner.post("/dashboard/tokens/enrollment", { csrf, kind: "machine", by_link: "1" });
  assert.match(secretOf(linked.text), /^https:\/\/control\.example\/reveal#[\w-]{43}$/);
  const node = await owner.post("/dashboard/tokens/enrollment", { csrf, kind: "connector", id: "dc-1" });
  assert.match(wordsOf(node.text), /For connector dc-1/);
  const wrong = await owner.post("/dashboard/tokens/enrollment", { csrf, kind: "connector", id: hostile });
  assert.equal(wrong.status, 400);
  assert.doesNotMatch(wrong.text, /<script>alert/);
  const ttl = await owner.post("/dashboard/tokens/enrollment", { csrf, kind: "machine", ttl_minutes: "1.5" });
  assert.equal(ttl.status, 400);
});

Deno.test("tokens page makes a management token of an owner, which is audited", async () => {
  await using open = await openDashboard();
  const owner = await firstOwner(open);
  const csrf = await owner.csrf("/dashboard/tokens");
  const made = await owner.post("/dashboard/tokens/management", { csrf, owner: "team-web", role: "member" });
  assert.equal(made.status, 200);
  const listed = await open.control.get("/tunnels/list", secretOf(made.text));
  assert.deepEqual(listed.json, { tunnels: [] });
  const [line] = await open.control.store.auditEntries(1);
  assert.equal(`${line.actor} ${line.action} ${line.subject}`, "admin:ann token.issue team-web");
  for (
    const fields of [{ owner: "admin:ann", role: "member" }, { owner: "a b", role: "member" }, {
      owner: "x",
      role: "owner",
    }]
  ) {
    const refused = await owner.post("/dashboard/tokens/management", { csrf, ...fields });
    assert.equal(refused.status, 400, JSON.stringify(fields));
  }
});

Deno.test("tokens page offers nothing to a viewer, and takes nothing from one", async () => {
  await using open = await openDashboard();
  const viewer = await signedIn(open, "viewer");
  assert.doesNotMatch((await viewer.get("/dashboard/tokens")).text, /Create/);
  const csrf = await viewer.csrf();
  for (
    const [path, fields] of [["enrollment", { kind: "machine" }], ["management", {
      owner: "x",
      role: "member",
    }]] as const
  ) {
    assert.equal((await viewer.post(`/dashboard/tokens/${path}`, { csrf, ...fields })).status, 403, path);
  }
});
