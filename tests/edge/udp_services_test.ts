import assert from "node:assert/strict";
import { edgeDefaults } from "../../src/config/mod.ts";
import { Deadlines } from "../../src/driver/mod.ts";
import type { AgentSession } from "../../src/edge/agent_session.ts";
import type { EdgeContext } from "../../src/edge/context.ts";
import { UdpServices } from "../../src/edge/udp_services.ts";
import { createMetrics, noLog } from "../../src/telemetry/mod.ts";
import { settle, VirtualClock } from "../support/virtual_clock.ts";

const publishing = (port: number) => ({ claims: { udp_ports: [port] } }) as unknown as AgentSession;

function contextOf(all: AgentSession[] = []): EdgeContext {
  const clock = new VirtualClock();
  return {
    config: edgeDefaults({}),
    clock,
    log: noLog,
    deadlines: new Deadlines(clock),
    metrics: createMetrics(),
    sessions: { all, routes: { group: () => undefined } },
  } as unknown as EdgeContext;
}

function isFree(port: number): boolean {
  try {
    Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port }).close();
    return true;
  } catch {
    return false;
  }
}

function anyPort(): number {
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  socket.close();
  return (socket.addr as Deno.NetAddr).port;
}

Deno.test("UdpServices.open() refuses a port that somebody else has with udp_port_unavailable", () => {
  const taken = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  const services = new UdpServices(contextOf());
  const { port } = taken.addr as Deno.NetAddr;
  assert.throws(() => services.open(publishing(port)), { code: "udp_port_unavailable" });
  taken.close();
});

Deno.test("UdpServices opens a port once, and closes it when neither a route nor a session is left", async () => {
  const port = anyPort();
  const sessions = [publishing(port)];
  const services = new UdpServices(contextOf(sessions));
  services.open(sessions[0]);
  services.open(sessions[0]);
  assert.equal(isFree(port), false);
  services.closeUnused(); // its session has not gone online yet, which is no reason
  assert.equal(isFree(port), false);
  sessions.pop();
  services.closeUnused();
  // The receive under way lets go of the socket in its own time.
  for (let turn = 0; turn < 100 && !isFree(port); turn++) await settle();
  assert.equal(isFree(port), true);
});
