import assert from "node:assert/strict";
import { accepts, freePort } from "../support/ports.ts";
import { Process } from "../support/process.ts";
import { eventually, metricOf, type Settings, type Stack, startStack } from "../support/stack.ts";
import { StackProcesses } from "../support/stack_processes.ts";
import { TempDir } from "../support/temp_dir.ts";
import { freeUdpPort, UdpClient, UdpEcho } from "../support/udp_client.ts";

/** Publishes a udp service and tells its public port. */
async function publish(
  target: string,
  edge: Settings = {},
  service: Settings = {},
): Promise<{ stack: Stack; port: number }> {
  const port = freeUdpPort();
  const stack = await startStack({
    edge: { udp_ports: `${port}-${port}`, ...edge },
    services: [{ name: "dns", protocol: "udp", target, ...service }],
  });
  assert.equal(stack.agent.status().services[0].url, `udp://localhost:${port}`);
  return { stack, port };
}

function patterned(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (at * 31 + length) & 0xff);
}

Deno.test("dig asks a published dnsmasq: addresses, a text of 800 bytes, a name that is not there", async () => {
  await using folder = await TempDir.make("dns");
  const dnsPort = freePort();
  const text = "x".repeat(200);
  await using daemon = Process.start("dnsmasq", {
    cwd: folder.path,
    args: [
      "--no-daemon",
      "--conf-file=/dev/null",
      `--port=${dnsPort}`,
      "--listen-address=127.0.0.1",
      "--bind-interfaces",
      "--no-resolv",
      "--no-hosts",
      "--local=/test/",
      "--address=/web.test/192.0.2.80",
      `--txt-record=long.test,${[text, text, text, text].join(",")}`,
      "--user=root",
      `--pid-file=${folder.file("pid")}`,
    ],
  });
  await daemon.waitUntil(() => accepts(dnsPort));
  const { stack, port } = await publish(`127.0.0.1:${dnsPort}`);
  await using _stack = stack;
  const dig = async (...args: string[]) => {
    const run = await Process.run("dig", {
      args: ["@127.0.0.1", "-p", `${port}`, "+tries=5", "+timeout=1", ...args],
      cwd: folder.path,
    });
    assert.equal(run.code, 0, run.stdout + run.stderr + daemon.stderr);
    return run.stdout;
  };
  assert.equal((await dig("+short", "web.test", "A")).trim(), "192.0.2.80");
  assert.ok((await dig("+bufsize=1232", "+ignore", "long.test", "TXT")).includes(text));
  assert.match(await dig("nowhere.test", "A"), /status: NXDOMAIN/);
});

Deno.test("datagrams of 0 to 65,507 bytes keep their boundaries both ways", async () => {
  using origin = new UdpEcho();
  const { stack, port } = await publish(origin.target, { udp_amplification: "0" });
  await using _stack = stack;
  using viewer = new UdpClient(port);
  for (const length of [0, 1, 1_200, 1_472, 9_000, 65_507, 0]) {
    const sent = patterned(length);
    assert.deepEqual(await viewer.ask(sent), sent);
  }
  assert.equal(origin.senders.size, 1);
});

Deno.test("1,000 flows at once: the origin sees 1,000 senders, and everybody gets the answer meant for it", async () => {
  using origin = new UdpEcho();
  const { stack, port } = await publish(origin.target, { "limits.max_udp_flows_per_address": "2000" });
  await using _stack = stack;
  const viewers = Array.from({ length: 1_000 }, () => new UdpClient(port));
  try {
    const answers = [];
    // A hundred at a time: the kernel's receive buffer of one socket holds some 250 datagrams.
    for (let at = 0; at < viewers.length; at += 100) {
      answers.push(
        ...await Promise.all(
          viewers.slice(at, at + 100).map((viewer, n) => viewer.ask(Uint8Array.of((at + n) >> 8, at + n))),
        ),
      );
    }
    for (const [n, answer] of answers.entries()) assert.deepEqual(answer, Uint8Array.of(n >> 8, n));
    assert.equal(origin.senders.size, 1_000);
    assert.equal(stack.plane.status().udp_flows, 1_000);
    // All of them again, each still on its own flow.
    for (let at = 0; at < viewers.length; at += 100) {
      await Promise.all(viewers.slice(at, at + 100).map((viewer) => viewer.ask(Uint8Array.of(1))));
    }
    assert.equal(origin.senders.size, 1_000);
    await stack.agent.stop();
    await eventually("all flows have ended", () => stack.plane.status().udp_flows === 0);
  } finally {
    for (const viewer of viewers) viewer[Symbol.dispose]();
  }
});

Deno.test("a flood costs datagrams, not memory, and others are answered meanwhile", async () => {
  using origin = new UdpEcho();
  const { stack, port } = await publish(origin.target);
  await using _stack = stack;
  using viewer = new UdpClient(port);
  const before = Deno.memoryUsage().rss;
  const large = patterned(8_000);
  let requests = 0;
  for (let round = 0; round < 100; round++) {
    const answer = fetch(`http://127.0.0.1:${stack.port}/healthz`);
    await Promise.all(Array.from({ length: 100 }, () => viewer.send(large)));
    viewer.inbox.length = 0;
    await (await answer).body?.cancel();
    requests++;
  }
  assert.equal(requests, 100);
  const grown = Deno.memoryUsage().rss - before;
  assert.ok(grown < 150 * 1_048_576, `${Math.round(grown / 1_048_576)} MiB more`); // 80 MB went in
  using other = new UdpClient(port);
  const asked = patterned(100);
  assert.deepEqual(await other.ask(asked), asked);
});

Deno.test("a target that nobody listens on costs nothing but datagrams, and serves as soon as somebody does", async () => {
  const originPort = freeUdpPort();
  const { stack, port } = await publish(`127.0.0.1:${originPort}`);
  await using _stack = stack;
  using viewer = new UdpClient(port);
  for (let n = 0; n < 5; n++) await viewer.send(patterned(10));
  assert.equal(await viewer.next(300), undefined);
  using _origin = new UdpEcho(originPort);
  assert.deepEqual(await viewer.ask(patterned(20)), patterned(20));
  assert.equal(stack.agent.status().services[0].requests, 1);
});

Deno.test("metrics and status tell flows, datagrams and drops; a note tells when the idle time was clamped", async () => {
  using origin = new UdpEcho();
  const { stack, port } = await publish(origin.target, {}, { "rules.udp_idle": "1s" });
  await using _stack = stack;
  using viewer = new UdpClient(port);
  assert.deepEqual(await viewer.ask(patterned(10)), patterned(10));
  const metrics = await stack.metrics();
  const of = (name: string, labels: string) =>
    metricOf(metrics, `postern_udp_${name}{${labels}service="udp:${port}"}`);
  assert.ok(of("datagrams_total", 'direction="in",') >= 1);
  assert.ok(of("datagrams_total", 'direction="out",') >= 1);
  assert.equal(metricOf(metrics, "postern_udp_flows"), 1);
  const { requests, bytes_in: bytesIn, bytes_out: bytesOut } = stack.agent.status().services[0];
  assert.deepEqual([requests, bytesIn >= 10, bytesOut >= 10], [1, true, true]);
  const note = stack.lines.find(({ event }) => event === "control has a note");
  assert.match(String(note?.fields.note), /udp_idle_seconds was set to 5/);
});

Deno.test("an agent that is killed, and an edge that is restarted, serve the same viewer again on the same port", async () => {
  using origin = new UdpEcho();
  const port = freeUdpPort();
  await using stack = await StackProcesses.start({
    edge: { udp_ports: `${port}-${port}` },
    services: [{ name: "echo", protocol: "udp", target: origin.target }],
  });
  using viewer = new UdpClient(port);
  assert.deepEqual(await viewer.ask(patterned(10)), patterned(10));
  await stack.agent.stop("SIGKILL");
  await viewer.send(patterned(11));
  await stack.startAgent();
  await stack.online();
  viewer.inbox.length = 0;
  const asked = patterned(12);
  assert.deepEqual(await viewer.ask(asked, 60), asked);
  await stack.edge.stop("SIGKILL");
  await stack.startEdge();
  const again = patterned(13);
  assert.deepEqual(await viewer.ask(again, 60), again);
});
