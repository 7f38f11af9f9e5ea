import assert from "node:assert/strict";
import { totpCode, totpStep } from "../../../src/crypto/mod.ts";
import { fromBase64Url } from "../../../src/bytes/mod.ts";
import { assertProblem, type Control, openControl } from "../support.ts";
import { type Browser, firstOwner, makeAdmin, ownPage, password, postWith, signIn } from "./support.ts";

/** The code that ann's app shows, or showed so many steps ago. */
async function codeOf({ store, clock }: Control, accountId: string, stepsAgo = 0): Promise<string> {
  const { secret } = (await store.adminTotp(accountId))!;
  return totpCode(fromBase64Url(secret), totpStep(clock.wall()) - stepsAgo);
}

async function addFactor(control: Control, browser: Browser): Promise<string> {
  const { account_id } = (await browser.get("/api/admin/me")).json;
  const begun = await browser.post("/api/admin/factor/begin", { current_password: password });
  assert.equal(begun.status, 200, JSON.stringify(begun.json));
  const code = await codeOf(control, account_id);
  assert.equal((await browser.post("/api/admin/factor/confirm", { code })).status, 200);
  return account_id;
}

const login = (control: Control, code?: string, clientIp?: string) =>
  postWith(control, "/api/admin/login", { name: "ann", password, code }, ownPage, clientIp);

const halfMinuteMs = 30_000;

Deno.test("a second factor counts once a code of its app was shown; then a login takes one, and other sessions end", async () => {
  await using control = await openControl();
  control.clock.advance(halfMinuteMs * 4);
  const ann = await firstOwner(control);
  const other = await signIn(control, "ann");
  const begin = (browser: Browser, current_password: string) =>
    browser.post("/api/admin/factor/begin", { current_password });
  assertProblem(await ann.post("/api/admin/factor/confirm", { code: "123456" }), 404, "admin_factor_absent");
  assertProblem(await begin(ann, "wrong password"), 401, "admin_login_refused");
  const { secret, url, qr_svg } = (await begin(ann, password)).json;
  assert.match(secret, /^[A-Z2-7]{32}$/);
  assert.equal(
    url,
    `otpauth://totp/Postern%20tunnel.example:ann?secret=${secret}&issuer=Postern%20tunnel.example`,
  );
  assert.match(qr_svg, /^<svg /);
  assert.equal((await login(control)).status, 200, "it does not count yet");
  assertProblem(await ann.post("/api/admin/factor/confirm", { code: "12345" }), 401, "admin_code_refused");
  const { account_id, second_factor } = (await ann.get("/api/admin/me")).json;
  assert.equal(second_factor, false);
  const code = await codeOf(control, account_id);
  assert.equal((await ann.post("/api/admin/factor/confirm", { code })).json.sessions, 2);
  assertProblem(await other.get("/api/admin/me"), 401, "admin_session_ended");
  assert.equal((await ann.get("/api/admin/me")).json.second_factor, true);
  assertProblem(await begin(ann, password), 409, "admin_factor_present");

  assertProblem(await login(control), 401, "admin_code_required");
  assertProblem(await login(control, code), 401, "admin_code_refused");
  control.clock.advance(halfMinuteMs);
  const next = await codeOf(control, account_id);
  assert.equal((await login(control, next)).status, 200);
  assertProblem(await login(control, next), 401, "admin_code_refused");
  const lines = await control.store.auditEntries(9);
  assert.ok(
    lines.some(({ action, outcome }) => action === "admin.login" && outcome === "admin_code_refused"),
  );
  assert.ok(lines.some(({ action, outcome }) => action === "admin.factor.add" && outcome === "ok"));
  for (const line of lines) assert.ok(!JSON.stringify(line).includes(next), "no code is written down");
});

Deno.test("a code of one step to both sides counts, none further away, and none before one that was used", async () => {
  await using control = await openControl();
  control.clock.advance(halfMinuteMs * 10);
  const ann = await firstOwner(control);
  const id = await addFactor(control, ann);
  control.clock.advance(halfMinuteMs * 4);
  assertProblem(await login(control, await codeOf(control, id, 2)), 401, "admin_code_refused");
  assert.equal((await login(control, await codeOf(control, id, 1))).status, 200);
  assert.equal((await login(control, await codeOf(control, id, -1))).status, 200);
  assertProblem(await login(control, await codeOf(control, id)), 401, "admin_code_refused");
});

Deno.test("codes of one account are tried six times at once and once a minute, from wherever: rate_limited", async () => {
  await using control = await openControl();
  control.clock.advance(halfMinuteMs * 10);
  const ann = await firstOwner(control);
  const id = await addFactor(control, ann);
  for (let at = 0; at < 5; at++) {
    assertProblem(await login(control, "000000", `192.0.2.${at + 9}`), 401, "admin_code_refused");
  }
  assertProblem(await login(control, await codeOf(control, id, -1), "198.51.100.1"), 429, "rate_limited");
  control.clock.advance(2 * halfMinuteMs);
  assert.equal((await login(control, await codeOf(control, id), "198.51.100.1")).status, 200);
});

Deno.test("a second factor is removed by password and code, by an owner for somebody else, and with its account", async () => {
  await using control = await openControl();
  control.clock.advance(halfMinuteMs * 10);
  const ann = await firstOwner(control);
  const id = await addFactor(control, ann);
  const remove = (code: string) => ann.post("/api/admin/factor/remove", { current_password: password, code });
  assertProblem(await remove(""), 401, "admin_code_required");
  assertProblem(await remove("000000"), 401, "admin_code_refused");
  const alone = await ann.post("/api/admin/accounts/factor/remove", { account_id: id });
  assertProblem(alone, 409, "admin_factor_own");
  assert.notEqual(await control.store.adminTotp(id), undefined);
  control.clock.advance(halfMinuteMs);
  assert.equal((await remove(await codeOf(control, id))).status, 200);
  assert.equal((await login(control)).status, 200);

  const otto = await makeAdmin(control, "otto", "operator");
  const browser = await signIn(control, "otto");
  await addFactor(control, browser);
  const { accounts } = (await ann.get("/api/admin/accounts")).json;
  const told = accounts.map(({ name, second_factor }: { name: string; second_factor: boolean }) =>
    `${name} ${second_factor}`
  );
  assert.deepEqual(told, ["ann false", "otto true"]);
  const removeOf = (by: Browser) => by.post("/api/admin/accounts/factor/remove", { account_id: otto });
  assertProblem(await removeOf(browser), 403, "admin_role_insufficient");
  assert.equal((await removeOf(ann)).status, 200);
  assertProblem(await browser.get("/api/admin/me"), 401, "admin_session_ended");
  assertProblem(await removeOf(ann), 404, "admin_factor_absent");
  await addFactor(control, await signIn(control, "otto"));
  await ann.post("/api/admin/accounts/delete", { account_id: otto });
  assert.equal(await control.store.adminTotp(otto), undefined);
});
