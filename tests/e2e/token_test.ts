import assert from "node:assert/strict";
import { startAgent } from "../../agent/mod.ts";
import { agentDefaults, edgeDefaults } from "../../src/config/mod.ts";
import { systemClock } from "../../src/driver/mod.ts";
import { startEdge } from "../../src/main.ts";
import { noLog } from "../../src/telemetry/mod.ts";
import { postern } from "../cli/program.ts";
import { startStack } from "../support/stack.ts";
import { TempDir } from "../support/temp_dir.ts";

const claimsOf = (token: string) =>
  JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));

Deno.test("postern token issues, an agent publishes with it, revoke cuts it and it stays out", async () => {
  await using origin = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response("hello"),
  );
  await using stack = await startStack({ edge: { anonymous_tunnels: "false" } });
  await using folder = await TempDir.make("token");
  const token = (...words: string[]) =>
    postern(["token", ...words], {
      POSTERN_CONTROL: `http://127.0.0.1:${stack.port}`,
      POSTERN_TOKEN_FILE: stack.edge.tokenPath,
    });

  const issued = await token("--owner", "alice", "--ttl", "1h", "--out", folder.file("alice.token"));
  assert.equal(issued.code, 0, issued.stderr);
  assert.equal(issued.stdout, "");
  assert.match(issued.stderr, /^member alice, family \S+: expires /);
  assert.equal((await Deno.stat(folder.file("alice.token"))).mode! & 0o777, 0o600);
  const printed = await token("--owner", "bob", "--role", "operator");
  assert.deepEqual([claimsOf(printed.stdout.trim()).sub, claimsOf(printed.stdout.trim()).role], [
    "bob",
    "operator",
  ]);
  const kept = await Deno.readTextFile(folder.file("alice.token"));
  const taken = await token("--owner", "bob", "--out", folder.file("alice.token"));
  assert.ok(taken.stderr.startsWith("error[secret_file_exists]"), taken.stderr);
  assert.equal(taken.code, 2);
  assert.equal(await Deno.readTextFile(folder.file("alice.token")), kept);
  assert.equal((await token("--owner", "alice", "--out", folder.file("alice.token"))).code, 0);
  assert.notEqual(await Deno.readTextFile(folder.file("alice.token")), kept, "her own token is replaced");
  await Deno.writeTextFile(folder.file("other"), "a password\n");
  assert.equal((await token("--owner", "dora", "--out", folder.file("other"))).code, 2);
  assert.equal((await token("--owner", "dora", "--out", folder.file("other"), "--force")).code, 0);
  assert.equal(claimsOf(await Deno.readTextFile(folder.file("other"))).sub, "dora");
  const json = JSON.parse((await token("--owner", "carol", "--json")).stdout);
  assert.deepEqual([json.owner, json.role], ["carol", "member"]);

  const agent = await stack.addAgent([{ name: "shop", target: `127.0.0.1:${origin.addr.port}` }], {
    token_file: folder.file("alice.token"),
  });
  assert.equal(await (await stack.fetch("shop")).text(), "hello");

  const operatorToken = await Deno.readTextFile(stack.edge.tokenPath);
  const revoked = await token("revoke", "--owner", "alice");
  assert.deepEqual(
    [revoked.code, revoked.stdout],
    [0, "revoked all tokens of alice; 1 tunnels cut\n"],
    revoked.stderr,
  );
  assert.equal(revoked.stderr, "");
  const misspelt = await token("revoke", "--owner", "alcie");
  assert.equal(misspelt.code, 0);
  assert.match(misspelt.stderr, /^warning: .*owner alcie/);
  const response = await stack.fetch("shop");
  assert.notEqual(response.status, 200);
  await response.body?.cancel();
  assert.equal(agent.status().services[0].state === "online", false);
  assert.equal(await Deno.readTextFile(stack.edge.tokenPath), operatorToken);
  const unknown = JSON.parse((await token("revoke", "--family", "no-such-family", "--json")).stdout);
  assert.deepEqual(unknown, { revoked: { family: "no-such-family" }, tunnels: 0, known: false });

  for (
    const [words, code, exit] of [
      [["--role", "member"], "cli_flag_value_missing", 2],
      [["revoke"], "cli_flag_value_missing", 2],
      [["revoke", "--owner", "a", "--ttl", "1h"], "cli_flag_unknown", 2],
      [["--owner", "a", "--ttl", "soon"], "config_value_invalid", 2],
      [["--owner", "a", "--token-file", folder.file("alice.token")], "token_revoked", 3],
    ] as const
  ) {
    const ended = await token(...words);
    assert.ok(ended.stderr.startsWith(`error[${code}]`), ended.stderr);
    assert.equal(ended.code, exit);
  }
});

Deno.test("an agent that published without a token and goes on with one is cut with its owner", async () => {
  await using origin = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response("hello"),
  );
  await using stack = await startStack();
  const token = (...words: string[]) =>
    postern(["token", ...words], {
      POSTERN_CONTROL: `http://127.0.0.1:${stack.port}`,
      POSTERN_TOKEN_FILE: stack.edge.tokenPath,
    });
  const services = [{ name: "keep", target: `127.0.0.1:${origin.addr.port}` }];
  const settings = { state_directory: stack.folder.file("agent") };
  await (await stack.addAgent(services, settings)).stop();

  const tokenFile = stack.folder.file("eve.token");
  assert.equal((await token("--owner", "eve", "--out", tokenFile)).code, 0);
  await stack.addAgent(services, { ...settings, token_file: tokenFile });
  assert.equal(await (await stack.fetch("keep")).text(), "hello");

  assert.equal(
    (await token("revoke", "--owner", "eve")).stdout,
    "revoked all tokens of eve; 1 tunnels cut\n",
  );
  const response = await stack.fetch("keep");
  assert.notEqual(response.status, 200);
  await response.body?.cancel();
});

Deno.test("an edge whose own operator is revoked writes a token that is good", async () => {
  await using stack = await startStack();
  const before = await Deno.readTextFile(stack.edge.tokenPath);
  const control = {
    POSTERN_CONTROL: `http://127.0.0.1:${stack.port}`,
    POSTERN_TOKEN_FILE: stack.edge.tokenPath,
  };
  using changes = Deno.watchFs(stack.folder.file("edge"));
  assert.equal((await postern(["token", "revoke", "--owner", "operator"], control)).code, 0);
  if (await Deno.readTextFile(stack.edge.tokenPath) === before) {
    for await (const _change of changes) {
      if (await Deno.readTextFile(stack.edge.tokenPath) !== before) break;
    }
  }
  assert.equal((await postern(["token", "--owner", "alice"], control)).code, 0);
});

Deno.test("an agent puts a fresh token of the same family into its file before the old one expires", async () => {
  await using folder = await TempDir.make("token");
  // Tokens of an edge whose clock is behind are past half of their life here.
  const clock = { ...systemClock, wall: () => systemClock.wall() - 40_000 };
  const edge = await startEdge(
    edgeDefaults({
      listen: "127.0.0.1:0",
      admin_listen: "off",
      state_directory: folder.file("edge"),
      "tokens.management": "1m",
      drain_timeout: "0",
    }),
    { log: noLog, clock: Object.assign(Object.create(systemClock), clock) },
  );
  const tokenFile = await folder.write("agent/token", await Deno.readTextFile(edge.tokenPath));
  const before = (await Deno.readTextFile(tokenFile)).trim();
  using changes = Deno.watchFs(folder.file("agent"));
  const agent = await startAgent(agentDefaults({
    control: `http://127.0.0.1:${edge.port}`,
    admin_listen: "off",
    state_directory: folder.file("state"),
    token_file: tokenFile,
    drain_timeout: "0",
  }, [{ name: "web", target: "127.0.0.1:9" }]));
  let after = before;
  for await (const _change of changes) {
    after = (await Deno.readTextFile(tokenFile)).trim();
    if (after !== before) break;
  }
  assert.equal(claimsOf(after).family, claimsOf(before).family);
  assert.equal(claimsOf(after).family_end, claimsOf(before).family_end);
  assert.notEqual(claimsOf(after).jti, claimsOf(before).jti);
  assert.equal((await Deno.stat(tokenFile)).mode! & 0o777, 0o600);
  await agent.stop();
  await edge.stop();
});
