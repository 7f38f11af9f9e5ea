import assert from "node:assert/strict";
import { controlDefaults, type RateGroup, type RateLimit } from "../../src/control/mod.ts";
import { openDashboard } from "../dashboard/support.ts";
import { issuer, openControl } from "./support.ts";

const burst = 2;
const rates = Object.fromEntries(
  Object.keys(controlDefaults.rates).map((group) => [group, { perMinute: 1, burst }]),
) as Record<RateGroup, RateLimit>;

interface Route {
  readonly method: string;
  readonly path: string;
}

/** What an application answers, without what only passes requests on: methods and paths, each once. */
function routesOf(app: { readonly routes: readonly Route[] }): Route[] {
  const known = new Map<string, Route>();
  for (const { method, path } of app.routes) {
    if (method !== "ALL") known.set(`${method} ${path}`, { method, path });
  }
  return [...known.values()];
}

/** A path of the route, with something in place of what has a name. */
function pathOf({ path }: Route): string {
  return path.replaceAll(/:agent_id(\{[^}]*\})?/g, "agent-1").replaceAll(/:\w+(\{[^}]*\})?/g, "x");
}

/** Asks until the burst is over, each time as the same stranger; the status of the answer that follows. */
async function afterBurst(
  fetch: (request: Request, clientIp: string) => Response | Promise<Response>,
  route: Route,
  clientIp: string,
): Promise<{ readonly statuses: readonly number[]; readonly last: Response }> {
  const statuses: number[] = [];
  const ask = async () => {
    const request = new Request(`${issuer}${pathOf(route)}`, {
      method: route.method,
      ...(route.method === "POST" ? { body: "{}", headers: { "Content-Type": "application/json" } } : {}),
    });
    return await fetch(request, clientIp);
  };
  for (let at = 0; at < burst; at++) {
    const answer = await ask();
    await answer.body?.cancel();
    statuses.push(answer.status);
  }
  return { statuses, last: await ask() };
}

Deno.test("every route of control has a limit that counts before anything is known of who asks", async () => {
  await using control = await openControl({ config: { rates } });
  const routes = routesOf(control.app);
  assert.ok(routes.length > 40, String(routes.length));
  for (const [at, route] of routes.entries()) {
    const { statuses, last } = await afterBurst(
      async (request, clientIp) => await control.app.fetch(request, { clientIp }),
      route,
      `192.0.2.${at + 1}`,
    );
    const told = `${route.method} ${route.path}: ${statuses} ${last.status}`;
    assert.ok(statuses.every((status) => status !== 429), told);
    assert.equal(last.status, 429, told);
    assert.equal((await last.json()).code, "rate_limited", told);
  }
});

Deno.test("every route of the dashboard has a limit that counts before anything is known of who asks", async () => {
  await using open = await openDashboard({ config: { rates } });
  const routes = routesOf(open.app);
  assert.ok(routes.length > 30, String(routes.length));
  for (const [at, route] of routes.entries()) {
    const { statuses, last } = await afterBurst(
      async (request, clientIp) => await open.app.fetch(request, { clientIp }),
      route,
      `192.0.2.${at + 1}`,
    );
    await last.body?.cancel();
    const told = `${route.method} ${route.path}: ${statuses} ${last.status}`;
    assert.ok(statuses.every((status) => status !== 429), told);
    assert.equal(last.status, 429, told);
    assert.ok(Number(last.headers.get("Retry-After")) > 0, told);
  }
});
