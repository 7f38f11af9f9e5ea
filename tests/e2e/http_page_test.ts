import assert from "node:assert/strict";
import { curl } from "../support/curl.ts";
import { Chromium } from "../support/chromium.ts";
import { Nginx } from "../support/nginx.ts";
import { startStack } from "../support/stack.ts";

const page = `<!doctype html><title>Shop</title><link rel="stylesheet" href="style.css"><h1>Shop</h1>
<script src="app.js"></script>`;
const files = {
  "index.html": page,
  "style.css": "h1 { color: rgb(1, 2, 3); }",
  "app.js":
    `fetch("data.txt").then((r) => r.text()).then((t) => document.querySelector("h1").dataset.loaded = t);`,
  "data.txt": "0123456789",
};
/** Bodies above `gzip_min_length` are packed by nginx itself. */
const http = `
  gzip on; gzip_types text/plain; gzip_min_length 1000;
  server { listen 127.0.0.1:{port}; root {root};
    location = /empty { return 204; }
    location = /upload { client_max_body_size 10m; dav_methods PUT; alias {root}/uploaded; }
    location = /method { return 200 "$request_method $content_length $http_expect\\n"; }
  }`;

Deno.test("curl gets pages, ranges, HEAD, 204 and 304 of nginx through the tunnel", async () => {
  await using origin = await Nginx.start({ files, http });
  await using stack = await startStack({ services: [{ name: "shop", target: `127.0.0.1:${origin.port}` }] });

  const whole = await curl(stack.url("shop"));
  assert.equal(whole.status, 200);
  assert.equal(whole.text, page);
  assert.equal(whole.headers.get("content-type"), "text/html");
  assert.match(whole.headers.get("server")!, /nginx/);

  const range = await curl(stack.url("shop", "/data.txt"), { args: ["--range", "2-4"] });
  assert.equal(range.status, 206);
  assert.equal(range.text, "234");
  assert.equal(range.headers.get("content-range"), "bytes 2-4/10");

  const beyond = await curl(stack.url("shop", "/data.txt"), { args: ["--range", "99-"] });
  assert.equal(beyond.status, 416);

  const head = await curl(stack.url("shop", "/data.txt"), { args: ["--head"] });
  assert.equal(head.status, 200);
  assert.equal(head.headers.get("content-length"), "10");

  const etag = head.headers.get("etag")!;
  const unchanged = await curl(stack.url("shop", "/data.txt"), {
    args: ["--header", `If-None-Match: ${etag}`],
  });
  assert.equal(unchanged.status, 304);
  assert.equal(unchanged.body.length, 0);
  assert.equal(unchanged.headers.get("etag"), etag);

  const empty = await curl(stack.url("shop", "/empty"));
  assert.equal(empty.status, 204);
  assert.equal(empty.headers.get("content-length"), null);
  assert.equal(empty.headers.get("transfer-encoding"), null);

  const missing = await curl(stack.url("shop", "/nothing"));
  assert.equal(missing.status, 404);
  assert.match(missing.text, /nginx/);
});

Deno.test("curl posts with Content-Length and with Expect: 100-continue", async () => {
  await using origin = await Nginx.start({ files, http });
  await using stack = await startStack({ services: [{ name: "shop", target: `127.0.0.1:${origin.port}` }] });
  const url = stack.url("shop", "/method");
  assert.equal((await curl(url, { body: "12345" })).text, "POST 5 \n");
  const expected = await curl(url, {
    body: "x".repeat(100_000),
    args: ["--header", "Expect: 100-continue", "--expect100-timeout", "15"],
  });
  assert.equal(expected.text, "POST 100000 100-continue\n");
});

Deno.test("gzip of the origin reaches the viewer as it is, and only when it was asked for", async () => {
  const text = "postern ".repeat(1_000);
  await using origin = await Nginx.start({ files: { "long.txt": text }, http });
  await using stack = await startStack({ services: [{ name: "shop", target: `127.0.0.1:${origin.port}` }] });
  const packed = await curl(stack.url("shop", "/long.txt"), { args: ["--header", "Accept-Encoding: gzip"] });
  assert.equal(packed.headers.get("content-encoding"), "gzip");
  assert.ok(packed.body.length < 1_000);
  const stream = new Blob([packed.body]).stream().pipeThrough(new DecompressionStream("gzip"));
  assert.equal(await new Response(stream).text(), text);
  assert.equal((await curl(stack.url("shop", "/long.txt"))).text, text);
});

Deno.test("curl keeps one connection for several requests", async () => {
  await using origin = await Nginx.start({ files, http });
  await using stack = await startStack({ services: [{ name: "shop", target: `127.0.0.1:${origin.port}` }] });
  const url = stack.url("shop", "/data.txt");
  const { code, stderr } = await curl(url, { args: ["--verbose", url, url] });
  assert.equal(code, 0);
  assert.equal([...stderr.matchAll(/(Re-using|Reusing) existing/g)].length, 2, stderr);
});

Deno.test("HTTPS works with the authority of the development certificates, and not without it", async () => {
  await using origin = await Nginx.start({ files, http });
  // No client takes a wildcard right below a top-level name, so the names are one label longer.
  await using stack = await startStack({
    edge: { public_host: "dev.localhost" },
    services: [{ name: "shop", target: `127.0.0.1:${origin.port}` }],
  });
  const url = `https://${stack.host("shop")}/data.txt`;
  const good = await curl(url, { args: ["--cacert", stack.edge.caPath!] });
  assert.equal(good.status, 200, good.stderr);
  assert.equal(good.text, "0123456789");
  const untrusted = await curl(url);
  assert.equal(untrusted.code, 60); // certificate problem
});

Deno.test("Chromium shows a page with its style sheet, script and request", async () => {
  await using origin = await Nginx.start({ files, http });
  await using stack = await startStack({ services: [{ name: "shop", target: `127.0.0.1:${origin.port}` }] });
  await using browser = await Chromium.start();
  const page = await browser.open(stack.url("shop"));
  assert.equal(await page.title(), "Shop");
  await page.locator('h1[data-loaded="0123456789"]').waitFor();
  const color = await page.evaluate("getComputedStyle(document.querySelector('h1')).color");
  assert.equal(color, "rgb(1, 2, 3)");
  const errors = browser.console.filter((line) => !line.includes("favicon"));
  assert.deepEqual(errors.filter((line) => /^(error|uncaught)/.test(line) && !/404/.test(line)), []);
});

Deno.test("Chromium shows the edge's own page, which names the code, for a host that is not published", async () => {
  await using stack = await startStack();
  await using browser = await Chromium.start();
  const page = await browser.open(stack.url("nobody"));
  assert.match(await page.locator("body").innerText(), /unknown_host/);
});

Deno.test("an exact name is served by its own agent, whatever other agents publish", async () => {
  await using shop = await Nginx.start({ files: { "index.html": "shop" } });
  await using news = await Nginx.start({ files: { "index.html": "news" } });
  await using stack = await startStack({ services: [{ name: "shop", target: `127.0.0.1:${shop.port}` }] });
  await stack.addAgent([{ name: "news", target: `127.0.0.1:${news.port}` }]);
  assert.equal((await curl(stack.url("shop"))).text, "shop");
  assert.equal((await curl(stack.url("news"))).text, "news");
  assert.equal((await curl(stack.url("NEWS"))).text, "news");
  assert.equal((await curl(stack.url("a.news"))).status, 404);
});
