import assert from "node:assert/strict";
import { Chromium } from "../support/chromium.ts";
import { Nginx } from "../support/nginx.ts";
import { startStack } from "../support/stack.ts";

const password = "correct horse battery";

Deno.test("an owner signs in in a browser by the first link, and a link shows a token there once", async () => {
  await using stack = await startStack();
  await using browser = await Chromium.start();
  const first = (await Deno.readTextFile(stack.folder.file("edge/bootstrap.url"))).trim();
  const page = await browser.open(first);
  const base = `http://localhost:${stack.port}`;
  const made = await page.evaluate(
    `fetch("/api/admin/setup", { method: "POST", headers: { "Content-Type": "application/json" },
       body: JSON.stringify({ secret: ${
      JSON.stringify(first.split("#")[1])
    }, name: "ann", password: "${password}" })
     }).then((answer) => answer.json())`,
  ) as { csrf_token: string; role: string };
  assert.equal(made.role, "owner", JSON.stringify(made));
  const issued = await page.evaluate(
    `fetch("/api/admin/tokens", { method: "POST",
       headers: { "Content-Type": "application/json", "X-CSRF-Token": "${made.csrf_token}" },
       body: JSON.stringify({ role: "connector", id: "c1", delivery: "link" }) }).then((answer) => answer.json())`,
  ) as { url: string };
  assert.ok(issued.url.startsWith(`${base}/reveal#`), JSON.stringify(issued));

  const link = await browser.open(issued.url);
  assert.equal(await link.evaluate("location.hash"), "", "out of the address bar at once");
  await link.getByRole("button", { name: "Show the token" }).click();
  await link.getByRole("img", { name: "QR code of the token" }).waitFor();
  const token = await link.getByLabel("Token", { exact: true }).inputValue();
  assert.match(token, /^enroll\./);
  assert.match(
    (await link.getByRole("link").getAttribute("href")) ?? "",
    /^postern:\/\/enroll\?control=http.*#enroll\./,
  );
  const wide = await link.evaluate("document.documentElement.scrollWidth <= innerWidth");
  assert.ok(wide, "nothing is cut off");
  const again = await browser.open(issued.url);
  await again.getByRole("button", { name: "Show the token" }).click();
  await again.getByRole("alert").filter({ hasText: "shows nothing any more" }).waitFor();
  assert.deepEqual(browser.console.filter((line) => /uncaught|Content Security Policy/.test(line)), []);
});

for (const workers of ["1", "2"]) {
  Deno.test(`operators see the live channel of a service, and drain it, with ${workers} workers: its agent comes back with another`, async () => {
    await using origin = await Nginx.start({ files: { "index.html": "shop" } });
    await using stack = await startStack({
      edge: { workers },
      services: [{ name: "shop", target: `127.0.0.1:${origin.port}` }],
    });
    const base = `http://127.0.0.1:${stack.port}`;
    const token = (await Deno.readTextFile(stack.edge.tokenPath)).trim();
    const ask = async (path: string, body?: unknown) => {
      const response = await fetch(`${base}/api/admin/${path}`, {
        method: body === undefined ? "GET" : "POST",
        headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
      return await response.json();
    };
    const [service] = (await ask("services")).services;
    assert.deepEqual([service.name, service.status], ["shop", "ONLINE"]);
    const [session] = (await ask("sessions")).sessions;
    assert.equal(session.tunnel_id, service.tunnel_id);
    assert.equal(session.status, "ONLINE");
    assert.ok(Date.parse(session.reauth_deadline) > Date.now(), JSON.stringify(session));
    assert.equal((await ask("drain", { tunnel_id: service.tunnel_id, deadline_seconds: 1 })).channels, 1);
    for (;;) {
      const live = (await ask("sessions")).sessions.filter((one: { status: string }) =>
        one.status === "ONLINE"
      );
      if (live.length === 1 && live[0].session_id !== session.session_id) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  });
}
