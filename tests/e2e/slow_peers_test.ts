/** Peers that are slow on purpose cost bounded memory and time, and nobody else notices them. Real sockets, short timeouts. */
import assert from "node:assert/strict";
import { Wire } from "./behaviours/wire.ts";
import { flat } from "../support/resident.ts";
import { RawOrigin } from "../support/raw_origin.ts";
import { eventually, metricOf, within } from "../support/stack.ts";
import { StackProcesses } from "../support/stack_processes.ts";

const MiB = 1_048_576;
/** Most that each process may grow: what its heap takes before it is tidied up. */
const growthBytes = 64 * MiB;
const crowd = 300;

const EDGE = {
  "limits.max_connections_per_address": "2000",
  "timeouts.request_head": "2s",
  "timeouts.request_body": "4s",
};

/** Origin that knows `/endless`, and answers everything else with `ok` once the body is there. */
function startOrigin(open: { count: number }): RawOrigin {
  return RawOrigin.start(async (socket) => {
    const wire = new Wire(socket.conn);
    open.count++;
    try {
      for (let head = await wire.head(); head !== undefined; head = await wire.head()) {
        if (head.line.includes("/endless")) {
          await wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
          const chunk = `10000\r\n${"x".repeat(65_536)}\r\n`;
          for (;;) await wire.send(chunk);
        }
        const { whole } = await wire.requestBody(head);
        if (!whole) return;
        await wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
      }
    } finally {
      open.count--;
    }
  });
}

async function connections(port: number, count: number): Promise<Wire[]> {
  return await Promise.all(Array.from({ length: count }, () => Wire.connect(port)));
}

async function refusals(stack: StackProcesses, code: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${stack.edgeAdminPort}/metrics`)).text();
  return metricOf(text, `postern_refusals_total{code="${code}",layer="http"}`);
}

/** Others are served while all this goes on. */
async function servesOthers(stack: StackProcesses): Promise<void> {
  for (let n = 0; n < 5; n++) assert.equal(await (await stack.fetch("web", "/other")).text(), "ok");
}

Deno.test("heads and bodies that come in drops or not at all are 408, memory stays flat, and others are served", async () => {
  const open = { count: 0 };
  await using origin = startOrigin(open);
  await using stack = await StackProcesses.start({
    services: [{ name: "web", target: origin.target }],
    edge: EDGE,
  });
  const host = `web.localhost:${stack.port}`;
  await servesOthers(stack);
  await flat(stack, growthBytes, async () => {
    const heads = await connections(stack.port, crowd);
    const bodies = await connections(stack.port, crowd);
    try {
      for (const wire of heads) await wire.send(`GET / HTTP/1.1\r\nHost: ${host}\r\nX-Slow: `);
      for (const wire of bodies) {
        await wire.send(`POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 1000000\r\n\r\nx`);
      }
      await eventually("the bodies are with the origin", () => open.count >= crowd);
      const dripping = (async () => {
        for (let drop = 0; drop < 20; drop++) {
          for (const wire of heads) await wire.send("x").catch(() => {});
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
      })();
      await servesOthers(stack);
      for (const wire of heads) {
        assert.match((await wire.response())?.line ?? "HTTP/1.1 408 reset", / 408 /);
        assert.equal(await wire.rest(), "");
      }
      for (const wire of bodies) {
        const response = await wire.response();
        assert.match(response?.line ?? "", / 408 /);
        assert.match(response?.body ?? "", /"code":"body_timeout"/);
        assert.equal(await wire.rest(), "");
      }
      await dripping;
    } finally {
      for (const wire of [...heads, ...bodies]) wire[Symbol.dispose]();
    }
    assert.equal(await refusals(stack, "head_timeout"), crowd);
    assert.equal(await refusals(stack, "body_timeout"), crowd);
    await eventually("the origin has seen the ends", () => open.count < 50);
    await servesOthers(stack);
  });
});

Deno.test("a viewer that reads a little goes on, one that reads nothing is cut, one that writes a little goes on", async () => {
  const open = { count: 0 };
  await using origin = startOrigin(open);
  await using stack = await StackProcesses.start({
    services: [{ name: "web", target: origin.target }],
    edge: { "timeouts.viewer_stall": "3s" },
  });
  const host = `web.localhost:${stack.port}`;
  await flat(stack, 150 * MiB, async () => {
    const [slow, stalled, writer] = await connections(stack.port, 3);
    try {
      for (const wire of [slow, stalled]) await wire.send(`GET /endless HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      await writer.send(`POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 12\r\n\r\n`);
      await slow.head();
      // The kernel tells of room for more only when a third of its buffer, up to 4 MiB, is free.
      const bytes = new Uint8Array(1_048_576);
      for (let drop = 0; drop < 12; drop++) {
        await within(15_000, "the slow reader gets more", slow.conn.read(bytes));
        await writer.send("x");
        await new Promise((resolve) => setTimeout(resolve, 300));
      }
      assert.equal((await writer.response())?.body, "ok");
      await eventually(
        "the one that reads nothing is cut",
        async () => await refusals(stack, "viewer_stalled") === 1,
      );
      await within(15_000, "the slow reader is still served", slow.conn.read(bytes));
      assert.equal(await refusals(stack, "viewer_stalled"), 1);
      await servesOthers(stack);
    } finally {
      for (const wire of [slow, stalled, writer]) wire[Symbol.dispose]();
    }
    await eventually("the origin has seen the ends", () => open.count <= 3);
  });
});
