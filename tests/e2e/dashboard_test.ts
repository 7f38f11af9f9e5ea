/** The dashboard in a real browser: signing in, what is live, what is changed, and whether everybody can use it. */
import assert from "node:assert/strict";
import axe from "axe-core";
import type { Page } from "playwright-core";
import { Chromium } from "../support/chromium.ts";
import { DashboardScene, scenePassword } from "../support/dashboard_scene.ts";
import { eventually } from "../support/stack.ts";

const liveMs = 15_000;
/** The narrowest phone. */
const phone = { width: 360, height: 740 };
const desktop = { width: 1280, height: 800 };

async function signedIn(browser: Chromium, scene: DashboardScene): Promise<Page> {
  const page = await browser.open(await scene.setupUrl());
  await page.getByLabel("Name").fill("ann");
  await page.getByLabel("Password", { exact: true }).fill(scenePassword);
  await page.getByRole("button", { name: "Make account and sign in" }).click();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  return page;
}

/** Errors and refusals of its policy that the page has told. */
function complaints(browser: Chromium): string[] {
  return browser.console.filter((line) => /^(error|uncaught)|Content Security Policy/.test(line));
}

Deno.test("e2e dashboard: the link makes an account and leaves nothing in the address; a service comes online live", async () => {
  await using scene = await DashboardScene.start();
  await using browser = await Chromium.start();
  const setup = await browser.open(await scene.setupUrl());
  await setup.waitForFunction(`document.querySelector("#secret").value.length === 43`);
  assert.equal(setup.url(), scene.url("/setup"));
  await setup.close();
  const page = await signedIn(browser, scene);
  await page.getByRole("link", { name: "Services" }).click();
  await page.getByText("No service is published.").waitFor();
  await page.locator("#live[data-state=live]").waitFor({ timeout: liveMs });
  await scene.publish("web");
  const row = page.getByRole("row", { name: /web/ }).first();
  await row.getByText("online").waitFor({ timeout: liveMs });
  await row.getByText("key in a file (weaker)").waitFor();
  await eventually(
    "it is said aloud",
    async () => (await page.locator("#announcements").textContent())!.includes("service web: online"),
    liveMs,
  );
  assert.equal((await page.locator("#services").getByRole("row").count()) > 1, true);
  assert.deepEqual(complaints(browser), []);
});

Deno.test("e2e dashboard: an enrollment token is made and shown once; a machine that it let in is revoked and cut", async () => {
  await using scene = await DashboardScene.start();
  await using browser = await Chromium.start();
  const page = await signedIn(browser, scene);
  await page.getByRole("link", { name: "Tokens" }).click();
  await page.getByLabel("Labels").fill("prod rack-2");
  await page.getByRole("button", { name: "Create enrollment token" }).click();
  const token = await page.locator("#secret").textContent();
  assert.match(token!, /^enroll\./);
  await page.getByRole("button", { name: "Copy" }).click();
  const agentId = await scene.enrollWith(token!);
  await scene.serveAttested("vault");
  await page.getByRole("link", { name: "Machines" }).click();
  await page.getByRole("link", { name: agentId }).click();
  await page.locator("#verdict-title + *, #facts").getByText("accepted").waitFor();
  await page.getByLabel("Reason").fill("lost on the way");
  await page.getByRole("button", { name: "Revoke machine" }).click();
  await page.getByText("The machine is revoked.").waitFor();
  await page.getByText("lost on the way").waitFor();
  await page.getByText("No channel stands now.").waitFor({ timeout: liveMs });
  await page.goto(scene.url());
  await page.locator("#alarms").getByText("Machine revoked").waitFor();
  assert.deepEqual(complaints(browser), []);
});

Deno.test("e2e dashboard: everything works by the keyboard alone, and without scripts", async () => {
  await using scene = await DashboardScene.start();
  await using browser = await Chromium.start();
  const page = await signedIn(browser, scene);
  await page.keyboard.press("Tab");
  assert.equal(await focused(page), "Skip to content");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate("document.activeElement.id"), "main");
  await page.goto(scene.url());
  await tabTo(page, "Audit log");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Audit log", level: 1 }).waitFor();
  await tabTo(page, "Verify every line now");
  await page.keyboard.press("Enter");
  await page.getByText("whole").waitFor();
  await tabTo(page, /^Theme/);
  await page.keyboard.press("Enter");
  await page.locator("html[data-theme=dark]").waitFor();
  const plain = await browser.contextWithoutScripts();
  const other = await plain.newPage();
  // On the listener for operators one signs in as well.
  await other.goto(`http://127.0.0.1:${scene.stack.edge.adminPort}/dashboard`);
  await other.getByLabel("Name").fill("ann");
  await other.getByLabel("Password").fill(scenePassword);
  await other.getByRole("button", { name: "Sign in", exact: true }).click();
  await other.getByRole("heading", { name: "Overview" }).waitFor();
  await other.getByRole("button", { name: "Sign out" }).click();
  await other.getByRole("heading", { name: "Sign in" }).waitFor();
  await plain.close();
});

Deno.test("e2e dashboard: no page has a violation of axe in light or dark, or scrolls sideways on a phone", async () => {
  await using scene = await DashboardScene.start();
  await using browser = await Chromium.start();
  const stranger = await browser.open(scene.url("/login"));
  const problems: string[] = [];
  await check(stranger, "/login", problems);
  await stranger.goto(scene.url("/setup"));
  await check(stranger, "/setup", problems);
  await stranger.close();
  await scene.publish("web");
  const agentId = await scene.publishAttested("vault");
  await scene.fill();
  const page = await signedIn(browser, scene);
  const [tunnel] = await scene.store.tunnels(1);
  const paths = [
    "",
    "/services",
    `/services/${tunnel.tunnelId}`,
    "/machines",
    `/machines/${agentId}`,
    "/connectors",
    "/tunnelers",
    "/tokens",
    "/policies",
    "/policies/racks",
    "/audit",
    "/traffic",
    "/settings",
    "/account",
    "/accounts",
    "/none",
  ];
  for (const path of paths) {
    await page.goto(scene.url(path));
    await check(page, path, problems);
  }
  await page.goto(scene.url("/tokens"));
  await page.getByRole("button", { name: "Create enrollment token" }).click();
  await check(page, "/tokens/enrollment", problems);
  await page.goto(scene.url("/account"));
  await page.getByRole("form", { name: "Second factor" }).getByLabel("Present password").fill(scenePassword);
  await page.getByRole("button", { name: "Add an authenticator app" }).click();
  await check(page, "/account/factor/begin", problems);
  assert.deepEqual(problems, []);
  assert.deepEqual(complaints(browser).filter((line) => !line.includes("404")), []);
});

for (const [what, settings] of [["over HTTP/2", {}], ["with several workers", { workers: "2" }]] as const) {
  Deno.test(`e2e dashboard: what is live is so ${what}, and says when the session is over`, async () => {
    await using scene = await DashboardScene.start(settings);
    await using browser = await Chromium.start({ ignoreCertificates: true });
    const secure = (url: string) => url.replace("http:", "https:");
    const page = await browser.open(secure(await scene.setupUrl()));
    await page.getByLabel("Name").fill("ann");
    await page.getByLabel("Password", { exact: true }).fill(scenePassword);
    await page.getByRole("button", { name: "Make account and sign in" }).click();
    await page.getByRole("heading", { name: "Overview" }).waitFor();
    const protocol = await page.evaluate(`performance.getEntriesByType("navigation")[0].nextHopProtocol`);
    assert.equal(protocol, "h2");
    const [cookie] = await browser.context.cookies();
    assert.deepEqual([cookie.name, cookie.secure, cookie.httpOnly, cookie.sameSite], [
      "__Host-postern_admin",
      true,
      true,
      "Strict",
    ]);
    await page.goto(secure(scene.url("/services")));
    await page.locator("#live[data-state=live]").waitFor({ timeout: liveMs });
    await scene.publish("web");
    await page.getByRole("row", { name: /web/ }).first().getByText("online").waitFor({ timeout: liveMs });
    const account = (await scene.store.adminAccountByName("ann"))!;
    await scene.store.closeAdminSessions(account.accountId);
    await page.getByText("No longer live").waitFor({ timeout: liveMs });
    await page.reload();
    await page.getByText("The session is over.").waitFor();
  });
}

/** In both colours and at both sizes. */
async function check(page: Page, path: string, problems: string[]): Promise<void> {
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    for (const size of [desktop, phone]) {
      await page.setViewportSize(size);
      const where = `${path || "/"} ${colorScheme} ${size.width}`;
      const wide = Number(await page.evaluate("document.documentElement.scrollWidth - innerWidth"));
      if (wide > 0) problems.push(`${where}: ${wide} px too wide`);
      await page.evaluate(axe.source);
      const found = await page.evaluate("axe.run()") as axe.AxeResults;
      if (found.passes.length < 10) problems.push(`${where}: axe saw ${found.passes.length} rules pass`);
      for (const { id, nodes } of found.violations) {
        problems.push(`${where}: ${id}: ${nodes[0].html.slice(0, 200)}`);
      }
    }
  }
  await page.setViewportSize(desktop);
}

function focused(page: Page): Promise<unknown> {
  return page.evaluate("document.activeElement.textContent.trim()");
}

/** Presses Tab until this has the focus, which is to be seen. */
async function tabTo(page: Page, text: string | RegExp): Promise<void> {
  for (let count = 0; count < 60; count++) {
    await page.keyboard.press("Tab");
    const name = String(await focused(page));
    if (typeof text === "string" ? name !== text : !text.test(name)) continue;
    const outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle");
    assert.notEqual(outline, "none", name);
    return;
  }
  assert.fail(`not reached: ${text}`);
}
