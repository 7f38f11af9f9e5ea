import assert from "node:assert/strict";
import { agentDefaults, edgeDefaults } from "../../src/config/mod.ts";
import { type RunningEdge, startEdge } from "../../src/main.ts";
import { type AgentStatus, startAgent } from "../../agent/mod.ts";
import { noLog } from "../../src/telemetry/mod.ts";
import { until } from "./fake_edge.ts";
import { freePort } from "./origins.ts";
import { TempDir } from "../support/temp_dir.ts";

/** Edge, agent and origin in this process, on real sockets and the real clock. */
async function withAgent(
  use: (world: {
    edge: RunningEdge;
    folder: TempDir;
    agent: Awaited<ReturnType<typeof startAgent>>;
    statuses: AgentStatus[];
    fetch: (path?: string, init?: RequestInit) => Promise<Response>;
    restartEdge: () => Promise<void>;
  }) => Promise<void>,
): Promise<void> {
  await using folder = await TempDir.make("agent");
  const origin = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/slow") await new Promise((resolve) => setTimeout(resolve, 50));
    return new Response(pathname);
  });
  const port = freePort();
  const start = () =>
    startEdge(
      edgeDefaults({
        listen: `127.0.0.1:${port}`,
        admin_listen: "off",
        state_directory: folder.file("edge"),
        drain_timeout: "1s",
      }),
      { log: noLog },
    );
  let edge = await start();
  const statuses: AgentStatus[] = [];
  const agent = await startAgent(
    agentDefaults({
      control: `http://127.0.0.1:${port}`,
      admin_listen: "127.0.0.1:0",
      state_directory: folder.file("agent"),
      drain_timeout: "1s",
      "retry.initial": "20ms",
      "retry.max": "50ms",
    }, [{ name: "web", target: `127.0.0.1:${origin.addr.port}` }]),
    { onStatus: (status) => statuses.push(status) },
  );
  const client = Deno.createHttpClient({
    proxy: { transport: "tcp", hostname: "127.0.0.1", port },
    poolMaxIdlePerHost: 0,
  });
  try {
    await Promise.race([agent.ready, agent.finished]);
    await use({
      edge,
      folder,
      agent,
      statuses,
      fetch: (path = "/", init = {}) => fetch(`http://web.localhost:${port}${path}`, { ...init, client }),
      async restartEdge() {
        await edge.stop();
        edge = await start();
      },
    });
  } finally {
    client.close();
    await agent.stop();
    await edge.stop();
    await origin.shutdown();
  }
}

Deno.test("startAgent() publishes a service, tells its status and serves its admin page", async () => {
  await withAgent(async ({ agent, statuses, fetch: ask }) => {
    assert.equal(await (await ask("/hello")).text(), "/hello");
    assert.match(agent.agentId, /^agent-[a-z2-7]{26}$/);
    assert.equal(statuses.at(-1)!.state, "online");
    assert.equal(agent.status().agent_id, agent.agentId);
    assert.match(agent.status().version, /^\d/);
    assert.match(String(agent.status().rtt_ms), /^\d+(\.\d{1,2})?$/);
    const admin = (path: string, init?: RequestInit) => fetch(`http://${agent.adminAddress}${path}`, init);
    for (
      const [path, status, text] of [
        ["/healthz", 200, /^\{"status":"ok"\}$/],
        ["/readyz", 200, /^\{"status":"ready"\}$/],
        ["/metrics", 200, /postern_channels\{role="agent",tier="bound-key"\} 1\n/],
        ["/metrics", 200, /postern_requests_total\{service="web",status="2xx"\} 1\n/],
        ["/nothing", 404, /./],
      ] as const
    ) {
      const response = await admin(path);
      assert.equal(response.status, status);
      assert.match(await response.text(), text);
    }
    const status: AgentStatus = await (await admin("/status")).json();
    assert.equal(status.services[0].requests, 1);
    assert.equal(status.services[0].name, "web");
    assert.match(status.services[0].url!, /^http:\/\/web\.localhost:/);
    const refused = await admin("/status", { method: "POST" });
    assert.equal(refused.status, 405);
    await refused.body?.cancel();
  });
});

Deno.test("RunningAgent.reconnect() loses no request", async () => {
  await withAgent(async ({ agent, fetch: ask, edge }) => {
    let running = true;
    const outcomes: number[] = [];
    const load = [1, 2, 3, 4].map(async () => {
      while (running) {
        const response = await ask("/slow");
        await response.body?.cancel();
        outcomes.push(response.status);
      }
    });
    for (let round = 0; round < 3; round++) {
      const before = edge.edge.sessions.all.map(({ id }) => id);
      const served = outcomes.length;
      agent.reconnect();
      await until(() => {
        const now = edge.edge.sessions.all.map(({ id }) => id);
        return now.length === 1 && !before.includes(now[0]) && outcomes.length > served + 4;
      }, "another session");
    }
    running = false;
    await Promise.all(load);
    assert.deepEqual(outcomes.filter((status) => status !== 200), []);
  });
});

Deno.test("startAgent() comes back by itself when the edge was restarted, under the same name", async () => {
  await withAgent(async ({ agent, statuses, fetch: ask, restartEdge }) => {
    await restartEdge();
    await until(() => statuses.some(({ state }) => state !== "online"));
    await until(() => agent.status().state === "online", "the agent online again");
    assert.equal(await (await ask("/again")).text(), "/again");
    assert.equal(agent.status().services[0].name, "web");
  });
});

Deno.test("RunningAgent.stop() settles done and finished, and takes the admin page down", async () => {
  await withAgent(async ({ agent, statuses }) => {
    const { adminAddress } = agent;
    await agent.stop();
    assert.equal(await agent.done, undefined);
    await agent.finished;
    assert.equal(statuses.at(-1)!.state, "closed");
    await assert.rejects(fetch(`http://${adminAddress}/healthz`));
  });
});

Deno.test("startAgent() ends with the error of a service that is refused", async () => {
  await withAgent(async ({ agent, folder, edge }) => {
    const second = await startAgent(
      agentDefaults({
        control: `http://127.0.0.1:${edge.port}`,
        admin_listen: agent.adminAddress!, // taken: another port
        state_directory: folder.file("second"),
      }, [{ name: "web", target: "127.0.0.1:9" }]),
    );
    await assert.rejects(second.finished, { code: "name_taken" });
    await assert.rejects(second.ready, { code: "name_taken" });
    assert.equal((await second.done)?.code, "name_taken");
    assert.equal(second.status().services[0].state, "refused");
    assert.match(second.adminAddress ?? "", /^127\.0\.0\.1:\d+$/);
    assert.notEqual(second.adminAddress, agent.adminAddress);
  });
});

Deno.test("startAgent() refuses what is wrong on this machine before anything is asked", async () => {
  await using folder = await TempDir.make("agent");
  const refused = (settings: Record<string, string>, code: string) =>
    assert.rejects(
      startAgent(
        agentDefaults({ state_directory: folder.file("state"), admin_listen: "off", ...settings }, []),
      ),
      { code },
    );
  await Deno.writeTextFile(folder.file("bad.key"), "no key", { mode: 0o600 });
  await refused({ identity_file: folder.file("bad.key") }, "identity_malformed");
  await refused({ token_file: folder.file("missing") }, "secret_file_unreadable");
  await refused({ ca_file: folder.file("missing") }, "ca_certificates_invalid");
  await Deno.mkdir(folder.file("open"));
  await Deno.chmod(folder.file("open"), 0o777);
  await refused({ state_directory: folder.file("open") }, "state_directory_foreign");
});
