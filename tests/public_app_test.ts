import assert from "node:assert/strict";
import { controlDefaults } from "../src/control/mod.ts";
import { publicApp } from "../src/public_app.ts";
import { VirtualClock } from "./support/virtual_clock.ts";

Deno.test("publicApp() says whether the edge is there to anybody, within a limit for each address", async () => {
  const clock = new VirtualClock();
  let asked = 0;
  const app = publicApp({
    control: (request) => Promise.resolve(new Response(`control ${new URL(request.url).pathname}`)),
    dashboard: { fetch: () => new Response("dashboard") },
    canStream: true,
    readiness: {
      answer() {
        asked++;
        return Promise.resolve(Response.json({ status: "ready" }));
      },
    },
    rates: { ...controlDefaults.rates, health: { perMinute: 60, burst: 2 } },
    clock,
  });
  const ask = (path: string, clientIp = "192.0.2.1") =>
    app(new Request(`https://edge.example${path}`), clientIp);
  assert.equal((await ask("/healthz")).status, 200);
  assert.deepEqual(await (await ask("/readyz")).json(), { status: "ready" });
  for (const path of ["/healthz", "/readyz"]) {
    const refused = await ask(path);
    assert.deepEqual([refused.status, refused.headers.get("Retry-After")], [429, "1"]);
    assert.deepEqual(await refused.json(), { status: "rate_limited" });
  }
  assert.equal(asked, 1, "nothing is asked for those that come too often");
  assert.equal((await ask("/healthz", "198.51.100.1")).status, 200);
  clock.advance(1_000);
  assert.equal((await ask("/healthz")).status, 200);
  assert.equal(await (await ask("/dashboard/login")).text(), "dashboard");
  assert.equal(await (await ask("/v1/machines")).text(), "control /v1/machines");
});
