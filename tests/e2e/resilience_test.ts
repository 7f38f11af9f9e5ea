import assert from "node:assert/strict";
import { freePort } from "../support/ports.ts";
import { Load } from "../support/load.ts";
import { FreezingProxy } from "../support/freezing_proxy.ts";
import { eventually } from "../support/stack.ts";
import { StackProcesses } from "../support/stack_processes.ts";

const body = "answered by the origin";

function web(port = 0): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port, onListen() {} }, () => new Response(body));
}

function processes(origin: Deno.HttpServer<Deno.NetAddr>, edge = {}, agent = {}): Promise<StackProcesses> {
  return StackProcesses.start({
    edge,
    agent,
    services: [{ name: "web", target: `127.0.0.1:${origin.addr.port}` }],
  });
}

function load(stack: StackProcesses, fresh = false): Load {
  return Load.start({ port: stack.port, host: `web.localhost:${stack.port}`, body, fresh });
}

Deno.test("an agent that is killed and started again under load costs no request", async () => {
  await using origin = web();
  await using stack = await processes(origin);
  const viewers = load(stack);
  await viewers.more(100);
  for (let round = 0; round < 2; round++) {
    const killed = stack.agent;
    killed.signal("SIGKILL");
    await stack.startAgent();
    await stack.online();
    assert.ok(killed.hasEnded);
    await viewers.more(100);
  }
  assert.deepEqual(await viewers.finish(), []);
  await stack.sessions(1);
});

Deno.test("an agent that is stopped by SIGSTOP is replaced at once by a new process with its identity", async () => {
  await using origin = web();
  // Nothing but the takeover itself can end the old session within the test.
  await using stack = await processes(origin, { "heartbeat.interval": "60s", "heartbeat.offline": "180s" });
  const viewers = load(stack);
  await viewers.more(100);
  const [before] = await stack.edgeSessions();
  const old = stack.agent;
  old.signal("SIGSTOP");
  const adminPort = freePort();
  await stack.startAgent({ admin_listen: `127.0.0.1:${adminPort}` });
  await stack.online(adminPort);
  await viewers.more(100);
  assert.deepEqual(await viewers.finish(), []);
  const sessions = await stack.edgeSessions();
  assert.deepEqual(sessions.map(({ online }) => online), [true]);
  assert.notEqual(sessions[0].session_id, before.session_id);
  // Woken up, the old process learns that it was replaced, and does not fight.
  old.signal("SIGCONT");
  const { code, stdout, stderr } = await old.finished();
  assert.equal(code, 1);
  assert.match(stdout + stderr, /session_fenced/);
  assert.equal((await stack.edgeSessions())[0].session_id, sessions[0].session_id);
});

Deno.test("a line that has died is noticed by the heartbeat, and the agent comes back over another one", async () => {
  await using origin = web();
  const publicPort = freePort();
  let edgePort = 0;
  await using line = FreezingProxy.start(() => edgePort, publicPort);
  const port = freePort();
  edgePort = port;
  const heartbeat = { "heartbeat.interval": "500ms", "heartbeat.offline": "1500ms" };
  await using stack = await StackProcesses.start({
    port,
    edge: { ...heartbeat, public_url_port: `${publicPort}` },
    agent: { control: `http://127.0.0.1:${publicPort}` },
    services: [{ name: "web", target: `127.0.0.1:${origin.addr.port}` }],
  });
  const viewers = load(stack);
  await viewers.more(100);
  const [before] = await stack.edgeSessions();
  assert.ok(line.freeze() > 0);
  await eventually("another session is online", async () => {
    const sessions = await stack.edgeSessions();
    return sessions.some(({ online, session_id }) => online && session_id !== before.session_id);
  });
  await viewers.more(100);
  assert.deepEqual(await viewers.finish(), []);
  await stack.sessions(1);
});

Deno.test("a planned reconnect on SIGHUP under load costs no request", async () => {
  await using origin = web();
  await using stack = await processes(origin);
  const viewers = load(stack);
  await viewers.more(100);
  for (let round = 0; round < 3; round++) {
    const [before] = await stack.edgeSessions();
    stack.agent.signal("SIGHUP");
    await eventually("the session is replaced", async () => {
      const sessions = await stack.edgeSessions();
      return sessions.length === 1 && sessions[0].online && sessions[0].session_id !== before.session_id;
    });
    await viewers.more(100);
  }
  assert.deepEqual(await viewers.finish(), []);
});

Deno.test("an origin that is restarted under load costs no request", async () => {
  const first = web();
  await using stack = await processes(first);
  const viewers = load(stack);
  await viewers.more(100);
  let origin = first;
  for (let round = 0; round < 3; round++) {
    const { port } = origin.addr;
    await origin.shutdown();
    origin = web(port);
    await viewers.more(100);
  }
  assert.deepEqual(await viewers.finish(), []);
  await origin.shutdown();
});
