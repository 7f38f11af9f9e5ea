import assert from "node:assert/strict";
import { controlDefaults } from "../../src/control/mod.ts";
import { issuer } from "../control/support.ts";
import { Browser, firstOwner, openDashboard, password, signedIn, wordsOf } from "./support.ts";

Deno.test("dashboard sends whoever is not signed in to the login, and back afterwards", async () => {
  await using open = await openDashboard();
  await firstOwner(open);
  const browser = new Browser(open);
  const sent = await browser.get("/dashboard/audit?actor=x");
  assert.equal(sent.status, 303);
  const login = sent.headers.get("Location")!;
  assert.equal(login, "/dashboard/login?back=%2Fdashboard%2Faudit%3Factor%3Dx");
  const page = await browser.get(login);
  assert.match(page.text, /name="back" value="\/dashboard\/audit\?actor=x"/);
  const answer = await browser.post("/dashboard/login", {
    name: "ann",
    password,
    back: "/dashboard/audit?actor=x",
  });
  assert.equal(answer.status, 303);
  assert.equal(answer.headers.get("Location"), "/dashboard/audit?actor=x");
  assert.equal((await browser.get("/dashboard/audit")).status, 200);
});

Deno.test("dashboard leads nowhere else after a login", async () => {
  await using open = await openDashboard();
  await firstOwner(open);
  for (
    const back of ["https://evil.example/", "//evil.example", "/dashboard//evil", "/dashboard\\evil", "/x"]
  ) {
    const answer = await new Browser(open).post("/dashboard/login", { name: "ann", password, back });
    assert.equal(answer.headers.get("Location"), "/dashboard", back);
  }
});

Deno.test("dashboard says on every answer that nothing inline counts and nobody may frame it", async () => {
  await using open = await openDashboard();
  const owner = await firstOwner(open);
  const script = /src="([^"]+\.js)"/.exec((await owner.get("/dashboard")).text)![1];
  const answers = await Promise.all([
    owner.get("/dashboard"),
    owner.get("/dashboard/login"),
    owner.get("/dashboard/none"),
    owner.get(script),
    owner.post("/dashboard/logout", { csrf: "wrong" }),
    new Browser(open).get("/dashboard"),
  ]);
  assert.deepEqual(answers.map(({ status }) => status), [200, 200, 404, 200, 403, 303]);
  for (const { headers } of answers) {
    const policy = headers.get("Content-Security-Policy")!;
    assert.match(policy, /default-src 'none'.*frame-ancestors 'none'/);
    assert.doesNotMatch(policy, /unsafe|https?:|\*/);
    assert.equal(headers.get("X-Content-Type-Options"), "nosniff");
    assert.equal(headers.get("Referrer-Policy"), "same-origin");
  }
  assert.equal(answers[0].headers.get("Cache-Control"), "no-store");
  assert.match(answers[3].headers.get("Cache-Control")!, /immutable/);
  for (const { text } of [answers[0], answers[1], answers[2]]) {
    assert.doesNotMatch(text, /<style|style="|\son\w+="|<script(?![^>]* src=)|javascript:/);
  }
});

Deno.test("dashboard shows who could not sign in why, without telling names from passwords", async () => {
  await using open = await openDashboard();
  await firstOwner(open);
  const wrong = [
    await new Browser(open).post("/dashboard/login", { name: "ann", password: "not this one" }),
    await new Browser(open).post("/dashboard/login", { name: "nobody", password }),
  ];
  for (const { status, text } of wrong) {
    assert.equal(status, 401);
    assert.match(text, /role="alert"/);
    assert.match(wordsOf(text), /Name or password is wrong/);
    assert.ok(!text.includes("not this one") && !text.includes(password));
  }
  const other = await new Browser(open).post("/dashboard/login", { name: "ann", password }, {
    Origin: "https://web.tunnel.example",
  });
  assert.equal(other.status, 403);
  assert.deepEqual(other.headers.getSetCookie(), []);
});

Deno.test("dashboard takes a form only with the token of its session, from its own page, by who may", async () => {
  await using open = await openDashboard();
  const owner = await firstOwner(open);
  const viewer = await signedIn(open, "viewer");
  const csrf = await owner.csrf("/dashboard/audit");
  const verify = (browser: Browser, token: string, headers = {}) =>
    browser.post("/dashboard/audit/verify", { csrf: token }, headers);
  assert.equal((await verify(owner, csrf)).status, 303);
  assert.equal((await verify(owner, "")).status, 403);
  assert.equal((await verify(owner, await viewer.csrf())).status, 403);
  assert.equal((await verify(owner, csrf, { Origin: "https://web.tunnel.example" })).status, 403);
  assert.equal((await verify(owner, csrf, { "Content-Type": "application/json" })).status, 415);
  assert.equal((await verify(new Browser(open), csrf)).status, 303);
});

Deno.test("dashboard: who signs out is signed out, and a session that ended sees no page", async () => {
  await using open = await openDashboard();
  const owner = await firstOwner(open);
  const kept = new Browser(open);
  for (const [name, value] of owner.cookies) kept.cookies.set(name, value);
  const out = await owner.post("/dashboard/logout", { csrf: await owner.csrf() });
  assert.equal(out.headers.get("Location"), "/dashboard/login");
  assert.equal(owner.cookies.size, 0);
  const later = await kept.get("/dashboard/services");
  assert.equal(later.headers.get("Location"), "/dashboard/login?back=%2Fdashboard%2Fservices&over=");
  assert.match((await kept.get(later.headers.get("Location")!)).text, /The session is over/);
});

Deno.test("dashboard: the link of the first owner counts once", async () => {
  await using open = await openDashboard();
  assert.match((await new Browser(open).get("/dashboard/setup")).text, /data-from-fragment/);
  await firstOwner(open);
  const again = await new Browser(open).post("/dashboard/setup", { secret: "x", name: "eve", password });
  assert.equal(again.status, 403);
  assert.match(again.text, /value="eve"/);
});

Deno.test("dashboard keeps the theme that was chosen, and no other word", async () => {
  await using open = await openDashboard();
  const owner = await firstOwner(open);
  assert.doesNotMatch((await owner.get("/dashboard")).text, /data-theme/);
  const chosen = await owner.post("/dashboard/theme", { theme: "dark", back: "/dashboard/audit" });
  assert.equal(chosen.headers.get("Location"), "/dashboard/audit");
  assert.match((await owner.get("/dashboard")).text, /<html lang="en" data-theme="dark">/);
  assert.equal((await owner.post("/dashboard/theme", { theme: "pink" })).status, 400);
  owner.cookies.set("postern_theme", `"><script>`);
  assert.doesNotMatch((await owner.get("/dashboard")).text, /data-theme/);
});

Deno.test("dashboard limits how often one address asks, and how much a form brings", async () => {
  const rates = { ...controlDefaults.rates, admin: { perMinute: 60, burst: 3 } };
  await using open = await openDashboard({ config: { rates } });
  const browser = new Browser(open);
  const large = await browser.post("/dashboard/theme", { theme: "x".repeat(140_000) });
  assert.equal(large.status, 413);
  for (let count = 0; count < 2; count++) assert.equal((await browser.get("/dashboard/login")).status, 200);
  const limited = await browser.get("/dashboard/login");
  assert.equal(limited.status, 429);
  assert.equal(limited.headers.get("Retry-After"), "1");
  assert.match(limited.text, /rate_limited/);
});

Deno.test("dashboard tells a failure without its cause, and logs that", async () => {
  await using open = await openDashboard();
  const owner = await firstOwner(open);
  open.control.deps.store.auditHead = () => Promise.reject(new Error("secret inside"));
  const answer = await owner.get("/dashboard/audit");
  assert.equal(answer.status, 500);
  assert.ok(!answer.text.includes("secret inside"));
  assert.ok(open.control.logged.some((line) => line.includes("secret inside")));
  assert.equal(new URL(issuer).protocol, "https:");
});
