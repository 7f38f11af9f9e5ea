import assert from "node:assert/strict";
import { Postgres } from "../support/postgres.ts";
import { accepts, freePort } from "../support/ports.ts";
import { Process } from "../support/process.ts";
import { RawClient } from "../support/raw_client.ts";
import { RawOrigin } from "../support/raw_origin.ts";
import { eventually, type Stack, startStack } from "../support/stack.ts";
import { TempDir } from "../support/temp_dir.ts";

/** Publishes a tcp service and tells its public port. */
async function publish(target: string, edge = {}): Promise<{ stack: Stack; port: number }> {
  const stack = await startStack({ edge, services: [{ name: "raw", protocol: "tcp", target }] });
  const { tcp_ports: [port] } = stack.plane.status().sessions[0];
  return { stack, port };
}

Deno.test("psql works through the public port: queries, a large result, COPY in, and an error", async () => {
  await using database = await Postgres.start();
  const { stack, port } = await publish(`127.0.0.1:${database.port}`);
  await using _stack = stack;
  const psql = (sql: string, stdin = sql) =>
    Process.run("psql", {
      args: [
        "--no-psqlrc",
        "-v",
        "ON_ERROR_STOP=1",
        "-At",
        "-d",
        `postgresql://postern@127.0.0.1:${port}/postgres`,
      ],
      stdin,
    });
  assert.equal((await psql("select 6 * 7")).stdout.trim(), "42");
  const rows = await psql("select n, repeat('x', 100) from generate_series(1, 500) as n");
  assert.equal(rows.stdout.trim().split("\n").length, 500);
  const lines = Array.from({ length: 20_000 }, (_, at) => `${at}\trow number ${at}`).join("\n");
  const copied = await psql(
    "",
    `create table t (n int, text text);\ncopy t from stdin;\n${lines}\n\\.\nselect count(*), sum(n) from t;`,
  );
  assert.match(copied.stdout, /COPY 20000\n20000\|199990000/, copied.stderr);
  const failed = await psql("select * from nowhere");
  assert.equal(failed.code, 3);
  assert.match(failed.stderr, /relation "nowhere" does not exist/);
});

Deno.test("git clones and pushes over git:// through the public port", async () => {
  await using folder = await TempDir.make("git");
  const git = async (...args: string[]) => {
    const { code, stdout, stderr } = await Process.run("git", {
      args: ["-c", "user.name=t", "-c", "user.email=t@example.test", ...args],
      cwd: folder.path,
      env: { HOME: folder.path, GIT_CONFIG_NOSYSTEM: "1", GIT_TERMINAL_PROMPT: "0" },
    });
    assert.equal(code, 0, stderr);
    return stdout;
  };
  await git("init", "-q", "-b", "main", "work");
  // Enough that a pack is more than one window.
  const random = crypto.getRandomValues(new Uint8Array(65_536));
  for (let at = 0; at < 40; at++) {
    await folder.write(`work/file-${at}`, random.map((byte) => byte ^ at));
  }
  await git("-C", "work", "add", ".");
  await git("-C", "work", "commit", "-q", "-m", "first");
  await git("clone", "-q", "--bare", "work", "served/project.git");
  const daemonPort = freePort();
  await using daemon = Process.start("git", {
    cwd: folder.path,
    args: [
      "daemon",
      "--listen=127.0.0.1",
      `--port=${daemonPort}`,
      `--base-path=${folder.file("served")}`,
      "--export-all",
      "--enable=receive-pack",
      "--reuseaddr",
    ],
  });
  await daemon.waitUntil(() => accepts(daemonPort));
  const { stack, port } = await publish(`127.0.0.1:${daemonPort}`);
  await using _stack = stack;
  const url = `git://127.0.0.1:${port}/project.git`;
  await git("clone", "-q", url, "cloned");
  assert.equal(await git("-C", "cloned", "rev-parse", "HEAD"), await git("-C", "work", "rev-parse", "HEAD"));
  await git("-C", "cloned", "fsck", "--full");
  await folder.write("cloned/more", crypto.getRandomValues(new Uint8Array(65_536)));
  await git("-C", "cloned", "add", ".");
  await git("-C", "cloned", "commit", "-q", "-m", "second");
  await git("-C", "cloned", "push", "-q", "origin", "main");
  const pushed = await git("--git-dir", "served/project.git", "rev-parse", "main");
  assert.equal(pushed, await git("-C", "cloned", "rev-parse", "HEAD"));
});

Deno.test("half-close is kept: the service answers after the viewer's end, and the viewer reads on", async () => {
  await using origin = RawOrigin.start(async (socket) => {
    const all = await socket.rest();
    await socket.send(`got ${all.length}`);
  });
  const { stack, port } = await publish(origin.target);
  await using _stack = stack;
  using viewer = await RawClient.connect(port);
  await viewer.send("x".repeat(300_000));
  await viewer.conn.closeWrite();
  assert.equal(await viewer.rest(), "got 300000");
});

Deno.test("half-close is kept the other way: the viewer goes on after the service's end", async () => {
  const received = Promise.withResolvers<string>();
  await using origin = RawOrigin.start(async (socket) => {
    await socket.send("that is all");
    await socket.conn.closeWrite();
    received.resolve(await socket.rest());
  });
  const { stack, port } = await publish(origin.target);
  await using _stack = stack;
  using viewer = await RawClient.connect(port);
  assert.equal(await viewer.rest(), "that is all");
  await viewer.send("thank you");
  await viewer.conn.closeWrite();
  assert.equal(await received.promise, "thank you");
});

Deno.test("a service that nobody listens on ends the viewer's connection", async () => {
  const { stack, port } = await publish(`127.0.0.1:${freePort()}`);
  await using _stack = stack;
  using viewer = await RawClient.connect(port);
  assert.equal(await viewer.rest(), "");
});

Deno.test("the public port lies in the configured range, and closes some time after its agent has gone", async () => {
  const first = freePort();
  const { stack, port } = await publish("127.0.0.1:9", { tcp_ports: `${first}-${first}`, grace: "50ms" });
  await using _stack = stack;
  assert.equal(port, first);
  assert.equal(stack.agent.status().services[0].url, `tcp://localhost:${first}`);
  await stack.agent.stop();
  await eventually("the port is closed", async () => !await accepts(first).catch(() => true));
});
