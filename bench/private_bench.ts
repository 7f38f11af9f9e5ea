/**
 * A private service beside `ssh -L`, where sshd is installed: edge, both agents, sshd, ssh and the origin are processes of
 * their own on loopback. Encrypted end to end in both; through the edge there is one process more on the way.
 *
 * `deno bench -A bench/private_bench.ts`. The load is this process's; it stops what it starts.
 */
import { freePort } from "../tests/support/ports.ts";
import { Process } from "../tests/support/process.ts";
import { startPostern } from "../tests/support/stack_processes.ts";
import { eventually } from "../tests/support/stack.ts";
import { TempDir } from "../tests/support/temp_dir.ts";

const hostname = "127.0.0.1";
const BULK_BYTES = 64 * 1_048_576;
const EXCHANGES = 500;
const MESSAGE_BYTES = 64;

/** Sends as many bytes as its first message asks for; a message that asks for none is sent back, and so are all behind it. */
const ORIGIN = `
const listener = Deno.listen({ hostname: "${hostname}", port: Number(Deno.args[0]) });
const block = new Uint8Array(262_144);
for await (const conn of listener) {
  conn.setNoDelay(true);
  (async () => {
    const buffer = new Uint8Array(65_536);
    for (let read = await conn.read(buffer); read !== null; read = await conn.read(buffer)) {
      let left = new DataView(buffer.buffer).getUint32(0);
      if (left === 0) await conn.write(buffer.subarray(0, read));
      while (left > 0) left -= await conn.write(block.subarray(0, Math.min(left, block.length)));
    }
    conn.close();
  })().catch(() => {});
}`;

interface Way {
  readonly name: string;
  readonly port: number;
}

const folder = await TempDir.make("private-bench");
const processes: Process[] = [];
addEventListener("unload", () => {
  for (const each of processes) if (!each.hasEnded) each.signal("SIGKILL");
  Deno.removeSync(folder.path, { recursive: true });
});
const originPort = freePort();
await Deno.writeTextFile(folder.file("origin.ts"), ORIGIN);
processes.push(
  Process.start(Deno.execPath(), { args: ["run", "-A", folder.file("origin.ts"), String(originPort)] }),
);
const ways: Way[] = [
  { name: "straight to the origin", port: originPort },
  { name: "postern connect", port: await postern() },
];
const ssh = await sshForward();
if (ssh !== undefined) ways.push({ name: "ssh -L", port: ssh });
for (const { port } of ways) await eventually(`port ${port} answers`, () => answers(port));

for (const { name, port } of ways) {
  const baseline = name === "postern connect";
  Deno.bench(
    `64 MiB: ${name}`,
    { group: "bulk", baseline, n: 8, warmup: 2 },
    async () => void await bulk(port),
  );
}
for (const { name, port } of ways) {
  const baseline = name === "postern connect";
  Deno.bench(`${EXCHANGES} exchanges of ${MESSAGE_BYTES} bytes: ${name}`, {
    group: "latency",
    baseline,
    n: 8,
    warmup: 2,
  }, async () => void await exchanges(port));
}

async function postern(): Promise<number> {
  const [edgePort, port] = [freePort(), freePort()];
  const start = (...words: string[]) => {
    const running = startPostern(words, folder);
    processes.push(running);
    return running;
  };
  start(
    "edge",
    `--listen=${hostname}:${edgePort}`,
    "--admin-listen=off",
    `--state-directory=${folder.file("edge")}`,
  );
  const tokenFile = folder.file("edge/management.token");
  await eventually("the edge answers", () => answers(edgePort));
  const agent = [
    `--control=http://${hostname}:${edgePort}`,
    `--token-file=${tokenFile}`,
    "--token-renewal=false",
  ];
  const share = start(
    "share",
    String(originPort),
    "--private",
    "--name=bench",
    ...agent,
    "--admin-listen=off",
    "--plain",
    `--state-directory=${folder.file("agent")}`,
  );
  await share.waitFor(/service online/);
  start(
    "connect",
    "bench",
    `--listen=${hostname}:${port}`,
    ...agent,
    "--retry-initial=200ms",
    "--retry-max=1s",
    `--state-directory=${folder.file("client")}`,
  );
  return port;
}

/** Port of an `ssh -L` to the origin; undefined where there is no sshd. */
async function sshForward(): Promise<number | undefined> {
  try {
    await Deno.stat("/usr/sbin/sshd");
  } catch {
    return undefined;
  }
  const [sshdPort, port] = [freePort(), freePort()];
  for (const key of ["host", "user"]) {
    await Process.run("/usr/bin/ssh-keygen", {
      args: ["-q", "-t", "ed25519", "-N", "", "-f", folder.file(key)],
    });
  }
  await Deno.copyFile(folder.file("user.pub"), folder.file("authorized"));
  await Deno.chmod(folder.file("authorized"), 0o600);
  await Deno.writeTextFile(
    folder.file("sshd_config"),
    [
      `ListenAddress ${hostname}:${sshdPort}`,
      `HostKey ${folder.file("host")}`,
      `AuthorizedKeysFile ${folder.file("authorized")}`,
      `PidFile ${folder.file("sshd.pid")}`,
      "UsePAM no",
      "StrictModes no",
      "PermitRootLogin prohibit-password",
    ].join("\n"),
  );
  if (Deno.uid() === 0) await Deno.mkdir("/run/sshd", { recursive: true });
  processes.push(Process.start("/usr/sbin/sshd", { args: ["-D", "-e", "-f", folder.file("sshd_config")] }));
  await eventually("sshd answers", () => answers(sshdPort));
  const user = Deno.uid() === 0 ? "root" : Deno.env.get("USER") ?? "root";
  processes.push(Process.start("/usr/bin/ssh", {
    args: [
      "-N",
      "-i",
      folder.file("user"),
      "-p",
      String(sshdPort),
      "-o",
      "StrictHostKeyChecking=no",
      "-o",
      `UserKnownHostsFile=${folder.file("known")}`,
      "-L",
      `${hostname}:${port}:${hostname}:${originPort}`,
      `${user}@${hostname}`,
    ],
  }));
  return port;
}

async function answers(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname, port })).close();
    return true;
  } catch {
    return false;
  }
}

async function bulk(port: number): Promise<void> {
  using conn = await Deno.connect({ hostname, port });
  const ask = new Uint8Array(4);
  new DataView(ask.buffer).setUint32(0, BULK_BYTES);
  await conn.write(ask);
  const buffer = new Uint8Array(262_144);
  for (let left = BULK_BYTES; left > 0;) {
    const read = await conn.read(buffer);
    if (read === null) throw new Error("cut short");
    left -= read;
  }
}

async function exchanges(port: number): Promise<void> {
  using conn = await Deno.connect({ hostname, port });
  conn.setNoDelay(true);
  const message = new Uint8Array(MESSAGE_BYTES);
  for (let i = 0; i < EXCHANGES; i++) {
    await conn.write(message);
    for (let left = MESSAGE_BYTES; left > 0;) {
      const read = await conn.read(message);
      if (read === null) throw new Error("cut short");
      left -= read;
    }
  }
}
