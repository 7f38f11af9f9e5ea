import assert from "node:assert/strict";
import { Postgres } from "../support/postgres.ts";
import { freePort } from "../support/ports.ts";
import { eventually, startStack } from "../support/stack.ts";
import { StackProcesses } from "../support/stack_processes.ts";
import { TempDir } from "../support/temp_dir.ts";

async function urlFile(folder: TempDir, url: string): Promise<string> {
  const path = await folder.write("database.url", `${url}\n`);
  await Deno.chmod(path, 0o600);
  return path;
}

Deno.test("an agent with the addresses of two controls goes on at the other one when the one that it used is killed", async () => {
  await using server = await Postgres.start();
  await using folder = await TempDir.make("cluster");
  await using origin = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response("hello"),
  );
  const database_url_file = await urlFile(folder, server.url);
  await using other = await startStack({ edge: { database_url_file } });
  const port = freePort();
  const controls = [port, other.port].map((each) => `http://127.0.0.1:${each}`);
  await using one = await StackProcesses.start({
    port,
    edge: { database_url_file },
    agent: { control: controls.join(",") },
    services: [{ name: "shop", target: `127.0.0.1:${origin.addr.port}` }],
  });
  assert.equal(await (await one.fetch("shop")).text(), "hello");
  assert.equal((await one.agentStatus())?.control, controls[0]);

  await one.edge.stop("SIGKILL");
  await eventually("the service is back at the other edge", async () => {
    const response = await other.fetch("shop");
    return await response.text() === "hello";
  });
  const status = await one.agentStatus();
  assert.deepEqual([status?.control, status?.edge], [controls[1], other.edge.edgeId]);
  assert.match(await server.psql("SELECT name FROM postern.tunnels"), /^shop$/, "it is the same tunnel");
});
