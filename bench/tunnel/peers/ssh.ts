/** OpenSSH: `ssh -R` with a server of its own on loopback. Its keys live as long as the run. Needs root for the server. */
import { findBinary } from "../../../tools/test/packages.ts";
import { accepts } from "../../../tests/support/ports.ts";
import { Process } from "../../../tests/support/process.ts";
import { childrenOf } from "../processes.ts";
import { type Peer, publishedBy } from "./peer.ts";
import { aptInstall } from "./install.ts";
import { freePorts } from "../ports.ts";

/** Where sshd wants to change its root to; it refuses to start without it. */
const PRIVILEGE_SEPARATION = "/run/sshd";

export const ssh: Peer = {
  name: "ssh",
  maxStreams: { count: 9_000, why: "OpenSSH has 10,000 channels at most" },
  async describe() {
    const program = findBinary("ssh");
    if (program === undefined || findBinary("sshd") === undefined || Deno.uid() !== 0) return undefined;
    const { stderr } = await Process.run(program, { args: ["-V"] });
    return `${stderr.split(",")[0].trim()}, ssh -R`;
  },
  install: () => aptInstall("openssh-server", "openssh-client"),
  async start({ origin, folder, link }) {
    const hostname = "127.0.0.1";
    const port = freePorts();
    const labPort = freePorts();
    const httpPort = freePorts();
    await using stack = new AsyncDisposableStack();
    await Deno.mkdir(PRIVILEGE_SEPARATION, { recursive: true, mode: 0o755 });
    for (const name of ["host", "client"]) {
      const { code, stderr } = await Process.run(findBinary("ssh-keygen")!, {
        args: ["-q", "-t", "ed25519", "-N", "", "-C", "bench", "-f", `${folder}/${name}`],
      });
      if (code !== 0) throw new Error(`ssh-keygen: ${stderr.trim()}`);
    }
    const settings = {
      ListenAddress: `${hostname}:${port}`,
      HostKey: `${folder}/host`,
      AuthorizedKeysFile: `${folder}/client.pub`,
      PidFile: "none",
      StrictModes: "no",
      UsePAM: "no",
      PasswordAuthentication: "no",
      PermitRootLogin: "prohibit-password",
      ClientAliveInterval: "0",
    };
    const options = Object.entries(settings).flatMap(([key, value]) => ["-o", `${key}=${value}`]);
    const server = stack.use(
      Process.start(findBinary("sshd")!, { args: ["-D", "-e", "-f", "/dev/null", ...options] }),
    );
    await server.waitUntil(() => accepts(port));
    const agent = stack.use(
      Process.start(findBinary("ssh")!, {
        args: [
          ...["-N", "-F", "/dev/null", "-i", `${folder}/client`, "-p", `${await link?.to(port) ?? port}`],
          ...["-o", `UserKnownHostsFile=${folder}/known_hosts`, "-o", "StrictHostKeyChecking=accept-new"],
          ...["-o", "ExitOnForwardFailure=yes", "-o", "IdentitiesOnly=yes"],
          ...["-R", `${hostname}:${labPort}:${hostname}:${origin.labPort}`],
          ...["-R", `${hostname}:${httpPort}:${hostname}:${origin.httpPort}`],
          `root@${hostname}`,
        ],
      }),
    );
    await agent.waitUntil(async () => await accepts(labPort) && await accepts(httpPort));
    // The listening process starts another one for the connection; that one does the work.
    const edge = (await childrenOf(server.pid))[0] ?? server.pid;
    return publishedBy(labPort, httpPort, { edge: [edge], agent: [agent.pid] }, stack.move());
  },
};
