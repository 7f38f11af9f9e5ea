import assert from "node:assert/strict";
import { edgeDefaults } from "../../src/config/mod.ts";
import type { AgentSession } from "../../src/edge/agent_session.ts";
import { ConnectionLimits } from "../../src/edge/connection_limits.ts";
import type { EdgeContext } from "../../src/edge/context.ts";
import { TcpServices } from "../../src/edge/tcp_services.ts";
import { Deadlines, systemClock } from "../../src/driver/mod.ts";
import { createMetrics } from "../../src/telemetry/mod.ts";
import { accepts, freePort } from "../support/ports.ts";
import { settle } from "../support/virtual_clock.ts";

const publishing = (port: number) => ({ claims: { tcp_ports: [port] } }) as unknown as AgentSession;
const sessions: AgentSession[] = [];
const context = {
  config: edgeDefaults({}),
  sessions: { all: sessions, routes: { group: () => undefined } },
  clock: systemClock,
  // For a connection that the listener takes just before it is closed.
  deadlines: new Deadlines(systemClock),
  metrics: createMetrics(),
  log: () => {},
  newRequestId: () => "request",
} as unknown as EdgeContext;

Deno.test("TcpServices.open() refuses a port that somebody else has with tcp_port_unavailable", () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const services = new TcpServices(context, new ConnectionLimits(10, 10));
  assert.throws(() => services.open(publishing(taken.addr.port)), { code: "tcp_port_unavailable" });
});

Deno.test("TcpServices opens a port once, and closes it when no route is left", async () => {
  const services = new TcpServices(context, new ConnectionLimits(10, 10));
  const port = freePort();
  sessions.push(publishing(port));
  services.open(sessions[0]);
  services.open(sessions[0]);
  services.closeUnused(); // its session has not gone online yet, which is no reason
  assert.throws(() => Deno.listen({ hostname: "127.0.0.1", port }), Deno.errors.AddrInUse);
  sessions.pop();
  services.closeUnused();
  // The accept under way lets go of the socket in its own time.
  const isOpen = () => accepts(port).catch(() => true);
  for (let turn = 0; turn < 100 && await isOpen(); turn++) await settle();
  assert.equal(await isOpen(), false);
});
