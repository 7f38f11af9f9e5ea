import assert from "node:assert/strict";
import { HashTurns } from "../../../src/control/admin/login.ts";
import { firstInvite, inviteAdmin } from "../../../src/control/admin/mod.ts";
import { codeOf } from "../../../src/errors/mod.ts";
import { assertProblem, issuer, openControl } from "../support.ts";
import { firstOwner, makeAdmin, ownPage, password, postWith, signIn } from "./support.ts";

const minuteMs = 60_000;

Deno.test("the first link makes one owner, once, and is void when there is an account", async () => {
  await using control = await openControl();
  const first = (await firstInvite(control.deps))!;
  const second = (await firstInvite(control.deps))!;
  const body = { name: "ann", password };
  const setup = (secret: string) => postWith(control, "/api/admin/setup", { ...body, secret }, ownPage);
  assertProblem(await setup("x".repeat(43)), 403, "admin_invite_refused");
  assertProblem(await setup("x"), 403, "admin_invite_refused");
  const made = await setup(first.secret);
  assert.equal(made.status, 200);
  assert.equal(made.json.role, "owner");
  assertProblem(await setup(first.secret), 403, "admin_invite_refused");
  assertProblem(await setup(second.secret), 403, "admin_invite_refused");
  assert.equal(await firstInvite(control.deps), undefined);
  const audit = await control.store.auditEntries(9);
  assert.ok(audit.some((line) => line.action === "admin.account.create" && line.actor === "admin:ann"));
  assert.ok(audit.some((line) => line.outcome === "admin_invite_refused"));
  assert.ok(!JSON.stringify(audit).includes(first.secret));
});

Deno.test("a link of before does not count after an hour", async () => {
  await using control = await openControl();
  const { secret } = (await firstInvite(control.deps))!;
  control.clock.advance(60 * minuteMs);
  const body = { secret, name: "ann", password };
  assertProblem(await postWith(control, "/api/admin/setup", body, ownPage), 403, "admin_invite_refused");
});

Deno.test("setup refuses weak passwords and names that are taken, and the link stays good", async () => {
  await using control = await openControl();
  await firstOwner(control);
  const { secret } = await inviteAdmin(control.deps, "admin:ann", { role: "viewer" });
  const setup = (name: string, pass: string) =>
    control.post("/api/admin/setup", { secret, name, password: pass, session: "token" });
  assertProblem(await setup("bob", "short"), 400, "admin_password_weak");
  assertProblem(await setup("bob", "ü".repeat(300)), 400, "admin_password_weak");
  assertProblem(await setup("ann", password), 409, "admin_name_taken");
  assertProblem(await setup("Bob!", password), 400, "request_invalid");
  assert.equal((await setup("bob", password)).json.role, "viewer");
});

Deno.test("login sets a cookie that scripts and other sites do not get", async () => {
  await using control = await openControl();
  await firstOwner(control);
  const answer = await postWith(control, "/api/admin/login", { name: "ann", password }, ownPage);
  const [cookie] = answer.headers.getSetCookie();
  assert.match(cookie, /^__Host-postern_admin=[\w-]{43}; /);
  for (const part of ["HttpOnly", "Secure", "SameSite=Strict", "Path=/", "Max-Age=43200"]) {
    assert.ok(cookie.includes(part), part);
  }
  assert.ok(!cookie.includes("Domain"));
  assert.equal(answer.json.access_token, undefined);
  assert.equal(answer.json.refresh_token, undefined);
  const plain = await control.send(
    new Request("http://localhost:8080/api/admin/login", {
      method: "POST",
      headers: { "Content-Type": "application/json", Origin: "http://localhost:8080" },
      body: JSON.stringify({ name: "ann", password }),
    }),
  );
  assert.match(plain.headers.getSetCookie()[0], /^postern_admin=/);
  assert.ok(!plain.headers.getSetCookie()[0].includes("Secure"));
});

Deno.test("login answers an unknown name like a wrong password, and tells neither to the audit log", async () => {
  await using control = await openControl();
  await firstOwner(control);
  const login = (name: string, pass: string) =>
    control.post("/api/admin/login", { name, password: pass, session: "token" });
  const wrong = await login("ann", "wrong horse battery");
  const unknown = await login("my real password", "wrong horse battery");
  assertProblem(wrong, 401, "admin_login_refused");
  assertProblem(unknown, 401, "admin_login_refused");
  assert.equal(wrong.json.detail, unknown.json.detail);
  const lines = (await control.store.auditEntries(9)).filter((line) =>
    line.outcome === "admin_login_refused"
  );
  assert.deepEqual(lines.map((line) => line.subject === "unknown"), [true, false]);
  assert.ok(!JSON.stringify(lines).includes("my real password"));
});

Deno.test("login is limited for each address, and for each account from everywhere", async () => {
  await using control = await openControl();
  await firstOwner(control);
  const login = (name: string, clientIp: string) =>
    control.post(
      "/api/admin/login",
      { name, password: "wrong horse battery", session: "token" },
      undefined,
      clientIp,
    );
  const { account, login: ofAddress } = control.deps.config.rates;
  for (let n = 0; n < account.burst; n++) {
    assertProblem(await login("ann", `192.0.2.${10 + n}`), 401, "admin_login_refused");
  }
  assertProblem(await login("ann", "192.0.2.99"), 429, "rate_limited");
  for (let n = 0; n < ofAddress.burst; n++) await login(`n${n}`, "198.51.100.1");
  assertProblem(await login("other", "198.51.100.1"), 429, "rate_limited");
  assertProblem(await login("other", "198.51.100.2"), 401, "admin_login_refused");
});

Deno.test("HashTurns.run() lets two run at a time and refuses when too many wait: admin_login_busy", async () => {
  const turns = new HashTurns();
  const gates: PromiseWithResolvers<void>[] = [];
  const start = () => {
    const gate = Promise.withResolvers<void>();
    gates.push(gate);
    return turns.run(() => gate.promise);
  };
  const waits = Array.from({ length: 18 }, start);
  assert.equal(await turns.run(() => Promise.resolve()).catch(codeOf), "admin_login_busy");
  for (const gate of gates) gate.resolve();
  await Promise.all(waits);
  await turns.run(() => Promise.resolve());
});

Deno.test("a session is over when it idles, after twelve hours, and at once when its account is gone", async () => {
  await using control = await openControl();
  await firstOwner(control);
  const idle = await signIn(control, "ann");
  control.clock.advance(59 * minuteMs);
  assert.equal((await idle.get("/api/admin/me")).json.name, "ann");
  control.clock.advance(60 * minuteMs);
  assertProblem(await idle.get("/api/admin/me"), 401, "admin_session_ended");
  const busy = await signIn(control, "ann");
  for (let n = 0; n < 23; n++) {
    control.clock.advance(30 * minuteMs);
    assert.equal((await busy.get("/api/admin/me")).status, 200, `${n}`);
  }
  control.clock.advance(30 * minuteMs);
  assertProblem(await busy.get("/api/admin/me"), 401, "admin_session_ended");
  const owner = await signIn(control, "ann");
  const bobId = await makeAdmin(control, "bob", "viewer");
  const bob = await signIn(control, "bob");
  assert.equal((await bob.get("/api/admin/me")).status, 200);
  assert.equal((await owner.post("/api/admin/accounts/delete", { account_id: bobId })).status, 200);
  assertProblem(await bob.get("/api/admin/me"), 401, "admin_session_ended");
});

Deno.test("logout ends this session, or all of the account", async () => {
  await using control = await openControl();
  const one = await firstOwner(control);
  const [two, three] = [await signIn(control, "ann"), await signIn(control, "ann")];
  assert.equal((await one.get("/api/admin/me")).json.sessions.length, 3);
  const out = await one.post("/api/admin/logout", {});
  assert.equal(out.json.sessions, 1);
  assert.match(out.headers.getSetCookie()[0], /^__Host-postern_admin=;.*Max-Age=0/);
  assertProblem(await one.get("/api/admin/me"), 401, "admin_session_ended");
  assert.equal((await two.post("/api/admin/logout", { everywhere: true })).json.sessions, 2);
  assertProblem(await three.get("/api/admin/me"), 401, "admin_session_ended");
});

Deno.test("what changes something by a cookie needs the token of the session and our own origin: csrf_refused", async () => {
  await using control = await openControl();
  const owner = await firstOwner(control);
  const attempt = (headers: Record<string, string>) =>
    postWith(control, "/api/admin/accounts/invite", { role: "viewer" }, { Cookie: owner.cookie, ...headers });
  const token = { "X-CSRF-Token": owner.csrf };
  for (
    const headers of [
      {},
      token,
      ownPage,
      { ...ownPage, "X-CSRF-Token": "x".repeat(43) },
      { ...ownPage, "X-CSRF-Token": (await signIn(control, "ann")).csrf },
      { ...token, Origin: "https://evil.control.example" },
      { ...token, Origin: "http://control.example" },
      { ...token, Origin: "null" },
      { ...token, Origin: issuer, "Sec-Fetch-Site": "same-site" },
      { ...token, Origin: issuer, "Sec-Fetch-Site": "cross-site" },
    ]
  ) {
    assertProblem(await attempt(headers), 403, "csrf_refused");
  }
  assert.equal((await attempt({ ...token, Origin: issuer })).status, 200);
  const login = { name: "ann", password };
  const foreign = { Origin: "https://shop.control.example" };
  assertProblem(await postWith(control, "/api/admin/login", login, foreign), 403, "csrf_refused");
});

Deno.test("a token session is refreshed by its newest refresh token only, and one that comes again ends it", async () => {
  await using control = await openControl();
  await firstOwner(control);
  const login = await control.post("/api/admin/login", { name: "ann", password, session: "token" });
  const { access_token, refresh_token } = login.json;
  assert.equal(login.headers.getSetCookie().length, 0);
  assert.equal((await control.get("/api/admin/me", access_token)).json.actor, "admin:ann");
  control.clock.advance(16 * minuteMs);
  assertProblem(await control.get("/api/admin/me", access_token), 401, "token_expired");
  const refresh = (token: string) => control.post("/api/admin/refresh", { refresh_token: token });
  const next = await refresh(refresh_token);
  assert.equal(next.status, 200);
  assert.equal((await control.get("/api/admin/me", next.json.access_token)).status, 200);
  assertProblem(await refresh(refresh_token), 401, "admin_refresh_reused");
  assertProblem(await refresh(next.json.refresh_token), 401, "admin_session_ended");
  assertProblem(await control.get("/api/admin/me", next.json.access_token), 401, "admin_session_ended");
  const reuse = (await control.store.auditEntries(9)).find((line) => line.action === "admin.session.reuse");
  assert.equal(reuse?.outcome, "admin_refresh_reused");
});

Deno.test("a cookie is no refresh token, and a refresh token is no cookie", async () => {
  await using control = await openControl();
  const owner = await firstOwner(control);
  const secret = owner.cookie.split("=")[1];
  const refused = await control.post("/api/admin/refresh", { refresh_token: secret });
  assertProblem(refused, 401, "admin_session_ended");
  assert.equal((await owner.get("/api/admin/me")).status, 200);
  const login = await control.post("/api/admin/login", { name: "ann", password, session: "token" });
  const cookie = `__Host-postern_admin=${login.json.refresh_token}`;
  const shown = await control.send(new Request(`${issuer}/api/admin/me`, { headers: { Cookie: cookie } }));
  assertProblem(shown, 401, "admin_session_ended");
});

Deno.test("a password is changed by whoever knows it, and other sessions end", async () => {
  await using control = await openControl();
  const owner = await firstOwner(control);
  const other = await signIn(control, "ann");
  const change = (current: string, next: string) =>
    owner.post("/api/admin/password", { current_password: current, new_password: next });
  assertProblem(await change("wrong horse battery", password), 401, "admin_login_refused");
  assertProblem(await change(password, "short"), 400, "admin_password_weak");
  assert.equal((await change(password, "another horse battery")).json.sessions, 1);
  assertProblem(await other.get("/api/admin/me"), 401, "admin_session_ended");
  assert.equal((await owner.get("/api/admin/me")).status, 200);
  const login = (pass: string) =>
    control.post("/api/admin/login", { name: "ann", password: pass, session: "token" });
  assertProblem(await login(password), 401, "admin_login_refused");
  assert.equal((await login("another horse battery")).status, 200);
});

Deno.test("owners manage accounts, and one of them stays", async () => {
  await using control = await openControl({ store: { maxAdminAccounts: 2 } });
  const owner = await firstOwner(control);
  const me = (await owner.get("/api/admin/me")).json;
  const invite = await owner.post("/api/admin/accounts/invite", { role: "operator", ttl_seconds: 600 });
  const [url, secret] = invite.json.url.split("#");
  assert.equal(url, `${issuer}/dashboard/setup`);
  const made = await control.post("/api/admin/setup", { secret, name: "bob", password, session: "token" });
  assert.equal(made.json.role, "operator");
  const { accounts } = (await owner.get("/api/admin/accounts")).json;
  assert.deepEqual(accounts.map((account: { name: string }) => account.name), ["ann", "bob"]);
  assert.ok(!JSON.stringify(accounts).includes("scrypt"));
  const role = (id: string, to: string) =>
    owner.post("/api/admin/accounts/role", { account_id: id, role: to });
  assertProblem(await role(me.account_id, "viewer"), 409, "admin_last_owner");
  assertProblem(await role("adm_nobody", "viewer"), 404, "admin_account_unknown");
  const third = await inviteAdmin(control.deps, "test", { role: "viewer" });
  const cy = { secret: third.secret, name: "cy", password, session: "token" };
  assertProblem(await control.post("/api/admin/setup", cy), 409, "admin_accounts_full");
  assert.equal((await role(made.json.account_id, "viewer")).status, 200);
  const seen = await control.get("/api/admin/me", made.json.access_token);
  assert.equal(seen.json.role, "viewer", "a role counts at once");
});
