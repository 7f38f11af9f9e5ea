import assert from "node:assert/strict";
import { type Finding, runChecks } from "../../cli/diag/check.ts";
import { runtimeCheck, stateDirectoryCheck, tokenFileCheck } from "../../cli/diag/machine.ts";
import type { Answer } from "../../cli/http_get.ts";
import { clockFinding, udpTargetFinding } from "../../cli/diag/network.ts";
import { PosternError } from "../../src/errors/mod.ts";
import { TempDir } from "../support/temp_dir.ts";
import { postern } from "./program.ts";

const resultOf = async (finding: Finding | Promise<Finding>) => (await finding).result;

function control(): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const { pathname } = new URL(request.url);
    if (request.headers.get("upgrade") === "websocket") {
      const protocol = request.headers.get("sec-websocket-protocol")?.split(",")[0].trim();
      return Deno.upgradeWebSocket(request, { protocol }).response;
    }
    if (pathname === "/auth/token") {
      const good = request.headers.get("authorization") === "Bearer abc";
      return good
        ? Response.json({
          management_token: "x".repeat(40),
          expires_at: "2026-01-02T00:00:00Z",
          owner: "alice",
          role: "member",
          family: "abcdefgh",
          family_ends_at: "2026-02-01T00:00:00Z",
        })
        : Response.json({ code: "token_malformed", title: "no" }, { status: 401 });
    }
    if (pathname === "/healthz") return new Response("ok");
    if (pathname === "/.well-known/jwks.json") return Response.json({ keys: [{ kty: "OKP" }] });
    return new Response(null, { status: 404 });
  });
}

Deno.test("postern diag passes against a control plane that works", async () => {
  await using folder = await TempDir.make();
  await using server = control();
  const token = await folder.write("token", "abc", 0o600);
  const url = `http://127.0.0.1:${server.addr.port}`;
  const env = { POSTERN_CONTROL: url, POSTERN_STATE_DIRECTORY: folder.path, POSTERN_TOKEN_FILE: token };
  const { code, stdout } = await postern(["diag", String(server.addr.port)], env);
  const lines = Object.fromEntries(
    stdout.trim().split("\n").map((line) => line.split(/\s+/).slice(0, 2).reverse()),
  );
  assert.deepEqual(lines, {
    runtime: "PASS",
    wasm_simd: "PASS",
    state_directory: "PASS",
    token_file: "PASS",
    tpm: "SKIP",
    control: "PASS",
    clock: "PASS",
    jwks: "PASS",
    token: "PASS",
    carrier: "PASS",
    nodelay: "PASS",
    target: "PASS",
  });
  assert.equal(code, 0);
});

Deno.test("postern diag fails with hints and exit code 1, and as one object with --json", async () => {
  await using folder = await TempDir.make();
  const token = await folder.write("token", "abc", 0o644);
  await Deno.chmod(token, 0o644);
  const env = {
    POSTERN_CONTROL: "http://127.0.0.1:1",
    POSTERN_STATE_DIRECTORY: folder.path,
    POSTERN_TOKEN_FILE: token,
  };
  const text = await postern(["diag"], env);
  assert.equal(text.code, 1);
  assert.match(text.stdout, /^FAIL {2}control .*\n +hint: \S/m);
  assert.match(text.stdout, /^SKIP {2}jwks /m);
  assert.match(text.stderr, /^error\[checks_failed\]: /);
  const json = await postern(["diag", "--json"], env);
  const report = JSON.parse(json.stdout);
  assert.equal(json.code, 1);
  assert.equal(report.code, "checks_failed");
  const tokenFile = report.checks.find((check: { name: string }) => check.name === "token_file");
  assert.equal(tokenFile.result, "FAIL");
  assert.match(tokenFile.detail, /secret_file_permissions/);
});

Deno.test("postern diag asks control about the token, checks each service's target, and knows *.localhost", async () => {
  await using folder = await TempDir.make();
  await using server = control();
  const { port } = server.addr;
  const config = await folder.write(
    "agent.yaml",
    `version: 1
control: http://t.localhost:${port}
token_file: ${await folder.write("bad.token", "bad", 0o600)}
state_directory: ${folder.path}
services:
  - { name: web, target: "shop.localhost:${port}" }
  - { name: gone, protocol: tcp, target: "127.0.0.1:1" }
`,
  );
  const { code, stdout } = await postern(["diag", "--config", config]);
  assert.equal(code, 1);
  assert.match(stdout, /^PASS {2}control +http:\/\/t\.localhost/m);
  assert.match(stdout, /^PASS {2}nodelay /m);
  assert.match(stdout, /^FAIL {2}token +token_malformed: /m);
  assert.match(stdout, /^PASS {2}target +web: shop\.localhost:\d+$/m);
  assert.match(stdout, /^FAIL {2}target +gone: connect_refused: /m);
});

Deno.test("runtimeCheck() wants deno 2.9", async () => {
  assert.equal(await resultOf(runtimeCheck("2.9.6").run()), "PASS");
  assert.equal(await resultOf(runtimeCheck("3.0.0").run()), "PASS");
  assert.equal(await resultOf(runtimeCheck("2.8.9").run()), "FAIL");
});

Deno.test("stateDirectoryCheck() wants a private directory, or a place for one", async () => {
  await using folder = await TempDir.make();
  assert.equal(await resultOf(stateDirectoryCheck(folder.path).run()), "PASS");
  assert.equal(await resultOf(stateDirectoryCheck(folder.file("a/b/c")).run()), "PASS");
  assert.equal(await resultOf(stateDirectoryCheck("/proc/postern").run()), "FAIL");
  assert.equal(await resultOf(stateDirectoryCheck(await folder.write("file", "")).run()), "FAIL");
  await Deno.chmod(folder.path, 0o755);
  assert.equal(await resultOf(stateDirectoryCheck(folder.path).run()), "FAIL");
  assert.deepEqual([...Deno.readDirSync(folder.path)].map((entry) => entry.name), ["file"]);
});

Deno.test("tokenFileCheck() is skipped without a file", async () => {
  assert.equal(await resultOf(tokenFileCheck(null, Deno).run()), "SKIP");
});

Deno.test("udpTargetFinding() wants an address and a socket, and promises no more", async () => {
  const found = await udpTargetFinding({ host: "localhost", port: 53 });
  assert.equal(found.result, "PASS");
  assert.match(found.detail, /^localhost:53 \(udp: whether it answers cannot be told\)$/);
  assert.equal((await udpTargetFinding({ host: "127.0.0.1", port: 53 })).result, "PASS");
  await assert.rejects(udpTargetFinding({ host: "nowhere.invalid", port: 53 }));
});

Deno.test("clockFinding() compares with the Date of control", () => {
  const answer = (date?: string): Answer => ({
    status: 200,
    body: "",
    headers: date === undefined ? {} : { date },
  });
  const at = Date.parse("2026-01-01T00:00:00Z");
  assert.equal(clockFinding(answer("Thu, 01 Jan 2026 00:00:10 GMT"), at).result, "PASS");
  assert.equal(clockFinding(answer("Thu, 01 Jan 2026 00:01:00 GMT"), at).result, "FAIL");
  assert.equal(clockFinding(answer("nonsense"), at).result, "SKIP");
  assert.equal(clockFinding(answer(), at).result, "SKIP");
});

Deno.test("runChecks() turns what a check throws into its FAIL and goes on", async () => {
  const told: string[] = [];
  const results = await runChecks([
    { name: "a", run: () => Promise.reject(new PosternError("status_unreachable", "Cannot")) },
    { name: "b", run: () => Promise.reject(new Error("boom")) },
    { name: "c", run: () => ({ result: "PASS", detail: "fine" }) },
  ], (result) => told.push(result.name));
  assert.deepEqual(results.map(({ result, detail }) => `${result} ${detail}`), [
    "FAIL status_unreachable: Cannot",
    "FAIL boom",
    "PASS fine",
  ]);
  assert.deepEqual(told, ["a", "b", "c"]);
});
