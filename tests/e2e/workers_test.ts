import assert from "node:assert/strict";
import { derivePassword, formatPasswordHash } from "../../src/crypto/mod.ts";
import { curl } from "../support/curl.ts";
import { Load } from "../support/load.ts";
import { freePort } from "../support/ports.ts";
import { RawClient } from "../support/raw_client.ts";
import { RawOrigin } from "../support/raw_origin.ts";
import { clientOf, eventually, type Settings } from "../support/stack.ts";
import { SOURCE_PROGRAM, StackProcesses } from "../support/stack_processes.ts";
import { TempDir } from "../support/temp_dir.ts";

/** Connections of their own, of which the system gives a worker none once in 2^31 times. */
const MANY = 32;
const body = "answered by the origin";
const root = new URL("../../", import.meta.url).pathname;

/** Answers, counts what it is sent, sends events, echoes over websockets. */
function startOrigin(): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/ws") {
      const { socket, response } = Deno.upgradeWebSocket(request);
      socket.onmessage = ({ data }) => socket.send(`echo ${data}`);
      return response;
    }
    if (pathname === "/events") {
      let sent = 0;
      const events = new ReadableStream<string>({
        pull(controller) {
          controller.enqueue(`data: ${++sent}\n\n`);
          if (sent === 3) controller.close();
        },
      });
      return new Response(events.pipeThrough(new TextEncoderStream()), {
        headers: { "content-type": "text/event-stream" },
      });
    }
    if (pathname === "/bulk") return new Response(new Uint8Array(3_000_000).fill(7));
    const bytes = (await request.bytes()).length;
    return new Response(bytes === 0 ? body : `${bytes} bytes`);
  });
}

function start(services: readonly Settings[], edge: Settings = {}): Promise<StackProcesses> {
  return StackProcesses.start({ services, edge: { workers: "2", ...edge } });
}

/** Workers whose lines match. */
function workersIn(log: string, event: RegExp): Set<string> {
  const lines = log.split("\n").filter((line) => event.test(line));
  return new Set(lines.map((line) => /worker=(\d)/.exec(line)?.[1] ?? "none"));
}

function each<T>(count: number, run: (index: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => run(index)));
}

Deno.test("viewers of every worker reach a service whose only channel ends in one of them", async (test) => {
  await using origin = startOrigin();
  await using echo = RawOrigin.start(async (socket) => {
    for (;;) {
      const line = await socket.through("\n").catch(() => undefined);
      if (line === undefined) return;
      await socket.send(`echo ${line}`);
    }
  });
  const target = `127.0.0.1:${origin.addr.port}`;
  await using folder = await TempDir.make("workers");
  const salt = new Uint8Array(16).fill(9);
  const hash = await derivePassword("secret", { logN: 14, salt });
  const users = await folder.write("users", `ann:${formatPasswordHash({ logN: 14, salt, hash })}\n`);
  const port = freePort();
  await using stack = await start([
    { name: "web", target },
    { name: "closed", target, "rules.basic_auth.file": users },
    { name: "denied", target, "rules.deny": "127.0.0.0/8" },
    { name: "raw", protocol: "tcp", target: echo.target },
  ], { "log.level": "debug", tcp_ports: `${port}-${port}` });
  const host = `web.localhost:${stack.port}`;

  await test.step("over HTTP/1.1, and it is the channel of the one", async () => {
    await each(MANY, async () => {
      using viewer = await RawClient.connect(stack.port);
      for (let request = 0; request < 3; request++) {
        await viewer.get(host);
        assert.equal((await viewer.response()).body, body);
      }
    });
    const served = () => workersIn(stack.edge.stderr, /\brequest worker=.*\bstatus=200/);
    await eventually("both are in the log", () => served().has("0") && served().has("1"));
    assert.ok(workersIn(stack.edge.stderr, /service online.*hosts=web/).size <= 1);
  });

  await test.step("with bodies in both directions", async () => {
    const sent = new Uint8Array(2_000_000);
    await each(8, async () => {
      const client = clientOf(stack.port);
      const up = await fetch(`http://${host}/`, { method: "POST", body: sent, client });
      assert.equal(await up.text(), "2000000 bytes");
      const down = await fetch(`http://${host}/bulk`, { client });
      assert.equal((await down.bytes()).filter((byte) => byte === 7).length, 3_000_000);
      client.close();
    });
  });

  await test.step("over HTTP/2 and TLS", async () => {
    await each(8, async () => {
      const answer = await curl(`https://${host}/`, { args: ["--http2", "--insecure"] });
      assert.deepEqual([answer.text, answer.httpVersion], [body, "2"]);
    });
  });

  await test.step("with server-sent events", async () => {
    await each(8, async () => {
      const { text } = await curl(`http://${host}/events`);
      assert.equal(text, "data: 1\n\ndata: 2\n\ndata: 3\n\n");
    });
  });

  await test.step("over websockets", async () => {
    await each(8, async (index) => {
      const client = clientOf(stack.port);
      const socket = new WebSocket(`ws://${host}/ws`, { client });
      await new Promise((resolve, reject) => {
        socket.onopen = resolve;
        socket.onerror = reject;
      });
      const answer = new Promise((resolve) => socket.onmessage = ({ data }) => resolve(data));
      socket.send(`${index}`);
      assert.equal(await answer, `echo ${index}`);
      const closed = new Promise((resolve) => socket.onclose = resolve);
      socket.close();
      await closed;
      client.close();
    });
  });

  await test.step("through the public port of a tcp service", async () => {
    await each(8, async (index) => {
      using viewer = await RawClient.connect(port);
      await viewer.send(`${index}\n`);
      assert.match(await viewer.through("\n"), new RegExp(`echo ${index}`));
    });
  });

  await test.step("and the rules of a service hold for all", async () => {
    const statuses = (name: string, lines: string[]) =>
      each(8, async () => {
        using viewer = await RawClient.connect(stack.port);
        await viewer.get(`${name}.localhost:${stack.port}`, "/", lines);
        return (await viewer.response()).status;
      });
    const basic = [`Authorization: Basic ${btoa("ann:secret")}`];
    assert.deepEqual(new Set(await statuses("closed", [])), new Set([401]));
    assert.deepEqual(new Set(await statuses("closed", basic)), new Set([200]));
    assert.deepEqual(new Set(await statuses("denied", [])), new Set([403]));
    assert.deepEqual(new Set(await statuses("nobody", [])), new Set([404]));
  });

  await test.step("while status and metrics tell of all of them together", async () => {
    const page = (await stack.ask(stack.edgeAdminPort, "/metrics"))!.body;
    const answered = /postern_requests_total\{service="web.localhost",status="2xx"\} (\d+)/.exec(page);
    assert.ok(Number(answered?.[1]) >= 3 * MANY + 16 + 16, page);
    assert.match(page, /postern_services\{state="online"\} 4\n/);
    assert.match(page, /postern_channels\{role="edge",tier="bound-key"\} 4\n/);
    const online = (await stack.edgeSessions()).filter((session) => session.online);
    assert.equal(online.length, 4);
    assert.equal((await stack.ask(stack.edgeAdminPort, "/readyz"))!.status, 200);
  });
});

Deno.test("an edge of several workers that is stopped and started again under load fails no request that it accepted", async () => {
  await using origin = startOrigin();
  await using stack = await start([{ name: "web", target: `127.0.0.1:${origin.addr.port}` }]);
  const viewers = Load.start({ port: stack.port, host: `web.localhost:${stack.port}`, body });
  await viewers.more(100);
  for (let round = 0; round < 2; round++) {
    stack.edge.signal("SIGHUP");
    await stack.edge.waitFor(/certificates reloaded.* worker=1|worker=1.*certificates reloaded/);
    await viewers.more(50);
    stack.edge.signal("SIGTERM");
    assert.equal((await stack.edge.finished()).code, 0);
    await stack.startEdge();
    await stack.online();
    await viewers.more(100);
  }
  assert.deepEqual(await viewers.finish(), []);
});

Deno.test("a new run of an agent ends its session in whichever worker that was", async () => {
  await using origin = startOrigin();
  await using stack = await start([{ name: "web", target: `127.0.0.1:${origin.addr.port}` }]);
  for (let round = 0; round < 4; round++) {
    const [before] = await stack.edgeSessions();
    stack.agent.signal("SIGSTOP"); // it cannot say goodbye, and its connection stays
    const stopped = stack.agent;
    await stack.startAgent({ admin_listen: "127.0.0.1:0" });
    await eventually("the new session stands for the old one", async () => {
      const sessions = await stack.edgeSessions();
      return sessions.length === 1 && sessions[0].session_id !== before.session_id && sessions[0].online;
    });
    await stopped.stop("SIGKILL");
    assert.equal(await (await stack.fetch("web")).text(), body);
  }
});

Deno.test("a worker that ends by a fault is started again, while the other one serves", async () => {
  await using origin = startOrigin();
  await using faults = await TempDir.make("faults");
  const program = SOURCE_PROGRAM.slice(0, -1);
  await using stack = await StackProcesses.start({
    services: [{ name: "web", target: `127.0.0.1:${origin.addr.port}` }],
    edge: { workers: "2" },
    edgeProgram: [
      "/usr/bin/env",
      `FAULTS=${faults.path}`,
      ...program,
      `${root}tests/support/faulty_postern.ts`,
    ],
  });
  for (const index of [0, 1]) {
    await faults.write(`worker-${index}`, "");
    await stack.edge.waitFor(new RegExp(`worker ended worker=${index} cause=.*injected fault`));
    await stack.edge.waitFor(new RegExp(`worker started again worker=${index}`));
    await eventually(
      "all are ready",
      async () => (await stack.ask(stack.edgeAdminPort, "/readyz"))?.status === 200,
    );
    await eventually(
      "the agent is back",
      async () => (await stack.edgeSessions()).some(({ online }) => online),
    );
    const answers = await each(MANY, async () => {
      using viewer = await RawClient.connect(stack.port);
      await viewer.get(`web.localhost:${stack.port}`);
      return (await viewer.response()).body;
    });
    assert.deepEqual(new Set(answers), new Set([body]));
    assert.equal((await stack.edgeSessions()).length, 1);
  }
  stack.edge.signal("SIGTERM");
  assert.equal((await stack.edge.finished()).code, 0);
});
