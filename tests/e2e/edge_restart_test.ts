import assert from "node:assert/strict";
import { dirname } from "node:path";
import { edgeDefaults } from "../../src/config/mod.ts";
import { startEdge } from "../../src/main.ts";
import { noLog } from "../../src/telemetry/mod.ts";
import { Load } from "../support/load.ts";
import { RawClient } from "../support/raw_client.ts";
import { RawOrigin } from "../support/raw_origin.ts";
import { startStack } from "../support/stack.ts";
import { StackProcesses } from "../support/stack_processes.ts";

const body = "answered by the origin";

function web(): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => new Response(body));
}

Deno.test("an edge that is stopped by SIGTERM and started again under load fails none of the requests that it accepted", async () => {
  await using origin = web();
  await using stack = await StackProcesses.start({
    services: [{ name: "web", target: `127.0.0.1:${origin.addr.port}` }],
  });
  const viewers = Load.start({ port: stack.port, host: `web.localhost:${stack.port}`, body });
  await viewers.more(100);
  const rounds = 2;
  for (let round = 0; round < rounds; round++) {
    stack.edge.signal("SIGTERM");
    assert.equal((await stack.edge.finished()).code, 0);
    await stack.startEdge();
    await stack.online();
    await viewers.more(100);
  }
  assert.deepEqual(await viewers.finish(), []);
  assert.ok(
    viewers.resent <= rounds * Load.viewers,
    "at most once for each connection that was kept without a request",
  );
});

Deno.test("SIGTERM lets an answer that is under way end, and takes no further connection", async () => {
  const goOn = Promise.withResolvers<void>();
  await using origin = RawOrigin.start(async (socket) => {
    await socket.through("\r\n\r\n");
    await socket.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf");
    await goOn.promise;
    await socket.send("half");
  });
  await using stack = await StackProcesses.start({ services: [{ name: "web", target: origin.target }] });
  using viewer = await RawClient.connect(stack.port);
  await viewer.get(`web.localhost:${stack.port}`);
  await viewer.through("half");
  stack.edge.signal("SIGTERM");
  await stack.edge.waitUntil(async () => {
    try {
      (await RawClient.connect(stack.port))[Symbol.dispose]();
      return false;
    } catch {
      return true;
    }
  });
  goOn.resolve();
  await viewer.through("half");
  assert.equal((await stack.edge.finished()).code, 0);
});

Deno.test("an edge that is killed and started again gets its agent back under the same name", async () => {
  await using origin = web();
  await using stack = await StackProcesses.start({
    services: [{ target: `127.0.0.1:${origin.addr.port}` }],
  });
  const { services: [{ url }] } = (await stack.agentStatus())!;
  const name = new URL(url!).hostname.split(".")[0];
  for (let round = 0; round < 2; round++) {
    stack.edge.signal("SIGKILL");
    await stack.edge.finished();
    await stack.startEdge();
    assert.equal(await (await stack.fetch(name)).text(), body); // waits within the grace time
    await stack.online();
    assert.equal((await stack.agentStatus())!.services[0].url, url);
  }
});

Deno.test("a second edge on a state directory that is in use is refused, and ends nothing of the first one", async () => {
  await using origin = web();
  await using stack = await startStack({
    services: [{ name: "web", target: `127.0.0.1:${origin.addr.port}` }],
  });
  const state_directory = dirname(stack.edge.tokenPath);
  const second = edgeDefaults({ listen: "127.0.0.1:0", admin_listen: "off", state_directory });
  await assert.rejects(startEdge(second, { log: noLog }), { code: "state_directory_in_use" });
  const answer = await fetch(`http://127.0.0.1:${stack.edge.adminPort}/status`);
  const { attestations } = await answer.json();
  assert.deepEqual(attestations.map(({ state }: { state: string }) => state), ["passed"]);
  assert.equal(await (await stack.fetch("web")).text(), body);
});
