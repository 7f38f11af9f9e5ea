import assert from "node:assert/strict";
import { accepts } from "./ports.ts";
import { Nginx } from "./nginx.ts";

Deno.test("Nginx.start() serves files on loopback and is gone after its scope", async () => {
  let port: number;
  {
    await using origin = await Nginx.start({ files: { "index.html": "hello", "a/b.txt": "deep" } });
    port = origin.port;
    const response = await fetch(`${origin.origin}/a/b.txt`);
    assert.equal(response.headers.get("content-type"), "text/plain");
    assert.equal(await response.text(), "deep");
    assert.match(await origin.accessLog(), /GET \/a\/b\.txt/);
  }
  assert.equal(await accepts(port), false);
});

Deno.test("Nginx.start() takes server blocks of the test, and shows why nginx refused them", async () => {
  await using proxy = await Nginx.start({
    http: `server { listen 127.0.0.1:{port}; return 418 "teapot\\n"; }`,
  });
  const response = await fetch(proxy.origin);
  assert.equal(response.status, 418);
  assert.equal(await response.text(), "teapot\n");
  await assert.rejects(Nginx.start({ http: "server { nonsense; }" }), /unknown directive "nonsense"/);
});
