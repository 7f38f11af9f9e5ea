import assert from "node:assert/strict";
import { Chromium } from "./chromium.ts";

Deno.test("Chromium.start() shows pages of *.localhost and of mapped names, and collects their errors", async () => {
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const html = `<h1>${
      new URL(request.url).hostname
    }</h1><script>console.warn("noted"); throw new Error("thrown")</script>`;
    return new Response(html, { headers: { "content-type": "text/html" } });
  });
  await using browser = await Chromium.start({ loopbackNames: ["*.example.test"] });
  for (const host of ["shop.localhost", "shop.example.test"]) {
    const page = await browser.open(`http://${host}:${server.addr.port}/`);
    assert.equal(await page.locator("h1").textContent(), host);
  }
  assert.ok(browser.console.includes("warning: noted"), browser.console.join("\n"));
  assert.ok(browser.console.includes("uncaught: thrown"), browser.console.join("\n"));
});
