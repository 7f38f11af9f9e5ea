/** bore: a connection between both ends for each stream, in the clear. Its control port cannot be chosen, its address can. */
import { accepts } from "../../../tests/support/ports.ts";
import { Process } from "../../../tests/support/process.ts";
import { cargoInstall, findPeer } from "./install.ts";
import { type Peer, publishedBy } from "./peer.ts";
import { freePorts } from "../ports.ts";

const VERSION = "0.6.0";
/** Compiled into it. */
const CONTROL_PORT = 7835;

export const bore: Peer = {
  name: "bore",
  filesPerStream: 2,
  async describe() {
    const program = findPeer("bore");
    if (program === undefined) return undefined;
    const { stdout } = await Process.run(program, { args: ["--version"] });
    return `bore ${stdout.trim().split(" ").at(-1)}, NO ENCRYPTION, a connection a stream`;
  },
  install: (directory) => cargoInstall(directory, "bore-cli", VERSION),
  async start({ origin, link }) {
    const program = findPeer("bore")!;
    const hostname = "127.0.0.1";
    const address = loopbackAddress();
    const [labPort, httpPort] = [freePorts(), freePorts()];
    await using stack = new AsyncDisposableStack();
    const edge = stack.use(
      Process.start(program, { args: ["server", "--bind-addr", address, "--bind-tunnels", hostname] }),
    );
    await edge.waitUntil(() => accepts(CONTROL_PORT, address));
    let reached = address;
    if (link !== undefined) {
      reached = loopbackAddress();
      await link.to(CONTROL_PORT, address, { hostname: reached, port: CONTROL_PORT });
    }
    const agents = [[origin.labPort, labPort], [origin.httpPort, httpPort]].map(([from, to]) =>
      stack.use(
        Process.start(program, {
          args: ["local", `${from}`, "--local-host", hostname, "--to", reached, "--port", `${to}`],
        }),
      )
    );
    await agents[0].waitUntil(async () => await accepts(labPort) && await accepts(httpPort));
    const processes = { edge: [edge.pid], agent: agents.map(({ pid }) => pid) };
    return publishedBy(labPort, httpPort, processes, stack.move());
  },
};

/** One of 127.0.0.0/8 that nobody else is likely to have. */
function loopbackAddress(): string {
  const [a, b, c] = crypto.getRandomValues(new Uint8Array(3));
  return `127.${1 + a % 250}.${b}.${1 + c % 250}`;
}
