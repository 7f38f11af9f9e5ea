import assert from "node:assert/strict";
import { fromBase64Url } from "../../src/bytes/mod.ts";
import { base32Of, totpCode, totpStep } from "../../src/crypto/mod.ts";
import {
  Browser,
  channelOf,
  firstOwner,
  hostile,
  openDashboard,
  password,
  signedIn,
  wordsOf,
} from "./support.ts";

Deno.test("owner invites, changes roles and deletes accounts; others do not even see them", async () => {
  await using open = await openDashboard();
  const owner = await firstOwner(open);
  const csrf = await owner.csrf();
  const made = await owner.post("/dashboard/accounts/invite", { csrf, role: "viewer", ttl_hours: "2" });
  const [, secret] = /dashboard\/setup#([\w-]{43})</.exec(made.text)!;
  const bob = new Browser(open);
  assert.equal((await bob.post("/dashboard/setup", { secret, name: "bob", password })).status, 303);
  assert.equal((await bob.get("/dashboard/accounts")).status, 403);
  assert.doesNotMatch((await bob.get("/dashboard")).text, /dashboard\/accounts/);
  const list = await owner.get("/dashboard/accounts");
  assert.match(wordsOf(list.text), /ann this is you by password .* bob by password/);
  const bobId = (await open.control.store.adminAccountByName("bob"))!.accountId;
  const act = (what: string, fields: Record<string, string>) =>
    owner.post(`/dashboard/accounts/${what}`, { csrf, ...fields });
  assert.equal((await act("role", { account_id: bobId, role: "operator" })).status, 303);
  assert.equal((await open.control.store.adminAccount(bobId))?.role, "operator");
  const annId = (await open.control.store.adminAccountByName("ann"))!.accountId;
  const last = await act("role", { account_id: annId, role: "viewer" });
  assert.match(last.text, /admin_last_owner/);
  const bobsCsrf = await bob.csrf();
  const theft = await bob.post("/dashboard/accounts/delete", { csrf: bobsCsrf, account_id: annId });
  assert.equal(theft.status, 403);
  assert.equal(
    (await act("delete", { account_id: bobId })).headers.get("Location"),
    "/dashboard/accounts?done=account_deleted",
  );
  assert.equal((await bob.get("/dashboard")).status, 303);
});

Deno.test("account page shows sessions, changes the password and signs out everywhere", async () => {
  await using open = await openDashboard();
  const owner = await firstOwner(open);
  const other = new Browser(open);
  await other.post("/dashboard/login", { name: "ann", password });
  assert.match(wordsOf((await owner.get("/dashboard/account")).text), /192\.0\.2\.\d+.* this one browser/);
  const csrf = await owner.csrf();
  const next = "another long password";
  const wrong = await owner.post("/dashboard/account/password", { csrf, current: "wrong", next });
  assert.match(wrong.text, /admin_login_refused/);
  const done = await owner.post("/dashboard/account/password", { csrf, current: password, next });
  assert.equal(done.headers.get("Location"), "/dashboard/account?done=password_changed");
  assert.equal((await other.get("/dashboard")).status, 303, "the other session is over");
  assert.equal((await owner.get("/dashboard")).status, 200);
  await owner.post("/dashboard/account/everywhere", { csrf });
  assert.equal((await owner.get("/dashboard")).status, 303);
});

Deno.test("settings page shows versions and rules, and no secret", async () => {
  await using open = await openDashboard();
  const viewer = await signedIn(open, "viewer");
  const { store, clock } = open.control;
  await store.seeNode({ role: "connector", id: "c-1", version: hostile, lastSeenMs: clock.wall() });
  const { text } = await viewer.get("/dashboard/settings");
  assert.match(wordsOf(text), /This edge 1\.2\.3 Public host tunnel\.example/);
  assert.match(wordsOf(text), /Asked again every 5 min, answered within 10 s/);
  assert.doesNotMatch(text, /<script>alert/);
});

Deno.test("owner of services sees only those, by a management token, and nothing of who serves them", async () => {
  await using open = await openDashboard();
  const { control } = open;
  const token = await control.tokenOf("team-web");
  const create = async (name: string, by: string) =>
    (await control.post("/tunnels/create", { requested_name: name }, by)).json.tunnel_id;
  const web = await create("web", token);
  await create("secret", await control.tokenOf("team-other"));
  control.presences.set(web, { status: "online", agents: 2, tiers: ["tpm"] });
  control.channels.push(channelOf({ tunnelId: web }));
  const browser = new Browser(open);
  assert.equal((await browser.get("/dashboard/mine")).status, 303);
  const wrong = await browser.post("/dashboard/mine/login", { token: hostile });
  assert.equal(wrong.status, 401);
  assert.doesNotMatch(wrong.text, /<script>alert/);
  const other = { Origin: "https://web.tunnel.example" };
  assert.equal((await browser.post("/dashboard/mine/login", { token }, other)).status, 403);
  const entered = await browser.post("/dashboard/mine/login", { token });
  assert.equal(entered.headers.get("Location"), "/dashboard/mine");
  assert.match(
    entered.headers.getSetCookie()[0],
    /^__Host-postern_owner=.*HttpOnly.*Secure.*SameSite=Strict/i,
  );
  const { text } = await browser.get("/dashboard/mine");
  assert.match(wordsOf(text), /web web\.tunnel\.example online http 2 TPM/);
  assert.doesNotMatch(text, /secret|agent-1|192\.0\.2\.7|edge-1|dashboard\/services/);
  assert.ok(!text.includes(token));
  for (const path of ["", "/services", "/audit", "/machines", "/settings", "/traffic", "/account"]) {
    assert.equal((await browser.get(`/dashboard${path}`)).status, 303, path);
  }
  assert.match((await browser.get("/dashboard/live?page=/dashboard/mine")).text, /event: update/);
  assert.equal((await browser.get("/dashboard/live?page=/dashboard/services")).status, 303);
  const [, csrf] = /name="csrf" value="([^"]+)"/.exec(text)!;
  assert.equal((await browser.post("/dashboard/mine/logout", { csrf: "x" })).status, 403);
  await control.post("/auth/token/revoke", { owner: "team-web" }, token);
  const revoked = await browser.get("/dashboard/mine");
  assert.match(revoked.headers.get("Location")!, /^\/dashboard\/login\?.*over=/);
  await browser.post("/dashboard/mine/logout", { csrf });
  assert.equal(browser.cookies.size, 0);
});

Deno.test("second factor: added by password and a code of the app, asked for at the login, and removed", async () => {
  await using open = await openDashboard();
  const { clock, store } = open.control;
  clock.advance(300_000);
  const ann = await firstOwner(open);
  const csrf = await ann.csrf();
  const begin = await ann.post("/dashboard/account/factor/begin", { factor_current: password, csrf });
  assert.equal(begin.status, 200, begin.text);
  const [, secret] = /<code class="secret" id="secret">([A-Z2-7]{32})</.exec(begin.text)!;
  assert.match(begin.text, /<svg class="qr" role="img" aria-label="QR code for the app"/);
  const [{ accountId }] = await store.adminAccounts();
  const code = async () => {
    const kept = fromBase64Url((await store.adminTotp(accountId))!.secret);
    assert.equal(base32Of(kept), secret);
    return totpCode(kept, totpStep(clock.wall()));
  };
  const confirm = (code: string) => ann.post("/dashboard/account/factor/confirm", { code, csrf });
  const refused = await confirm("000000");
  assert.equal(refused.status, 401);
  assert.match(wordsOf(refused.text), /Code is not valid .* What the app shows/);
  assert.ok(!refused.text.includes(secret), "it is shown once");
  const confirmed = await confirm(await code());
  assert.equal(confirmed.headers.get("Location"), "/dashboard/account?done=factor_added");
  assert.match(wordsOf((await ann.get("/dashboard/account")).text), /every login takes a code/);
  assert.match(wordsOf((await ann.get("/dashboard/accounts")).text), /by password and code/);

  const other = new Browser(open);
  const login = (code: string) => other.post("/dashboard/login", { name: "ann", password, code });
  assert.match(wordsOf((await login("")).text), /A code is needed besides the password/);
  clock.advance(30_000);
  assert.equal((await login(await code())).status, 303);
  clock.advance(30_000);
  const fields = { factor_current: password, csrf, code: await code() };
  const removed = await ann.post("/dashboard/account/factor/remove", fields);
  assert.equal(removed.headers.get("Location"), "/dashboard/account?done=factor_removed");
  const again = new Browser(open);
  assert.equal((await again.post("/dashboard/login", { name: "ann", password })).status, 303);
  const own = await ann.post("/dashboard/accounts/factor/remove", { account_id: accountId, csrf });
  assert.equal(own.status, 409);
});
