/** Postern as users run it: an edge and an agent, two processes, the channel over ws. */
import { freePort } from "../../../tests/support/ports.ts";
import { version } from "../../../src/version.ts";
import { posternProgram } from "./postern_program.ts";
import type { Peer } from "./peer.ts";

/** Longest wait for all services to be online. */
const READY_MS = 30_000;

export const postern: Peer = {
  name: "postern",
  describe: () => Promise.resolve(`postern ${version}, Noise records over ws`),
  async start({ origin, binary, denoFlags, folder }) {
    const run = posternProgram(binary, denoFlags);
    const hostname = "127.0.0.1";
    const port = freePort();
    const adminPort = freePort();
    const tcpPort = freePort();
    await using stack = new AsyncDisposableStack();
    const edge = stack.use(run([
      "edge",
      ...["--listen", `${hostname}:${port}`],
      ...["--admin-listen", "off"],
      ...["--state-directory", `${folder}/edge`],
      ...["--tcp-ports", `${tcpPort}-${Math.min(tcpPort + 20, 65_535)}`],
      // One client address makes all the load.
      ...["--limits-max-connections-per-address", "20000"],
      ...["--drain-timeout", "0s"],
      ...["--log-level", "warn"],
    ]));
    await edge.waitUntil(() => healthy(port), READY_MS);
    const config = `${folder}/agent.yaml`;
    await Deno.writeTextFile(
      config,
      `version: 1
control: http://${hostname}:${port}
state_directory: ${folder}/agent
admin_listen: ${hostname}:${adminPort}
drain_timeout: 0s
log: { level: warn }
services:
  - { name: bench, protocol: http, target: "${hostname}:${origin.httpPort}" }
  - { name: bench-lab, protocol: tcp, target: "${hostname}:${origin.labPort}" }
  - { name: bench-tcp, protocol: tcp, target: "${hostname}:${origin.httpPort}" }
`,
    );
    const agent = stack.use(run(["agent", "--config", config, "--plain"]));
    const urls = new Map<string, string>();
    await agent.waitUntil(() => online(adminPort, urls), READY_MS);
    const started = stack.move();
    const portOf = (name: string) => Number(/:(\d+)\/?$/.exec(urls.get(name) ?? "")?.[1]);
    return {
      lab: { hostname, port: portOf("bench-lab") },
      tcpHttp: { hostname, port: portOf("bench-tcp"), host: hostname },
      http: { hostname, port, host: "bench.localhost" },
      processes: { edge: edge.pid, agent: agent.pid },
      [Symbol.asyncDispose]: () => started.disposeAsync(),
    };
  },
};

async function healthy(port: number): Promise<boolean> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/healthz`, { signal: AbortSignal.timeout(2_000) });
    await answer.body?.cancel();
    return answer.ok;
  } catch {
    return false;
  }
}

/** Whether every service is online; its address is put into `urls`. */
async function online(adminPort: number, urls: Map<string, string>): Promise<boolean> {
  try {
    const answer = await fetch(`http://127.0.0.1:${adminPort}/status`, {
      signal: AbortSignal.timeout(2_000),
    });
    const status = await answer.json() as { services: { name: string; state: string; url?: string }[] };
    for (const { name, url } of status.services) if (url !== undefined) urls.set(name, url);
    return status.services.every(({ state }) => state === "online") && urls.size === status.services.length;
  } catch {
    return false;
  }
}
