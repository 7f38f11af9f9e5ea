import assert from "node:assert/strict";
import { AddressBlocks } from "../../src/bytes/mod.ts";
import type { Channel, ChannelState } from "../../src/channel/mod.ts";
import { edgeDefaults } from "../../src/config/mod.ts";
import {
  type ChannelPump,
  DatagramBudget,
  DatagramFlow,
  type DatagramFlowUser,
  type DatagramSocket,
  Deadlines,
  systemRandom,
} from "../../src/driver/mod.ts";
import { AgentSession } from "../../src/edge/agent_session.ts";
import type { EdgeContext } from "../../src/edge/context.ts";
import { ServiceGuard } from "../../src/edge/service_guard.ts";
import { HashQueue } from "../../src/edge/hash_queue.ts";
import { Sessions } from "../../src/edge/sessions.ts";
import { UdpFlowTable } from "../../src/edge/udp_flow_table.ts";
import { UdpPort } from "../../src/edge/udp_port.ts";
import { isAdmitted } from "../../src/edge/admission.ts";
import type { Stage1Claims } from "../../src/identity/mod.ts";
import { createMetrics } from "../../src/telemetry/mod.ts";
import type { ResetReason } from "../../src/wire/mod.ts";
import { MuxPair, type StreamUser } from "../support/mux_pair.ts";
import { settle, VirtualClock } from "../support/virtual_clock.ts";

/** The public socket: what is sent is kept, what is received comes by `UdpPort.receive`. */
class PublicSocket implements DatagramSocket {
  readonly addr: Deno.Addr = { transport: "udp", hostname: "192.0.2.1", port: 53 };
  readonly sent: { payload: Uint8Array; to: string }[] = [];
  fails = false;
  closed = false;

  receive(): Promise<[Uint8Array, Deno.Addr]> {
    return new Promise(() => {});
  }
  send(bytes: Uint8Array, to: Deno.NetAddr): Promise<number> {
    if (this.fails) return Promise.reject(new Deno.errors.NetworkUnreachable("unreachable"));
    this.sent.push({ payload: bytes.slice(), to: `${to.hostname}:${to.port}` });
    return Promise.resolve(bytes.length);
  }
  close(): void {
    this.closed = true;
  }
}

/** The agent's end of one flow: answers each datagram with `answer`. */
class FarFlow implements DatagramFlowUser {
  flow!: DatagramFlow;
  readonly received: number[] = [];
  over: ResetReason | undefined;

  constructor(readonly answer: (bytes: number) => number[]) {}
  admits(): boolean {
    return true;
  }
  send(payload: Uint8Array): Promise<unknown> {
    this.received.push(payload.length);
    for (const bytes of this.answer(payload.length)) this.flow.push(new Uint8Array(bytes));
    return Promise.resolve();
  }
  onSent(): void {}
  onSendError(): void {}
  onDrop(): void {}
  onOver(reason: ResetReason | undefined): void {
    this.over = reason;
  }
}

/** An agent that serves the port over a channel of its own. */
class Agent {
  readonly muxes = new MuxPair();
  readonly flows: FarFlow[] = [];
  readonly session: AgentSession;
  state: ChannelState = "established";
  answer: (bytes: number) => number[] = (bytes) => [bytes];

  constructor(clock: VirtualClock, guard?: ServiceGuard) {
    const { muxes, flows } = this;
    const budget = new DatagramBudget();
    muxes.a.answer = (stream) => {
      const far = new FarFlow((bytes) => this.answer(bytes));
      far.flow = new DatagramFlow({ stream, user: far, budget, clock });
      flows.push(far);
      return far.flow as unknown as StreamUser;
    };
    const state = () => this.state;
    const channel = {
      get state() {
        return state();
      },
      open: muxes.b.mux.open.bind(muxes.b.mux),
    };
    this.session = new AgentSession({
      id: `session ${Math.random()}`,
      claims: {
        sub: "tunnel",
        agent_id: "agent",
        hostnames: [],
        tls_hostnames: [],
        tcp_ports: [],
        udp_ports: [53],
        weight: 1,
      } as unknown as Stage1Claims,
      channel: channel as unknown as Channel,
      pump: {} as ChannelPump,
      since: 0,
      remoteAddress: "192.0.2.9:9",
    });
    this.session.lastEchoAt = 1;
    this.session.guard = guard;
  }

  async settle(): Promise<void> {
    for (let round = 0; round < 3; round++) {
      this.muxes.settle();
      await settle();
    }
  }
}

class World {
  readonly clock = new VirtualClock();
  readonly metrics = createMetrics();
  readonly sessions: Sessions;
  readonly table: UdpFlowTable;
  readonly budget = new DatagramBudget();
  readonly socket = new PublicSocket();
  readonly port: UdpPort;
  readonly deadlines = new Deadlines(this.clock);
  readonly logged: string[] = [];

  constructor(settings: Record<string, string> = {}) {
    const { clock, deadlines, metrics } = this;
    const config = edgeDefaults(settings);
    const log = (_level: string, event: string) => void this.logged.push(event);
    this.sessions = new Sessions({
      clock,
      log,
      graceMs: 30_000,
      replacement: { maxCount: 5, windowMs: 10_000 },
    });
    const { maxUdpFlows: maxFlows, maxUdpFlowsPerAddress: maxFlowsPerAddress } = config.limits;
    this.table = new UdpFlowTable({ maxFlows, maxFlowsPerAddress });
    const deny = new AddressBlocks(config.access.deny);
    const context = {
      config,
      clock,
      log,
      metrics,
      deadlines,
      newRequestId: () => "request",
      sessions: this.sessions,
      viewers: { admits: (ip: string) => isAdmitted(ip, new AddressBlocks([]), deny) },
    } as unknown as EdgeContext;
    const { table, budget, socket } = this;
    this.port = new UdpPort({ context, table, budget, socket, port: 53 });
    this.port.run();
  }

  agent(guard?: ServiceGuard): Agent {
    const agent = new Agent(this.clock, guard);
    this.sessions.routes.add(agent.session);
    return agent;
  }

  guard(): ServiceGuard {
    return new ServiceGuard({ clock: this.clock, random: systemRandom, hashes: new HashQueue(1) });
  }

  /** A datagram of a viewer. */
  send(bytes: number, viewer = "198.51.100.7:5000"): void {
    const [hostname, port] = viewer.split(":");
    this.port.receive(new Uint8Array(bytes), { transport: "udp", hostname, port: Number(port) });
  }

  get drops(): Record<string, number> {
    return Object.fromEntries(this.port.series.datagrams.drops);
  }
  get results(): Record<string, number> {
    return Object.fromEntries(this.port.series.datagrams.flows);
  }
  get answers(): string[] {
    return this.socket.sent.map(({ payload, to }) => `${payload.length} to ${to}`);
  }
}

Deno.test("UdpPort answers each viewer by its own flow, and by address and port", async () => {
  const world = new World();
  const agent = world.agent();
  world.send(1, "198.51.100.7:5000");
  world.send(2, "198.51.100.7:5001");
  world.send(3, "198.51.100.8:5000");
  world.send(4, "198.51.100.7:5000");
  await agent.settle();
  assert.deepEqual(agent.flows.map(({ received }) => received), [[1, 4], [2], [3]]);
  assert.deepEqual(world.answers.toSorted(), [
    "1 to 198.51.100.7:5000",
    "2 to 198.51.100.7:5001",
    "3 to 198.51.100.8:5000",
    "4 to 198.51.100.7:5000",
  ]);
  assert.equal(agent.session.requests, 3);
  const { series } = world.port;
  assert.deepEqual([series.bytesIn, series.bytesOut, series.datagrams.in, series.datagrams.out], [
    10,
    10,
    4,
    4,
  ]);
});

Deno.test("UdpFlow ends after 30 s of silence in both directions, and leaves nothing behind", async () => {
  const world = new World();
  const agent = world.agent();
  world.send(10);
  await agent.settle();
  await world.clock.advanceAsync(29_000);
  world.send(10); // a datagram of the viewer refreshes
  await agent.settle();
  await world.clock.advanceAsync(29_000);
  agent.flows[0].flow.push(new Uint8Array(5)); // and one to it
  await agent.settle();
  await world.clock.advanceAsync(29_000);
  assert.equal(world.port.flows, 1);
  await world.clock.advanceAsync(1_500);
  await agent.settle();
  assert.equal(world.port.flows, 0);
  assert.equal(agent.flows[0].over, "idle_timeout");
  assert.deepEqual(world.results, { answered: 1 });
  assert.deepEqual([world.table.size, world.deadlines.size, world.budget.datagrams], [0, 0, 0]);
  assert.equal(agent.muxes.b.mux.openStreams, 0);
  world.send(10); // comes back as another flow
  await agent.settle();
  assert.equal(agent.flows.length, 2);
});

Deno.test("UdpFlow ends after 2 min without a datagram of the viewer, however much it is sent", async () => {
  const world = new World();
  const agent = world.agent();
  world.send(10);
  world.send(10);
  await agent.settle();
  for (let seconds = 0; seconds < 115; seconds += 5) {
    await world.clock.advanceAsync(5_000);
    agent.flows[0].flow.push(new Uint8Array(5));
    await agent.settle();
  }
  assert.equal(world.port.flows, 1);
  world.send(10); // still there
  for (let seconds = 0; seconds < 125; seconds += 5) {
    agent.flows[0].flow.push(new Uint8Array(5));
    await agent.settle();
    await world.clock.advanceAsync(5_000);
  }
  assert.equal(world.port.flows, 0);
  assert.deepEqual(world.results, { answered: 1 });
});

Deno.test("UdpFlow ends after the time that the service's rules say", async () => {
  const world = new World();
  const guard = world.guard();
  guard.adopt({ revision: 1, value: JSON.stringify({ udp_idle_seconds: 5 }) });
  const agent = world.agent(guard);
  world.send(10);
  await agent.settle();
  await world.clock.advanceAsync(4_500);
  assert.equal(world.port.flows, 1);
  await world.clock.advanceAsync(1_000);
  assert.equal(world.port.flows, 0);
});

Deno.test("UdpPort drops while no agent is there, and opens flows when one is: offline", async () => {
  const world = new World();
  world.send(10);
  assert.deepEqual(world.drops, { offline: 1 });
  const agent = world.agent();
  world.send(11);
  await agent.settle();
  assert.deepEqual(agent.flows.map(({ received }) => received), [[11]]);
  agent.muxes.b.mux.abandon("channel_lost");
  agent.state = "closed";
  assert.deepEqual(world.results, { lost: 1 });
  assert.deepEqual([world.port.flows, world.table.size, world.deadlines.size], [0, 0, 0]);
  world.send(12);
  assert.deepEqual(world.drops, { offline: 2 });
  world.sessions.retire(agent.session);
  const next = world.agent();
  world.send(13);
  await next.settle();
  assert.deepEqual(next.flows.map(({ received }) => received), [[13]]);
});

Deno.test("UdpPort moves a flow to another session when its own is about to end", async () => {
  const world = new World();
  const old = world.agent();
  world.send(1);
  world.send(2);
  await old.settle();
  old.state = "draining";
  world.sessions.retire(old.session);
  world.port.retire(old.session);
  world.send(3); // nobody else is there: the old one still answers
  await old.settle();
  assert.deepEqual(old.flows.map(({ received }) => received), [[1, 2, 3]]);
  const next = world.agent();
  next.answer = () => [60_000]; // what was heard of the viewer is not forgotten
  world.send(4);
  await old.settle();
  await next.settle();
  assert.equal(old.flows[0].over, "draining");
  assert.deepEqual(next.flows.map(({ received }) => received), [[4]]);
  assert.equal(world.port.flows, 1);
  assert.deepEqual(world.answers.at(-1), "60000 to 198.51.100.7:5000");
});

Deno.test("UdpPort.retire() ends quiet flows after a second, so that no drain waits for them", async () => {
  const world = new World();
  const agent = world.agent();
  world.send(1);
  await agent.settle();
  agent.state = "draining";
  world.port.retire(agent.session);
  await world.clock.advanceAsync(1_500);
  await agent.settle();
  assert.equal(world.port.flows, 0);
  assert.equal(agent.muxes.b.mux.openStreams, 0);
});

Deno.test("UdpFlow bounds answers to a viewer that has sent once to 20 times its bytes, headers included: amplification", async () => {
  const world = new World();
  const agent = world.agent();
  agent.answer = () => [1_232, 1_232];
  world.send(40); // 68 bytes with headers: 1,360 may go back
  await agent.settle();
  assert.deepEqual(world.answers, ["1232 to 198.51.100.7:5000"]);
  assert.deepEqual(world.drops, { amplification: 1 });
  world.send(40); // a second one: somebody is there
  await agent.settle();
  assert.equal(world.answers.length, 3);
  const unbounded = new World({ udp_amplification: "0" });
  const other = unbounded.agent();
  other.answer = () => [60_000];
  unbounded.send(0);
  await other.settle();
  assert.equal(unbounded.answers.length, 1);
});

Deno.test("UdpPort limits new flows of a service in a second: flow_rate", async () => {
  const world = new World({ "limits.udp_flows_per_second": "10" });
  const agent = world.agent();
  for (let n = 0; n < 15; n++) world.send(1, `198.51.100.7:${1_000 + n}`);
  assert.deepEqual(world.drops, { flow_rate: 5 });
  world.send(1, "198.51.100.7:1000"); // an open flow is not concerned
  await world.clock.advanceAsync(1_000);
  for (let n = 0; n < 15; n++) world.send(1, `198.51.100.7:${2_000 + n}`);
  assert.deepEqual(world.drops, { flow_rate: 10 });
  await agent.settle();
  assert.equal(world.port.flows, 20);
});

Deno.test("UdpPort bounds flows of one address, and all flows by evicting those that sent once", async () => {
  const world = new World({ "limits.max_udp_flows": "4", "limits.max_udp_flows_per_address": "2" });
  const agent = world.agent();
  for (const viewer of ["198.51.100.1:1", "198.51.100.1:2", "198.51.100.1:3"]) world.send(1, viewer);
  assert.deepEqual(world.drops, { address_limit: 1 });
  for (const viewer of ["198.51.100.2:1", "198.51.100.3:1", "198.51.100.4:1"]) world.send(1, viewer);
  await agent.settle();
  assert.equal(world.port.flows, 4);
  assert.deepEqual(world.results, { evicted: 1 });
  assert.equal(agent.muxes.b.mux.openStreams, 4);
});

Deno.test("UdpPort refuses viewers by the lists of the edge and of the service, and asks again when these change", async () => {
  const world = new World({ "access.deny": "203.0.113.0/24" });
  const guard = world.guard();
  const agent = world.agent(guard);
  world.send(1, "203.0.113.5:1");
  assert.deepEqual(world.drops, { address_denied: 1 });
  world.send(1);
  await agent.settle();
  assert.equal(world.port.flows, 1);
  guard.adopt({ revision: 1, value: JSON.stringify({ deny: ["198.51.100.0/24"] }) });
  world.send(1);
  await agent.settle();
  assert.equal(world.port.flows, 0);
  assert.deepEqual(world.drops, { address_denied: 2 });
  guard.adopt({ revision: 2, value: JSON.stringify({ rate: { per_second: 1, burst: 1 } }) });
  world.send(1);
  world.send(1, "198.51.100.7:5001");
  assert.deepEqual(world.drops, { address_denied: 2, service_rate: 1 });
});

Deno.test("UdpPort survives what the system does not take, and tells once a minute what it drops", async () => {
  const world = new World();
  const agent = world.agent();
  world.socket.fails = true;
  for (let n = 0; n < 5; n++) world.send(1);
  await agent.settle();
  assert.deepEqual(world.drops, { send_failed: 5 });
  assert.deepEqual(world.logged.filter((event) => event === "udp datagrams dropped").length, 1);
  world.socket.fails = false;
  world.send(1);
  await agent.settle();
  assert.equal(world.answers.length, 1);
});

Deno.test("UdpPort holds what a flood leaves waiting to its flow and to all flows together", async () => {
  const world = new World({
    "limits.udp_flows_per_second": "100000",
    "limits.max_udp_flows_per_address": "100000",
  });
  const agent = world.agent();
  for (let viewer = 0; viewer < 200; viewer++) {
    for (let n = 0; n < 10; n++) world.send(60_000, `198.51.100.7:${1_000 + viewer}`);
  }
  assert.ok(world.budget.bytes <= 16_777_216, `${world.budget.bytes} bytes wait`);
  const { flow_queue, total_queue } = world.drops;
  assert.ok(flow_queue > 0 && total_queue > 0);
  await agent.settle();
  assert.deepEqual([world.budget.bytes, world.budget.datagrams], [0, 0]);
});

Deno.test("UdpPort.close() ends all flows and the socket", async () => {
  const world = new World();
  const agent = world.agent();
  for (const viewer of ["198.51.100.1:1", "198.51.100.2:1"]) world.send(1, viewer);
  world.port.close();
  await agent.settle();
  assert.ok(world.socket.closed);
  assert.deepEqual([world.table.size, world.deadlines.size, agent.muxes.b.mux.openStreams], [0, 0, 0]);
});
