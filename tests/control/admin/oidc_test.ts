import assert from "node:assert/strict";
import { generateKeyPair } from "jose";
import { OidcProvider } from "../../../src/control/mod.ts";
import { OidcProviderServer } from "../../support/oidc_provider.ts";
import { type Answer, assertProblem, type Control, issuer, openControl } from "../support.ts";
import { firstOwner } from "./support.ts";

/** A control plane whose administrators may come by a real provider. */
async function withProvider(use: (control: Control, server: OidcProviderServer) => Promise<void>) {
  let now = () => 0;
  await using server = await OidcProviderServer.start(() => now());
  using client = Deno.createHttpClient({});
  await using control = await openControl({ oidc: (deps) => providerOf(server, client, deps) });
  now = () => control.clock.wall();
  await use(control, server);
}

function providerOf(
  server: OidcProviderServer,
  client: Deno.HttpClient,
  { clock, random }: Pick<Control["deps"], "clock" | "random">,
): OidcProvider {
  const settings = {
    issuer: server.issuer,
    clientId: server.clientId,
    clientSecret: server.clientSecret,
    scopes: ["openid", "profile"],
    groupsClaim: "groups",
    groups: { owner: ["admins"], operator: ["ops"], viewer: ["staff", "guests"] },
  };
  return new OidcProvider({ settings, client, clock, random });
}

/** The way of a browser to the provider. */
async function begin(control: Control) {
  const response = await control.app.fetch(new Request(`${issuer}/api/admin/oidc/login`), {});
  assert.equal(response.status, 303, await response.clone().text());
  const [whole] = response.headers.getSetCookie();
  return { url: response.headers.get("Location")!, whole, cookie: whole.split(";")[0] };
}

/** The way back. */
async function back(control: Control, url: URL, cookie?: string): Promise<Answer> {
  const headers: Record<string, string> = cookie === undefined ? {} : { Cookie: cookie };
  const response = await control.app.fetch(new Request(url, { headers }), {});
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    json: response.status === 200 ? text : JSON.parse(text),
  };
}

async function login(control: Control, server: OidcProviderServer): Promise<Answer> {
  const { url, cookie } = await begin(control);
  return await back(control, server.signIn(url), cookie);
}

async function whoIs(control: Control, answer: Answer) {
  assert.equal(answer.status, 200, JSON.stringify(answer.json));
  const session = answer.headers.getSetCookie().find((text) => text.startsWith("__Host-postern_admin="))!;
  assert.ok(session.includes("SameSite=Strict") && session.includes("HttpOnly"));
  const headers = { Cookie: session.split(";")[0] };
  return (await control.send(new Request(`${issuer}/api/admin/me`, { headers }))).json;
}

Deno.test("a login by the provider makes an account with the role of the person's groups, and finds it again", () =>
  withProvider(async (control, server) => {
    const { url, whole } = await begin(control);
    const query = new URL(url).searchParams;
    assert.equal(query.get("response_type"), "code");
    assert.equal(query.get("code_challenge_method"), "S256");
    assert.equal(query.get("redirect_uri"), `${issuer}/api/admin/oidc/callback`);
    for (const part of ["__Host-postern_oidc=", "HttpOnly", "Secure", "SameSite=Lax", "Max-Age=600"]) {
      assert.ok(whole.includes(part), part);
    }
    const first = await whoIs(control, await login(control, server));
    assert.deepEqual([first.name, first.role], ["ann", "owner"]);
    const again = await whoIs(control, await login(control, server));
    assert.equal(again.account_id, first.account_id);
    const audit = await control.store.auditEntries(20);
    assert.ok(audit.some((line) => line.action === "admin.login" && line.detail.kind === "oidc"));
  }));

Deno.test("the provider's groups count at each login, but the last owner stays owner", () =>
  withProvider(async (control, server) => {
    assert.equal((await whoIs(control, await login(control, server))).role, "owner");
    server.claims = { ...server.claims, groups: ["staff"] };
    assert.equal((await whoIs(control, await login(control, server))).role, "owner", "nobody else is");
    server.claims = { sub: "u2", groups: "ops" };
    const other = await whoIs(control, await login(control, server));
    assert.match(other.name, /^oidc-/);
    assert.equal(other.role, "operator");
    server.claims = { sub: "u2", groups: ["guests", "admins"] };
    assert.equal((await whoIs(control, await login(control, server))).role, "owner");
    server.claims = { sub: "u1", groups: ["staff"] };
    assert.equal((await whoIs(control, await login(control, server))).role, "viewer");
  }));

Deno.test("a name that the provider gives is never an account that is there: subjects are", () =>
  withProvider(async (control, server) => {
    const local = await firstOwner(control);
    const mine = (await local.get("/api/admin/me")).json;
    server.claims = { sub: "stranger", preferred_username: "ann", groups: ["guests"] };
    const theirs = await whoIs(control, await login(control, server));
    assert.notEqual(theirs.account_id, mine.account_id);
    assert.match(theirs.name, /^oidc-/);
    assert.equal(theirs.role, "viewer");
    const password = { name: theirs.name, password: "", session: "token" };
    assertProblem(await control.post("/api/admin/login", password), 401, "admin_login_refused");
  }));

Deno.test("whoever is in none of the groups is refused: admin_oidc_role_missing", () =>
  withProvider(async (control, server) => {
    for (const groups of [[], ["else"], undefined, { admins: true }]) {
      server.claims = { sub: "u1", groups };
      assertProblem(await login(control, server), 403, "admin_oidc_role_missing");
    }
    assert.deepEqual(await control.store.adminAccounts(), []);
  }));

Deno.test("what comes back to another browser, too late or twice is refused: admin_oidc_state_mismatch, admin_oidc_refused", () =>
  withProvider(async (control, server) => {
    const mine = await begin(control);
    const other = await begin(control);
    const url = server.signIn(mine.url);
    assertProblem(await back(control, url), 403, "admin_oidc_state_mismatch");
    assertProblem(await back(control, url, other.cookie), 403, "admin_oidc_state_mismatch");
    assertProblem(await back(control, url, "__Host-postern_oidc=AAAA"), 403, "admin_oidc_state_mismatch");
    const mixed = new URL(url);
    mixed.searchParams.set("iss", "https://other.example");
    assertProblem(await back(control, mixed, mine.cookie), 403, "admin_oidc_state_mismatch");
    const refused = new URL(url);
    refused.searchParams.delete("code");
    refused.searchParams.set("error", "access_denied");
    assertProblem(await back(control, refused, mine.cookie), 403, "admin_oidc_refused");
    assert.equal((await back(control, url, mine.cookie)).status, 200);
    assertProblem(await back(control, url, mine.cookie), 403, "admin_oidc_refused");
    const late = await begin(control);
    const lateUrl = server.signIn(late.url);
    control.clock.advance(600_000);
    assertProblem(await back(control, lateUrl, late.cookie), 403, "admin_oidc_state_mismatch");
    const stolen = await begin(control);
    const code = server.signIn(other.url).searchParams.get("code")!;
    const injected = server.signIn(stolen.url);
    injected.searchParams.set("code", code);
    assertProblem(await back(control, injected, stolen.cookie), 403, "admin_oidc_refused");
  }));

Deno.test("an ID token of another issuer, audience, login, time or key is refused: admin_oidc_token_invalid", () =>
  withProvider(async (control, server) => {
    const good = server.claims;
    const now = Math.floor(control.clock.wall() / 1_000);
    const lies: Record<string, unknown>[] = [
      { iss: "https://other.example" },
      { aud: "other" },
      { aud: [server.clientId, "other"] },
      { aud: [server.clientId, "other"], azp: "other" },
      { nonce: "x".repeat(43) },
      { nonce: undefined },
      { exp: now - 31 },
      { exp: undefined },
      { sub: undefined },
      { sub: "a b" },
      { nbf: now + 86_400 },
    ];
    for (const lie of lies) {
      control.clock.advance(60_000);
      server.claims = { ...good, exp: Math.floor(control.clock.wall() / 1_000) + 300, ...lie };
      assertProblem(await login(control, server), 403, "admin_oidc_token_invalid");
    }
    server.claims = good;
    server.otherKey = await generateKeyPair("ES256");
    assertProblem(await login(control, server), 403, "admin_oidc_token_invalid");
    server.otherKey = undefined;
    server.claims = { ...good, aud: [server.clientId, "other"], azp: server.clientId };
    assert.equal((await login(control, server)).status, 200);
    assert.deepEqual((await control.store.adminAccounts()).length, 1);
  }));

Deno.test("a provider that is away, or another one than was configured, is told: admin_oidc_unavailable", () =>
  withProvider(async (control, server) => {
    const ask = async () => {
      const response = await control.app.fetch(new Request(`${issuer}/api/admin/oidc/login`), {});
      return { status: response.status, headers: response.headers, json: await response.json() };
    };
    server.configuration = { issuer: "https://other.example" };
    assertProblem(await ask(), 503, "admin_oidc_unavailable");
    server.configuration = { token_endpoint: "ftp://x" };
    assertProblem(await ask(), 503, "admin_oidc_unavailable");
    await server[Symbol.asyncDispose]();
    assertProblem(await ask(), 503, "admin_oidc_unavailable");
  }));

Deno.test("without a provider there is no such login", async () => {
  await using control = await openControl();
  assertProblem(await control.get("/api/admin/oidc/login"), 404, "endpoint_not_found");
  assertProblem(await control.get("/api/admin/oidc/callback?code=x&state=y"), 404, "endpoint_not_found");
});
