import assert from "node:assert/strict";
import { CATALOGUE } from "../../src/errors/mod.ts";
import { TempDir } from "../support/temp_dir.ts";
import { postern } from "./program.ts";

function assertFailed(
  ended: { code: number; stdout: string; stderr: string },
  code: string,
  exit: number,
): void {
  assert.match(ended.stderr, new RegExp(`^error\\[${code}\\]: `, "m"));
  assert.match(ended.stderr, /^ {2}fix: {2}\S/m);
  assert.match(ended.stderr, new RegExp(`^ {2}more: postern explain ${code}$`, "m"));
  assert.doesNotMatch(ended.stderr, /\n\s+at /);
  assert.equal(ended.code, exit);
}

Deno.test("postern without a command shows help and exits 2; help, --help and version exit 0", async () => {
  const bare = await postern([]);
  assert.equal(bare.code, 2);
  assert.match(bare.stderr, /Usage: postern COMMAND/);
  for (const words of [["help"], ["--help"], ["http", "--help"], ["help", "edge", "--all"]]) {
    const { code, stdout } = await postern(words);
    assert.equal(code, 0, words.join(" "));
    assert.match(stdout, /Usage: postern/);
  }
  assert.match((await postern(["--version"])).stdout, /^postern \d+\.\d+\.\d+ \(deno /);
  assert.match(JSON.parse((await postern(["version", "--json"])).stdout).version, /^\d+\.\d+\.\d+$/);
});

Deno.test("postern explain and postern help tell cause and remedy of an error code", async () => {
  const { code, stdout } = await postern(["explain", "name_taken"]);
  assert.equal(code, 0);
  const { title, cause, remedy } = CATALOGUE.name_taken;
  for (const text of [`name_taken: ${title}`, cause, `Fix: ${remedy}`, "HTTP status: 409"]) {
    assert.ok(stdout.includes(text), text);
  }
  assert.equal((await postern(["help", "name_taken"])).stdout, stdout);
  const json = JSON.parse((await postern(["explain", "name_taken", "--json"])).stdout);
  assert.deepEqual([json.code, json.cause, json.exit], ["name_taken", cause, 3]);
  const unknown = await postern(["explain", "name_takn"]);
  assertFailed(unknown, "cli_argument_unexpected", 2);
  assert.match(unknown.stderr, /did you mean "name_taken"/);
});

Deno.test("postern exits 2 on usage errors, with code, remedy and page", async () => {
  assertFailed(await postern(["htpp"]), "cli_command_unknown", 2);
  assertFailed(await postern(["help", "htpp"]), "cli_command_unknown", 2);
  assertFailed(await postern(["http", "nonsense"]), "cli_target_invalid", 2);
  assertFailed(await postern(["agent"]), "config_services_missing", 2);
  assertFailed(await postern(["edge", "--listen", "x"]), "config_value_invalid", 2);
});

Deno.test("postern exits 2 on configuration errors and names their place", async () => {
  await using folder = await TempDir.make();
  assertFailed(await postern(["config", "edge", "-c", folder.file("absent")]), "config_file_unreadable", 2);
  assertFailed(await postern(["config", "edge", "-c", folder.path]), "config_file_unreadable", 2);
  const file = await folder.write("edge.yaml", "version: 1\nlimits:\n  max_agent: 5\n");
  const ended = await postern(["edge", "--config", file]);
  assertFailed(ended, "config_key_unknown", 2);
  assert.ok(
    ended.stderr.includes(`${file}:3:3: unknown key "limits.max_agent" (did you mean "max_agents"?)`),
  );
});

Deno.test("postern --json prints failures as one JSON object on standard output", async () => {
  const { code, stdout, stderr } = await postern(["status", "--json", "--admin-listen", "127.0.0.1:1"]);
  assert.equal(code, 1);
  assert.equal(stderr, "");
  assert.equal(JSON.parse(stdout).error.code, "status_unreachable");
});

Deno.test("postern shows a stack only with POSTERN_DEBUG=1", async () => {
  assert.match((await postern(["htpp"], { POSTERN_DEBUG: "1" })).stderr, /\n\s+at .*parse\.ts/);
});

Deno.test("postern config shows values with their origin", async () => {
  await using folder = await TempDir.make();
  const file = await folder.write("edge.yaml", "version: 1\nregion: north\n");
  const env = { POSTERN_CONFIG: file, POSTERN_GRACE: "5s", POSTERN_LISTENN: "x" };
  const { stdout, stderr } = await postern(["config", "edge"], env);
  assert.match(stdout, new RegExp(`^region +north +file ${file}:2:9$`, "m"));
  assert.match(stdout, /^grace +5s +environment POSTERN_GRACE$/m);
  assert.match(stdout, /^tcp_ports +20000-20999 +default$/m);
  assert.match(stderr, /^warning: POSTERN_LISTENN is not a setting; did you mean POSTERN_LISTEN\?$/m);
  const json = JSON.parse((await postern(["config", "edge", "--json"], env)).stdout);
  assert.equal(json.config.graceMs, 5000);
  assert.deepEqual(json.origins.grace, { layer: "environment", where: "POSTERN_GRACE" });
});

Deno.test("postern completions prints a script for each shell", async () => {
  const { code, stdout } = await postern(["completions", "zsh"]);
  assert.equal(code, 0);
  assert.match(stdout, /^#compdef postern/);
});

Deno.test("postern status reads what an edge and an agent tell", async () => {
  const agent = {
    role: "agent",
    agent_id: "agent-1",
    version: "0.1.0",
    recent: [],
    state: "online",
    edge: "e1",
    rtt_ms: 1,
    since: Date.now(),
    services: [],
  };
  const edge = { role: "edge", edgeId: "e1", agents: 2, services: [1, 2, 3] };
  let body: unknown = agent;
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) =>
      new URL(request.url).pathname === "/status" ? Response.json(body) : new Response(null, { status: 404 }),
  );
  const at = `127.0.0.1:${server.addr.port}`;
  // A proxy of the environment must not come between: the address is this machine's.
  const env = { POSTERN_ADMIN_LISTEN: at, HTTP_PROXY: "http://127.0.0.1:1" };
  assert.match((await postern(["status"], env)).stdout, /^agent at .*\n {2}postern {2}online for/);
  body = edge;
  assert.match((await postern(["status"], env)).stdout, /^edge at .*\n(?: {2}.*\n)* {2}agents +2\n/);
  assert.deepEqual(JSON.parse((await postern(["status", "edge", "--json"], env)).stdout), { edge });
  assertFailed(await postern(["status", "agent"], env), "status_unreachable", 1);
  body = [1];
  assertFailed(await postern(["status"], env), "status_unreachable", 1);
  assertFailed(await postern(["status", "--admin-listen", "x"], env), "config_value_invalid", 2);
});
