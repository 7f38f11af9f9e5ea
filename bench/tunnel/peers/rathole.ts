/** rathole with Noise: a connection of its own between both ends for each stream, taken from a pool. */
import { accepts } from "../../../tests/support/ports.ts";
import { Process } from "../../../tests/support/process.ts";
import { cargoInstall, findPeer } from "./install.ts";
import { type Peer, publishedBy } from "./peer.ts";
import { freePorts } from "../ports.ts";

const VERSION = "0.5.0";

export const rathole: Peer = {
  name: "rathole",
  filesPerStream: 2,
  async describe() {
    const program = findPeer("rathole");
    if (program === undefined) return undefined;
    const { stdout } = await Process.run(program, { args: ["--version"] });
    const version = /Build Version:\s*(\S+)/.exec(stdout)?.[1] ?? VERSION;
    return `rathole ${version}, Noise_NK_25519_ChaChaPoly_BLAKE2s, a connection a stream`;
  },
  install: (directory) =>
    cargoInstall(directory, "rathole", VERSION, {
      features: ["server", "client", "noise"],
      // The locked one is refused by compilers since Rust 1.80.
      updates: { time: "0.3.36" },
    }),
  async start({ origin, folder, link }) {
    const program = findPeer("rathole")!;
    const hostname = "127.0.0.1";
    const [port, labPort, httpPort] = Array.from({ length: 3 }, () => freePorts());
    const { stdout } = await Process.run(program, { args: ["--genkey"] });
    const [privateKey, publicKey] = [...stdout.matchAll(/Key:\s*(\S+)/g)].map(([, key]) => key);
    const token = crypto.randomUUID();
    await using stack = new AsyncDisposableStack();
    const server = `${folder}/server.toml`;
    await Deno.writeTextFile(
      server,
      `[server]
bind_addr = "${hostname}:${port}"
default_token = "${token}"
[server.transport]
type = "noise"
[server.transport.noise]
local_private_key = "${privateKey}"
[server.services.lab]
bind_addr = "${hostname}:${labPort}"
[server.services.http]
bind_addr = "${hostname}:${httpPort}"
`,
      { mode: 0o600 },
    );
    const env = { RUST_LOG: "warn" };
    const edge = stack.use(Process.start(program, { args: ["--server", server], env }));
    await edge.waitUntil(() => accepts(port));
    const client = `${folder}/client.toml`;
    await Deno.writeTextFile(
      client,
      `[client]
remote_addr = "${hostname}:${await link?.to(port) ?? port}"
default_token = "${token}"
[client.transport]
type = "noise"
[client.transport.noise]
remote_public_key = "${publicKey}"
[client.services.lab]
local_addr = "${hostname}:${origin.labPort}"
[client.services.http]
local_addr = "${hostname}:${origin.httpPort}"
`,
      { mode: 0o600 },
    );
    const agent = stack.use(Process.start(program, { args: ["--client", client], env }));
    await agent.waitUntil(async () => await accepts(labPort) && await accepts(httpPort));
    return publishedBy(labPort, httpPort, { edge: [edge.pid], agent: [agent.pid] }, stack.move());
  },
};
