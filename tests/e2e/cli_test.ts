import assert from "node:assert/strict";
import { CertificateAuthority } from "../support/certificates.ts";
import { curl } from "../support/curl.ts";
import { Nginx } from "../support/nginx.ts";
import { freePort } from "../support/ports.ts";
import { Process } from "../support/process.ts";
import { RawClient } from "../support/raw_client.ts";
import { RawOrigin } from "../support/raw_origin.ts";
import { type Stack, startStack } from "../support/stack.ts";
import { flagsOf, startPostern } from "../support/stack_processes.ts";
import { TempDir } from "../support/temp_dir.ts";

function web(body = "hello"): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => new Response(body));
}

/** Flags of an agent at this edge. */
function at(stack: Stack, settings: Record<string, string> = {}): string[] {
  return flagsOf({
    control: `http://127.0.0.1:${stack.port}`,
    admin_listen: "off",
    "retry.initial": "20ms",
    ...settings,
  });
}

/** Runs `postern WORDS` to its end. */
async function run(folder: TempDir, words: readonly string[]) {
  await using process = startPostern(words, folder);
  return await process.finished(20_000);
}

Deno.test("postern http prints the public URL, serves, and ends with 0 on SIGTERM", async () => {
  await using origin = web();
  await using stack = await startStack();
  await using folder = await TempDir.make("cli");
  await using agent = startPostern(["http", `${origin.addr.port}`, "--name", "shop", ...at(stack)], folder);
  await agent.waitFor(new RegExp(`http://shop\\.localhost:${stack.port}`));
  assert.equal(await (await stack.fetch("shop")).text(), "hello");
  agent.signal("SIGTERM");
  assert.equal((await agent.finished()).code, 0);
});

Deno.test("postern tcp prints the public address and serves", async () => {
  await using origin = RawOrigin.start(async (socket) => await socket.send(await socket.rest()));
  await using stack = await startStack();
  await using folder = await TempDir.make("cli");
  await using agent = startPostern(["tcp", `${origin.port}`, ...at(stack)], folder);
  const [, port] = await agent.waitFor(/tcp:\/\/localhost:(\d+)/);
  using viewer = await RawClient.connect(Number(port));
  await viewer.send("echo");
  await viewer.conn.closeWrite();
  assert.equal(await viewer.rest(), "echo");
});

Deno.test("postern tls publishes a service that keeps its certificate, and diag knows whether it speaks TLS", async () => {
  await using ca = await CertificateAuthority.make();
  const { certPath, keyPath } = await ca.issue({ names: ["DNS:vault.localhost"] });
  await using origin = await Nginx.start({
    http: `server { listen 127.0.0.1:{port} ssl; ssl_certificate ${certPath}; ssl_certificate_key ${keyPath};
      return 200 "kept\\n"; }`,
  });
  await using stack = await startStack();
  await using folder = await TempDir.make("cli");
  await using agent = startPostern(["tls", `${origin.port}`, "--name", "vault", ...at(stack)], folder);
  const [url] = await agent.waitFor(/https:\/\/vault\.localhost:\d+/);
  assert.equal((await curl(url, { args: ["--cacert", ca.ca.certPath] })).text, "kept\n");
  const diag = async (target: number) => {
    const service = `{ protocol: tls, target: "127.0.0.1:${target}" }`;
    await folder.write("tls.yaml", `version: 1\nservices:\n  - ${service}\n`);
    const { stdout } = await run(folder, [
      "diag",
      "--config",
      "tls.yaml",
      "--control",
      `http://127.0.0.1:${stack.port}`,
    ]);
    return /^(?:PASS|FAIL) +target +.*$/m.exec(stdout)?.[0];
  };
  assert.match(await diag(origin.port) ?? "", /^PASS +target +127\.0\.0\.1:\d+ \(TLSv1\.[23]\)/);
  await using plain = web();
  assert.match(await diag(plain.addr.port) ?? "", /^FAIL +target +.* TLS/);
});

Deno.test("postern agent publishes every service of its file, and status tells about edge and agent", async () => {
  await using shop = web("shop");
  await using news = web("news");
  await using raw = RawOrigin.silent();
  await using stack = await startStack();
  await using folder = await TempDir.make("cli");
  const adminPort = freePort();
  await folder.write(
    "agent.yaml",
    `version: 1
control: http://127.0.0.1:${stack.port}
admin_listen: 127.0.0.1:${adminPort}
services:
  - { name: shop, target: "127.0.0.1:${shop.addr.port}" }
  - { name: news, target: "127.0.0.1:${news.addr.port}" }
  - { protocol: tcp, target: "${raw.target}" }
`,
  );
  await using agent = startPostern(["agent", "--config", "agent.yaml"], folder);
  await agent.waitUntil(async () =>
    (await fetch(`http://127.0.0.1:${adminPort}/healthz`).then(
      (r) => r.body?.cancel().then(() => r.ok),
      () => false,
    )) ===
      true
  );
  await agent.waitFor(/shop\.localhost/);
  await agent.waitFor(/news\.localhost/);
  await agent.waitFor(/tcp:\/\/localhost/);
  assert.equal(await (await stack.fetch("shop")).text(), "shop");
  assert.equal(await (await stack.fetch("news")).text(), "news");

  const status = await run(folder, ["status", "agent", `--admin-listen=127.0.0.1:${adminPort}`, "--json"]);
  assert.equal(status.code, 0, status.stderr);
  const { agent: told } = JSON.parse(status.stdout);
  assert.equal(told.state, "online");
  assert.deepEqual(told.services.map((service: { state: string }) => service.state), [
    "online",
    "online",
    "online",
  ]);
  assert.equal(told.services[0].requests, 1);

  const edge = await run(folder, [
    "status",
    "edge",
    `--admin-listen=127.0.0.1:${stack.edge.adminPort}`,
    "--json",
  ]);
  assert.equal(JSON.parse(edge.stdout).edge.sessions.length, 3);
});

Deno.test("postern diag vouches for a machine on which everything is in order", async () => {
  await using origin = web();
  await using stack = await startStack();
  await using folder = await TempDir.make("cli");
  const { code, stdout } = await run(folder, [
    "diag",
    `${origin.addr.port}`,
    "--json",
    ...flagsOf({ control: `http://127.0.0.1:${stack.port}`, state_directory: folder.file("new") }),
  ]);
  const { checks, failed } = JSON.parse(stdout);
  assert.deepEqual(checks.filter(({ result }: { result: string }) => !["PASS", "SKIP"].includes(result)), []);
  assert.deepEqual([code, failed], [0, 0]);
  assert.ok(checks.some(({ result }: { result: string }) => result === "PASS"));
});

Deno.test("postern http ends with 3 where publishing needs a token, and works with the operator's", async () => {
  await using origin = web();
  await using stack = await startStack({ edge: { anonymous_tunnels: "false" } });
  await using folder = await TempDir.make("cli");
  const target = `${origin.addr.port}`;
  const refused = await run(folder, ["http", target, ...at(stack)]);
  assert.equal(refused.code, 3, refused.stderr);
  assert.match(refused.stderr, /authorization_required/);
  const words = ["http", target, "--name=shop", ...at(stack, { token_file: stack.edge.tokenPath })];
  await using agent = startPostern(words, folder);
  await agent.waitFor(/http:\/\/shop\.localhost/);
});

Deno.test("postern http ends with 3 for another owner's name", async () => {
  await using origin = web();
  await using stack = await startStack({ services: [{ name: "shop", target: "127.0.0.1:9" }] });
  await using folder = await TempDir.make("cli");
  const { code, stderr } = await run(folder, ["http", `${origin.addr.port}`, "--name=shop", ...at(stack)]);
  assert.equal(code, 3, stderr);
  assert.match(stderr, /name_taken/);
});

Deno.test("postern http ends with 5 when no edge is there for the time to retry", async () => {
  await using folder = await TempDir.make("cli");
  const { code, stderr } = await run(folder, [
    "http",
    "9",
    ...flagsOf({
      control: `http://127.0.0.1:${freePort()}`,
      admin_listen: "off",
      "retry.initial": "10ms",
      "retry.max": "20ms",
      "retry.max_elapsed": "100ms",
    }),
  ]);
  assert.equal(code, 5, stderr);
  assert.match(stderr, /backoff_exhausted/);
});

Deno.test("postern edge ends with 1 when its port or admin address is taken, and with 2 for a setting that is none", async () => {
  await using folder = await TempDir.make("cli");
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const taken = await run(folder, ["edge", `--listen=127.0.0.1:${listener.addr.port}`, "--admin-listen=off"]);
  assert.equal(taken.code, 1, taken.stderr);
  assert.match(taken.stderr, /listen_failed/);
  const admin = [`--admin-listen=127.0.0.1:${listener.addr.port}`];
  for (
    const words of [["edge", "--listen=127.0.0.1:0", "--tcp-ports=off", "--udp-ports=off"], ["http", "9"]]
  ) {
    const { code, stderr } = await run(folder, [...words, ...admin]);
    assert.equal(code, 1, stderr);
    assert.equal(/^error\[(\w+)\]: .*: it is in use$/m.exec(stderr)?.[1], "admin_listen_failed", stderr);
  }
  const unknown = await run(folder, ["edge", "--lisen=127.0.0.1:1"]);
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /--listen/);
});

Deno.test("the demo makes its requests and ends with 0", async () => {
  await using folder = await TempDir.make("cli");
  const { code, stdout, stderr } = await Process.run(Deno.execPath(), {
    args: ["run", "-A", "--no-check", new URL("../../tools/demo.ts", import.meta.url).pathname, "--check"],
    cwd: folder.path,
    timeoutMs: 60_000,
  });
  assert.equal(code, 0, stdout + stderr);
  assert.doesNotMatch(stdout, /FAIL/);
});
