/**
 * `deno task screenshots [--quick]`: pictures of every page of the dashboard, at the width of a desktop and of a phone, into
 * docs/dashboard. Starts an edge with services, machines (a software TPM among them) and traffic. --quick draws no traffic.
 */
import type { Page } from "playwright-core";
import { Chromium } from "../tests/support/chromium.ts";
import { DashboardScene, scenePassword } from "../tests/support/dashboard_scene.ts";
import { print } from "./print.ts";
import { withPalette } from "./screenshots/png.ts";

const folder = new URL("../docs/dashboard/", import.meta.url);
const desktop = { width: 1280, height: 800 };
/** Longer than a screen, shorter than a long table. */
const phone = { width: 360, height: 1_200 };
/** Samples are taken every ten seconds. */
const trafficMs = 240_000;

await main();

async function main(): Promise<void> {
  const startedAt = performance.now();
  const isQuick = Deno.args.includes("--quick");
  await using scene = await DashboardScene.start();
  await scene.publish("shop");
  await scene.publish("wiki");
  const agentId = await scene.publishAttested("vault");
  await scene.fill();
  const load = startLoad(scene);
  await using browser = await Chromium.start();
  await Deno.mkdir(folder, { recursive: true });

  const page = await browser.open(scene.url("/login"));
  await shoot(page, "login");
  await page.goto(await scene.setupUrl());
  await page.getByLabel("Name").fill("ann");
  await shoot(page, "setup");
  await page.getByLabel("Password", { exact: true }).fill(scenePassword);
  await page.getByRole("button", { name: "Make account and sign in" }).click();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  const services = await scene.store.tunnels(10);
  const paths: readonly (readonly [name: string, path: string])[] = [
    ["overview", ""],
    ["services", "/services"],
    ["service", `/services/${services.find(({ name }) => name === "shop")!.tunnelId}`],
    ["machines", "/machines"],
    ["machine", `/machines/${agentId}`],
    ["connectors", "/connectors"],
    ["tunnelers", "/tunnelers"],
    ["tokens", "/tokens"],
    ["policies", "/policies"],
    ["policy", "/policies/racks"],
    ["settings", "/settings"],
    ["account", "/account"],
    ["accounts", "/accounts"],
  ];
  for (const [name, path] of paths) {
    await page.goto(scene.url(path));
    await shoot(page, name);
  }
  await page.goto(scene.url("/account"));
  await page.getByRole("form", { name: "Second factor" }).getByLabel("Present password").fill(scenePassword);
  await page.getByRole("button", { name: "Add an authenticator app" }).click();
  await page.getByRole("img", { name: "QR code for the app" }).waitFor();
  await shoot(page, "factor");
  await page.emulateMedia({ colorScheme: "dark" });
  await page.goto(scene.url());
  await shoot(page, "overview-dark");
  await page.emulateMedia({ colorScheme: "light" });
  await page.goto(scene.url("/tokens"));
  await page.getByLabel("Labels").fill("prod rack-2");
  await page.getByRole("button", { name: "Create enrollment token" }).click();
  await shoot(page, "token");
  await page.goto(scene.url("/audit"));
  await page.getByRole("button", { name: "Verify every line now" }).click();
  await page.getByText("verified").first().waitFor();
  await shoot(page, "audit");
  if (!isQuick) {
    const restMs = trafficMs - (performance.now() - startedAt);
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, restMs)));
    await page.goto(scene.url("/traffic"));
    await shoot(page, "traffic");
  }
  await load.stop();
}

async function shoot(page: Page, name: string): Promise<void> {
  for (const [size, viewport] of [["desktop", desktop], ["phone", phone]] as const) {
    await page.setViewportSize(viewport);
    const small = withPalette(await page.screenshot());
    await Deno.writeFile(new URL(`${name}-${size}.png`, folder), small);
    print(`${name}-${size}.png ${Math.ceil(small.length / 1_000)} kB`);
  }
  await page.setViewportSize(desktop);
}

/** A little of everything, more and less of it. */
function startLoad(scene: DashboardScene) {
  let isOver = false;
  scene.origin.answer = (request) =>
    new Response("x".repeat(4_000), { status: request.url.endsWith("/broken") ? 502 : 200 });
  const run = async () => {
    for (let at = 0; !isOver; at++) {
      const name = at % 3 === 0 ? "wiki" : "shop";
      const upload = at % 7 === 0 ? { method: "POST", body: "y".repeat(9_000) } : {};
      const response = await scene.stack.fetch(name, at % 40 === 0 ? "/broken" : "/", upload);
      await response.body?.cancel();
      const pauseMs = 60 + 50 * Math.sin(performance.now() / 20_000);
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  };
  const running = run();
  return {
    async stop() {
      isOver = true;
      await running;
    },
  };
}
