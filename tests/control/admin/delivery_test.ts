import assert from "node:assert/strict";
import { generateX25519KeyPair } from "../../../src/crypto/mod.ts";
import { systemRandom } from "../../../src/driver/mod.ts";
import { formatHostKey, unwrapToken } from "../../../src/pki/mod.ts";
import { assertProblem, type Control, issuer, openControl } from "../support.ts";
import { firstOwner, makeAdmin, signIn } from "./support.ts";

async function link(control: Control, request: Record<string, unknown> = {}) {
  const operator = await control.tokenOf("op", "operator");
  const answer = await control.post("/api/admin/tokens", { ...request, delivery: "link" }, operator);
  assert.equal(answer.status, 200, JSON.stringify(answer.json));
  const [page, secret] = answer.json.url.split("#");
  assert.equal(page, `${issuer}/reveal`);
  return { ...answer.json, secret };
}

const reveal = (control: Control, secret: string, clientIp?: string) =>
  control.post("/api/admin/reveal", { secret }, undefined, clientIp);

Deno.test("POST /api/admin/tokens issues a token for a machine or a node, to operators", async () => {
  await using control = await openControl();
  const owner = await firstOwner(control);
  await makeAdmin(control, "vera", "viewer");
  const vera = await signIn(control, "vera");
  const machine = await owner.post("/api/admin/tokens", { labels: ["prod"], ttl_seconds: 600 });
  assert.match(machine.json.token, /^enroll\./);
  assert.deepEqual(machine.json.labels, ["prod"]);
  assert.equal(machine.json.url, undefined);
  const node = await owner.post("/api/admin/tokens", { role: "connector", id: "c1" });
  assert.deepEqual([node.json.role, node.json.id], ["connector", "c1"]);
  assertProblem(await owner.post("/api/admin/tokens", { role: "connector" }), 400, "request_invalid");
  assertProblem(await vera.post("/api/admin/tokens", {}), 403, "admin_role_insufficient");
  const [line] = await control.store.auditEntries(1);
  assert.deepEqual([line.actor, line.subject], ["admin:ann", node.json.token_id]);
});

Deno.test("a link shows its token once, whatever happens at the same time: delivery_gone", async () => {
  await using control = await openControl();
  const made = await link(control, { role: "tunneler", id: "t1" });
  assert.equal(made.token, undefined);
  const answers = await Promise.all([1, 2, 3].map((n) => reveal(control, made.secret, `192.0.2.${n}`)));
  const [shown, ...others] = answers.sort((a, b) => a.status - b.status);
  assert.equal(shown.status, 200);
  for (const other of others) assertProblem(other, 410, "delivery_gone");
  assert.match(shown.json.token, /^enroll\./);
  assert.equal(shown.json.token_id, made.token_id);
  assert.equal(
    shown.json.deep_link,
    `postern://enroll?control=${encodeURIComponent(issuer)}#${shown.json.token}`,
  );
  assert.match(shown.json.qr_svg, /^<svg /);
  const lines = (await control.store.auditEntries(9)).filter((line) => line.action === "token.reveal");
  assert.deepEqual(lines.map((line) => line.outcome).sort(), ["delivery_gone", "delivery_gone", "ok"]);
  assert.ok(!JSON.stringify(lines).includes(made.secret));
  assert.ok(!JSON.stringify(control.logged).includes(made.secret));
});

Deno.test("a link that was never made, or is over, is answered like one that was opened", async () => {
  await using control = await openControl();
  const made = await link(control, { ttl_seconds: 60 });
  const unknown = await reveal(control, "x".repeat(43));
  const malformed = await reveal(control, "enroll");
  control.clock.advance(60_000);
  const over = await reveal(control, made.secret);
  for (const answer of [unknown, malformed, over]) assertProblem(answer, 410, "delivery_gone");
  assert.equal(new Set([unknown, malformed, over].map((answer) => answer.json.detail)).size, 1);
});

Deno.test("what the store keeps of a delivery cannot be read without the link", async () => {
  await using control = await openControl();
  const kept: string[] = [];
  const put = control.store.putDelivery;
  control.store.putDelivery = (delivery) => {
    kept.push(JSON.stringify(delivery) + atob(delivery.sealed.replaceAll("-", "+").replaceAll("_", "/")));
    return put(delivery);
  };
  const made = await link(control);
  const { token } = (await reveal(control, made.secret)).json;
  assert.equal(kept.length, 1);
  for (const secret of [token, token.split(".")[2], made.secret]) assert.ok(!kept[0].includes(secret));
});

Deno.test("GET /reveal is a page that tells nothing, loads nothing else and is framed by nobody", async () => {
  await using control = await openControl();
  const made = await link(control);
  const response = await control.app.fetch(new Request(`${issuer}/reveal`), {});
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("Cache-Control"), "no-store");
  assert.equal(response.headers.get("Referrer-Policy"), "no-referrer");
  const policy = response.headers.get("Content-Security-Policy") ?? "";
  for (const part of ["default-src 'none'", "frame-ancestors 'none'", "script-src 'sha256-"]) {
    assert.ok(policy.includes(part), part);
  }
  assert.ok(!(await response.text()).includes(made.secret));
  assert.equal((await reveal(control, made.secret)).status, 200, "looking at the page spends nothing");
});

Deno.test("strangers who try links are slowed down", async () => {
  await using control = await openControl();
  const { burst } = control.deps.config.rates.login;
  for (let n = 0; n < burst; n++) await reveal(control, `${n}`.padStart(43, "x"), "192.0.2.50");
  assertProblem(await reveal(control, "x".repeat(43), "192.0.2.50"), 429, "rate_limited");
});

Deno.test("a token is wrapped to one host wherever it is asked for, in the answer and by a link: host_key_malformed", async () => {
  await using control = await openControl();
  const operator = await control.tokenOf("ops", "operator");
  const host = generateX25519KeyPair(systemRandom);
  const wrap_to = formatHostKey(host.publicKey);
  const node = { role: "connector", id: "c1", wrap_to };
  for (const path of ["/v1/enroll/tokens", "/api/admin/tokens"]) {
    const { status, json } = await control.post(path, node, operator);
    assert.equal(status, 200, JSON.stringify(json));
    assert.match(unwrapToken(json.token, host), new RegExp(`^enroll\\.${json.token_id}\\.`));
    const mistyped = { ...node, wrap_to: wrap_to.slice(0, -1) };
    assertProblem(await control.post(path, mistyped, operator), 400, "host_key_malformed");
  }
  const [{ detail }] = await control.store.auditEntries(1);
  assert.equal(detail.wrapped_to, wrap_to);
  const link = await control.post("/api/admin/tokens", { ...node, delivery: "link" }, operator);
  const shown = await control.post("/api/admin/reveal", { secret: link.json.url.split("#")[1] });
  assert.match(unwrapToken(shown.json.token, host), /^enroll\./);
  assert.ok(shown.json.qr_svg.startsWith("<svg"), "it fits into a picture");
});
