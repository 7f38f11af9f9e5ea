import assert from "node:assert/strict";
import { edgeDefaults } from "../src/config/mod.ts";
import { makeOwnerLink, startEdge } from "../src/main.ts";
import { noLog } from "../src/telemetry/mod.ts";
import { postern } from "./cli/program.ts";
import { OidcProviderServer } from "./support/oidc_provider.ts";
import { TempDir } from "./support/temp_dir.ts";

const password = "correct horse battery";

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

Deno.test("the first link stands in a private file until it is used; postern admin reset makes another", async () => {
  await using folder = await TempDir.make("first-admin");
  const settings = { listen: "127.0.0.1:0", admin_listen: "off", state_directory: folder.path };
  const logged: string[] = [];
  const log: typeof noLog = (level, event, fields) =>
    void logged.push(JSON.stringify({ level, event, ...fields }));
  const start = () => startEdge(edgeDefaults(settings), { log });
  const file = folder.file("bootstrap.url");
  const edge = await start();
  const url = (await Deno.readTextFile(file)).trim();
  assert.equal((await Deno.stat(file)).mode! & 0o777, 0o600);
  const [page, secret] = url.split("#");
  assert.equal(page, `http://localhost:${edge.port}/dashboard/setup`);
  assert.ok(!logged.join().includes(secret), "logs are read by others");
  assert.ok(logged.some((line) => line.includes(file)));

  const setup = (secret: string, name: string) =>
    fetch(`http://127.0.0.1:${edge.port}/api/admin/setup`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Host: "localhost" },
      body: JSON.stringify({ secret, name, password, session: "token" }),
    });
  const made = await (await setup(secret, "ann")).json();
  assert.equal(made.role, "owner", JSON.stringify(made));
  while (await exists(file)) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.equal((await (await setup(secret, "eve")).json()).code, "admin_invite_refused");

  const out = folder.file("owner.url");
  const reset = (...words: string[]) =>
    postern(["admin", "reset", "--state-directory", folder.path, ...words], {});
  const done = await reset("--out", out);
  assert.equal(done.code, 0, done.stderr);
  assert.equal(done.stdout, "");
  const link = (await Deno.readTextFile(out)).trim();
  assert.equal((await Deno.stat(out)).mode! & 0o777, 0o600);
  assert.match(link, /^http:\/\/localhost:8080\/dashboard\/setup#[\w-]{43}$/);
  assert.ok(!done.stderr.includes(link.split("#")[1]));
  assert.match((await reset("--out", out)).stderr, /secret_file_exists/);
  assert.match((await reset()).stderr, /cli_flag_value_missing/);
  const second = await (await setup(link.split("#")[1], "bob")).json();
  assert.equal(second.role, "owner");

  await edge.stop();
  const again = await start();
  assert.equal(await exists(file), false, "somebody administers already");
  await again.stop();
});

Deno.test("makeOwnerLink() makes no database where no edge has run: state_directory_unusable", async () => {
  await using folder = await TempDir.make("first-admin");
  const config = edgeDefaults({ state_directory: folder.file("nothing") });
  await assert.rejects(makeOwnerLink(config, noLog), { code: "state_directory_unusable" });
  assert.equal(await exists(folder.file("nothing")), false);
});

Deno.test("postern enroll-token --link prints a link that shows the token once", async () => {
  await using folder = await TempDir.make("link");
  const settings = { listen: "127.0.0.1:0", admin_listen: "off", state_directory: folder.path };
  const edge = await startEdge(edgeDefaults(settings), { log: noLog });
  const operator = {
    POSTERN_CONTROL: `http://127.0.0.1:${edge.port}`,
    POSTERN_TOKEN_FILE: edge.tokenPath,
  };
  const issued = await postern(["enroll-token", "--link", "--role", "connector", "--id", "c1"], operator);
  assert.equal(issued.code, 0, issued.stderr);
  const [page, secret] = issued.stdout.trim().split("#");
  assert.equal(page, `http://localhost:${edge.port}/reveal`);
  assert.ok(!issued.stderr.includes(secret));
  const reveal = () =>
    fetch(`http://127.0.0.1:${edge.port}/api/admin/reveal`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ secret }),
    });
  assert.match((await (await reveal()).json()).token, /^enroll\./);
  assert.equal((await (await reveal()).json()).code, "delivery_gone");
  const both = await postern(["enroll-token", "--link", "--out", folder.file("t")], operator);
  assert.match(both.stderr, /config_value_invalid/);
  const json = JSON.parse((await postern(["enroll-token", "--link", "--json"], operator)).stdout);
  assert.match(json.url, /#[\w-]{43}$/);
  await edge.stop();
});

Deno.test("startEdge() offers a login by the provider that its settings name, and needs a client id", async () => {
  await using folder = await TempDir.make("oidc");
  const secretFile = folder.file("secret");
  await using server = await OidcProviderServer.start(() => Date.now());
  await Deno.writeTextFile(secretFile, `${server.clientSecret}\n`, { mode: 0o600 });
  const settings = {
    listen: "127.0.0.1:0",
    admin_listen: "off",
    state_directory: folder.file("state"),
    "admin_oidc.issuer": server.issuer,
    "admin_oidc.client_secret_file": secretFile,
    "admin_oidc.owner_groups": "admins",
  };
  await assert.rejects(startEdge(edgeDefaults(settings), { log: noLog }), { code: "config_value_invalid" });
  const edge = await startEdge(edgeDefaults({ ...settings, "admin_oidc.client_id": server.clientId }), {
    log: noLog,
  });
  const ask = (url: string | URL, cookie = "") => fetch(url, { headers: { cookie }, redirect: "manual" });
  const base = `http://127.0.0.1:${edge.port}`;
  const there = await ask(`${base}/api/admin/oidc/login`);
  await there.body?.cancel();
  const cookie = there.headers.getSetCookie()[0].split(";")[0];
  const back = server.signIn(there.headers.get("Location")!);
  const done = await ask(`${base}${back.pathname}${back.search}`, cookie);
  assert.equal(done.status, 200, await done.text());
  const session = done.headers.getSetCookie().find((text) => text.startsWith("postern_admin="))!;
  const me = await (await ask(`${base}/api/admin/me`, session.split(";")[0])).json();
  assert.deepEqual([me.name, me.role], ["ann", "owner"]);
  await edge.stop();
});
