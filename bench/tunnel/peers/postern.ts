/** Postern as users run it: an edge and an agent, two processes. */
import { version } from "../../../src/version.ts";
import { posternProgram } from "./postern_program.ts";
import { HOST, type Peer, publishedBy, type StartOptions, type Tunnel } from "./peer.ts";
import { freePorts } from "../ports.ts";

/** Public ports of the edge: more than services. */
const TCP_PORTS = 8;
/** Longest wait for all services to be online. */
const READY_MS = 30_000;

/** The channel in a WebSocket in the clear: its records are sealed. */
export const postern: Peer = posternOver("ws");

/** The channel in a WebSocket over TLS: what a public edge has. */
export const posternWss: Peer = posternOver("wss");

function posternOver(carrier: "ws" | "wss"): Peer {
  return {
    name: carrier === "ws" ? "postern" : "postern-wss",
    describe: () => Promise.resolve(`postern ${version}, Noise records over ${carrier}`),
    start: (options) => start(carrier, options),
  };
}

async function start(carrier: "ws" | "wss", options: StartOptions): Promise<Tunnel> {
  const { origin, binary, denoFlags, folder, link } = options;
  const { certificate } = origin;
  if (carrier === "wss" && certificate === undefined) throw new Error("wss needs a certificate: openssl");
  const hostname = "127.0.0.1";
  const port = freePorts();
  const adminPort = freePorts();
  const tcpPort = freePorts(TCP_PORTS);
  await using stack = new AsyncDisposableStack();
  // Agents are told this port; viewers of the bench come without a detour.
  const linked = await link?.to(port) ?? port;
  const edge = stack.use(
    posternProgram(binary, flagsOf(denoFlags, "edge"))([
      "edge",
      ...["--listen", `${hostname}:${port}`],
      ...["--admin-listen", "off"],
      ...["--state-directory", `${folder}/edge`],
      ...["--tcp-ports", `${tcpPort}-${tcpPort + TCP_PORTS - 1}`],
      ...["--public-url-port", `${linked}`],
      ...["--public-url-scheme", carrier === "ws" ? "http" : "https"],
      ...(certificate === undefined
        ? []
        : ["--tls-cert-file", certificate.certPath, "--tls-key-file", certificate.keyPath]),
      // One client address makes all the load.
      ...["--limits-max-viewer-connections", "20000"],
      ...["--limits-max-connections-per-address", "20000"],
      ...["--drain-timeout", "0s"],
      ...["--log-level", "warn"],
    ]),
  );
  await edge.waitUntil(() => healthy(port), READY_MS);
  const config = `${folder}/agent.yaml`;
  await Deno.writeTextFile(
    config,
    `version: 1
control: ${carrier === "ws" ? "http" : "https"}://localhost:${port}
${certificate === undefined ? "" : `ca_file: ${certificate.caPath}`}
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
  const program = posternProgram(binary, flagsOf(denoFlags, "agent"));
  const agent = stack.use(program(["agent", "--config", config, "--plain"]));
  const urls = new Map<string, string>();
  await agent.waitUntil(() => online(adminPort, urls), READY_MS);
  const portOf = (name: string) => Number(/:(\d+)\/?$/.exec(urls.get(name) ?? "")?.[1]);
  const processes = { edge: [edge.pid], agent: [agent.pid] };
  return publishedBy(portOf("bench-lab"), portOf("bench-tcp"), processes, stack.move(), {
    http: { hostname, port, host: HOST },
    ...(certificate !== undefined && { https: { hostname, port, host: HOST, secure: true } }),
  });
}

/** `{role}` in a flag is edge or agent, for files that each of both writes. */
function flagsOf(flags: readonly string[], role: "edge" | "agent"): string[] {
  return flags.map((flag) => flag.replaceAll("{role}", role));
}

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
