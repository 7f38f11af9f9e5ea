import assert from "node:assert/strict";
import { edgeDefaults } from "../src/config/mod.ts";
import { startEdge } from "../src/main.ts";
import { noLog } from "../src/telemetry/mod.ts";
import type { LogFields } from "../src/ports/mod.ts";
import { freePort } from "./support/ports.ts";
import { TempDir } from "./support/temp_dir.ts";
import { VirtualClock } from "./support/virtual_clock.ts";

Deno.test("startEdge() refuses an address in use with listen_failed, and leaves nothing open", async () => {
  await using folder = await TempDir.make("main");
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const config = edgeDefaults({
    listen: `127.0.0.1:${taken.addr.port}`,
    admin_listen: "off",
    state_directory: folder.path,
  });
  await assert.rejects(startEdge(config, { log: noLog }), { code: "listen_failed" });
});

Deno.test("startEdge() answers health, readiness, metrics and status, and ends when it is stopped", async () => {
  await using folder = await TempDir.make("main");
  const edge = await startEdge(
    edgeDefaults({ listen: "127.0.0.1:0", admin_listen: "127.0.0.1:0", state_directory: folder.path }),
    { log: noLog },
  );
  const admin = `http://127.0.0.1:${edge.adminPort}`;
  const text = async (path: string) => await (await fetch(admin + path)).text();
  assert.equal(await text("/healthz"), '{"status":"ok"}');
  assert.equal(await text("/readyz"), '{"status":"ready","checks":{"edge":true,"store":true}}');
  assert.match(await text("/metrics"), /postern_build_info\{.*role="edge".*\} 1/);
  assert.deepEqual(JSON.parse(await text("/status")).sessions, []);
  await edge.stop();
  await edge.finished;
  await assert.rejects(fetch(`${admin}/healthz`));
});

Deno.test("startEdge() shares its address with a successor that takes over, and with nobody else", async () => {
  await using folder = await TempDir.make("main");
  await using elsewhere = await TempDir.make("main");
  const start = (port: number, takeOver: boolean, { path } = folder) =>
    startEdge(
      edgeDefaults({
        listen: `127.0.0.1:${port}`,
        admin_listen: "off",
        state_directory: path,
        take_over: String(takeOver),
        drain_timeout: "1s",
      }),
      { log: noLog },
    );
  const first = await start(freePort(), false);
  await assert.rejects(start(first.port, false, elsewhere), { code: "listen_failed" });
  await assert.rejects(start(first.port, false), { code: "state_directory_in_use" });
  const second = await start(first.port, true);
  assert.equal(second.port, first.port);
  await first.stop();
  const response = await fetch(`http://127.0.0.1:${second.port}/readyz`);
  assert.equal(response.status, 200);
  await response.body?.cancel();
  await second.stop();
});

Deno.test("startEdge() writes a fresh management token at half the life of the one before", async () => {
  await using folder = await TempDir.make("main");
  const clock = new VirtualClock();
  const settings = { listen: "127.0.0.1:0", admin_listen: "off", state_directory: folder.path };
  const edge = await startEdge(edgeDefaults({ ...settings, "tokens.management": "1h" }), {
    log: noLog,
    clock,
  });
  const first = await Deno.readTextFile(edge.tokenPath);
  using changes = Deno.watchFs(folder.path);
  clock.advance(30 * 60_000);
  let fresh = first;
  for await (const _change of changes) {
    fresh = await Deno.readTextFile(edge.tokenPath);
    if (fresh !== first) break;
  }
  const expiry = (token: string) => JSON.parse(atob(token.split(".")[1])).exp;
  assert.equal(expiry(fresh) - expiry(first), 30 * 60);
  await edge.stop();
});

Deno.test("startEdge() says where the token is, and when its URLs are of no use elsewhere", async () => {
  const lines = async (overrides: Record<string, string>) => {
    await using folder = await TempDir.make("main");
    const events = new Map<string, LogFields>();
    const config = edgeDefaults({
      listen: "0.0.0.0:0",
      admin_listen: "off",
      ...overrides,
      state_directory: folder.path,
    });
    const edge = await startEdge(config, { log: (_level, event, fields = {}) => events.set(event, fields) });
    await edge.stop();
    assert.equal(events.get("edge started")?.token_file, edge.tokenPath);
    return [...events].filter(([event]) => event.startsWith("public_host")).map(([, fields]) =>
      fields.public_host
    );
  };
  assert.deepEqual(await lines({}), ["localhost"]);
  assert.deepEqual(await lines({ public_host: "tunnel.example.com" }), []);
  assert.deepEqual(await lines({ listen: "127.0.0.1:0" }), []);
});
