/** frp: frps and frpc with TLS between them; TCP, HTTP by host (vhost), and HTTPS that its client ends. */
import { accepts } from "../../../tests/support/ports.ts";
import { Process } from "../../../tests/support/process.ts";
import { findPeer, goInstall } from "./install.ts";
import { HOST, type Peer, publishedBy } from "./peer.ts";
import { freePorts } from "../ports.ts";

const MODULE = "github.com/fatedier/frp";
const VERSION = "v0.65.0";

export const frp: Peer = {
  name: "frp",
  async describe() {
    const program = findPeer("frps");
    if (program === undefined || findPeer("frpc") === undefined) return undefined;
    const { stdout } = await Process.run(program, { args: ["--version"] });
    return `frp ${stdout.trim()}, TLS with multiplexing`;
  },
  install: (directory) => goInstall(directory, MODULE, VERSION, ["./cmd/frps", "./cmd/frpc"]),
  async start({ origin, folder, link }) {
    const hostname = "127.0.0.1";
    const [port, labPort, httpPort, vhostPort, vhostTlsPort] = Array.from({ length: 5 }, () => freePorts());
    const { certificate } = origin;
    await using stack = new AsyncDisposableStack();
    const server = await file(`${folder}/frps.toml`, [
      `bindAddr = "${hostname}"`,
      `proxyBindAddr = "${hostname}"`,
      `bindPort = ${port}`,
      `vhostHTTPPort = ${vhostPort}`,
      `vhostHTTPSPort = ${vhostTlsPort}`,
      `transport.tls.force = true`,
      `log.level = "warn"`,
    ]);
    const edge = stack.use(Process.start(findPeer("frps")!, { args: ["-c", server] }));
    await edge.waitUntil(() => accepts(port));
    const client = await file(`${folder}/frpc.toml`, [
      `serverAddr = "${hostname}"`,
      `serverPort = ${await link?.to(port) ?? port}`,
      `transport.tls.enable = true`,
      `log.level = "warn"`,
      ...proxy("lab", "tcp", [`localPort = ${origin.labPort}`, `remotePort = ${labPort}`]),
      ...proxy("tcp", "tcp", [`localPort = ${origin.httpPort}`, `remotePort = ${httpPort}`]),
      ...proxy("http", "http", [`localPort = ${origin.httpPort}`, `customDomains = ["${HOST}"]`]),
      ...(certificate === undefined ? [] : proxy("https", "https", [
        `customDomains = ["${HOST}"]`,
        `[proxies.plugin]`,
        `type = "https2http"`,
        `localAddr = "${hostname}:${origin.httpPort}"`,
        `crtPath = "${certificate.certPath}"`,
        `keyPath = "${certificate.keyPath}"`,
      ])),
    ]);
    const agent = stack.use(Process.start(findPeer("frpc")!, { args: ["-c", client] }));
    await agent.waitUntil(async () =>
      await accepts(labPort) && await accepts(httpPort) && await routed(vhostPort)
    );
    const processes = { edge: [edge.pid], agent: [agent.pid] };
    return publishedBy(labPort, httpPort, processes, stack.move(), {
      http: { hostname, port: vhostPort, host: HOST },
      ...(certificate !== undefined && {
        https: { hostname, port: vhostTlsPort, host: HOST, secure: true },
      }),
    });
  },
};

function proxy(name: string, type: string, lines: readonly string[]): string[] {
  return [`[[proxies]]`, `name = "${name}"`, `type = "${type}"`, `localIP = "127.0.0.1"`, ...lines];
}

async function file(path: string, lines: readonly string[]): Promise<string> {
  await Deno.writeTextFile(path, `${lines.join("\n")}\n`, { mode: 0o600 });
  return path;
}

/** Whether the host name leads to the origin already: it is registered after the ports. */
async function routed(port: number): Promise<boolean> {
  const answer = await Process.run("curl", {
    args: ["-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", `Host: ${HOST}`, `http://127.0.0.1:${port}/`],
  });
  return answer.stdout === "200";
}
