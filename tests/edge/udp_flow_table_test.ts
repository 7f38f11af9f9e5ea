import assert from "node:assert/strict";
import { type TabledFlow, UdpFlowTable } from "../../src/edge/udp_flow_table.ts";

class Flow implements TabledFlow {
  evicted = false;
  constructor(readonly table: UdpFlowTable, readonly network: string, readonly port: number) {}

  evict(): void {
    this.evicted = true;
    this.table.remove(this);
  }
}

function add(table: UdpFlowTable, network: string, port = 53): Flow | string {
  const refused = table.refuses(network, port);
  if (refused !== undefined) return refused;
  const flow = new Flow(table, network, port);
  table.add(flow);
  return flow;
}

Deno.test("UdpFlowTable holds the limit of each address, whatever others have: address_limit", () => {
  const table = new UdpFlowTable({ maxFlows: 10, maxFlowsPerAddress: 2 });
  const [first] = [add(table, "a"), add(table, "a")];
  assert.equal(add(table, "a"), "address_limit");
  assert.ok(add(table, "b") instanceof Flow);
  table.remove(first as Flow);
  assert.ok(add(table, "a") instanceof Flow);
});

Deno.test("UdpFlowTable evicts the oldest flow of the port that has sent once, never one that has sent more: flow_limit", () => {
  const table = new UdpFlowTable({ maxFlows: 3, maxFlowsPerAddress: 10 });
  const flows = ["a", "b", "c"].map((network) => add(table, network) as Flow);
  table.confirm(flows[0]);
  const next = add(table, "d") as Flow;
  assert.deepEqual(flows.map(({ evicted }) => evicted), [false, true, false]);
  for (const flow of [flows[2], next]) table.confirm(flow);
  assert.equal(add(table, "e"), "flow_limit");
  assert.deepEqual([table.size, table.networks], [3, 3]);
});

Deno.test("UdpFlowTable forgets addresses with their last flow", () => {
  const table = new UdpFlowTable({ maxFlows: 1_000, maxFlowsPerAddress: 1 });
  const flows = Array.from({ length: 1_000 }, (_, n) => add(table, `network ${n}`) as Flow);
  for (const flow of flows) table.remove(flow);
  assert.deepEqual([table.size, table.networks], [0, 0]);
});

Deno.test("UdpFlowTable lets a port with fewer flows take the oldest of the port with most, until both have as many", () => {
  const table = new UdpFlowTable({ maxFlows: 6, maxFlowsPerAddress: 10 });
  const flows = Array.from({ length: 6 }, (_, n) => add(table, `network ${n}`, 1) as Flow);
  for (const flow of flows.slice(0, 5)) table.confirm(flow);
  const others: (Flow | string)[] = [];
  for (let n = 0; n < 3; n++) {
    const other = add(table, `other ${n}`, 2);
    if (other instanceof Flow) table.confirm(other);
    others.push(other);
  }
  assert.deepEqual(flows.map(({ evicted }) => evicted), [true, true, false, false, false, true]);
  assert.ok(others.every((other) => other instanceof Flow && !other.evicted));
  assert.equal(add(table, "more", 1), "flow_limit");
  assert.equal(add(table, "more", 2), "flow_limit");
  assert.ok(add(table, "third", 3) instanceof Flow);
  assert.equal(table.size, 6);
});
