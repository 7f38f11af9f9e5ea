/** chisel: SSH inside a WebSocket, always encrypted. Its reverse remotes are what `postern tcp` is. */
import { accepts } from "../../../tests/support/ports.ts";
import { Process } from "../../../tests/support/process.ts";
import { findPeer, goInstall } from "./install.ts";
import { type Peer, publishedBy } from "./peer.ts";
import { freePorts } from "../ports.ts";

const MODULE = "github.com/jpillora/chisel";
const VERSION = "v1.10.1";

export const chisel: Peer = {
  name: "chisel",
  async describe() {
    const program = findPeer("chisel");
    if (program === undefined) return undefined;
    const { stdout } = await Process.run(program, { args: ["--version"] });
    const version = stdout.trim();
    return `chisel ${version.startsWith("0.0.0") ? VERSION : version}, SSH over ws`;
  },
  install: (directory) => goInstall(directory, MODULE, VERSION, ["."]),
  async start({ origin, link }) {
    const program = findPeer("chisel")!;
    const port = freePorts();
    const labPort = freePorts();
    const httpPort = freePorts();
    const hostname = "127.0.0.1";
    await using stack = new AsyncDisposableStack();
    const edge = stack.use(
      Process.start(program, { args: ["server", "--host", hostname, "--port", `${port}`, "--reverse"] }),
    );
    await edge.waitUntil(() => accepts(port));
    const agent = stack.use(
      Process.start(program, {
        args: [
          "client",
          `http://${hostname}:${await link?.to(port) ?? port}`,
          `R:${hostname}:${labPort}:${hostname}:${origin.labPort}`,
          `R:${hostname}:${httpPort}:${hostname}:${origin.httpPort}`,
        ],
      }),
    );
    await agent.waitUntil(async () => await accepts(labPort) && await accepts(httpPort));
    const processes = { edge: [edge.pid], agent: [agent.pid] };
    return publishedBy(labPort, httpPort, processes, stack.move());
  },
};
