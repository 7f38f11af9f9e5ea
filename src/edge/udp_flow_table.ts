/**
 * What all udp flows of this edge may be together. A sender's address may be made up, so a flow that has sent one datagram
 * only is worth little: when the table is full the oldest of those makes room, within the port. A port that has fewer flows
 * than another takes one of that: so that no service, whoever its viewers are, keeps the table from all others.
 */
import type { DatagramDrop } from "../driver/mod.ts";

export interface UdpFlowLimits {
  readonly maxFlows: number;
  readonly maxFlowsPerAddress: number;
}

/** What the table knows of a flow. */
export interface TabledFlow {
  /** Who counts as one client: an IPv4 address, an IPv6 /64. */
  readonly network: string;
  /** The public port that it came in at. */
  readonly port: number;
  /** Ends the flow, which then removes itself. */
  evict(): void;
}

/** Flows of one port, oldest first. */
class PortFlows {
  /** Those that have sent once. */
  readonly unconfirmed = new Set<TabledFlow>();
  readonly confirmed = new Set<TabledFlow>();

  get size(): number {
    return this.unconfirmed.size + this.confirmed.size;
  }
}

const NO_FLOWS = new PortFlows();

export class UdpFlowTable {
  readonly #limits: UdpFlowLimits;
  readonly #byNetwork = new Map<string, number>();
  readonly #byPort = new Map<number, PortFlows>();
  #size = 0;

  constructor(limits: UdpFlowLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#size;
  }
  /** Addresses that have flows. */
  get networks(): number {
    return this.#byNetwork.size;
  }

  /** Why there is no room for one more flow of the network at the port; undefined when there is, or when it was made. */
  refuses(network: string, port: number): DatagramDrop | undefined {
    if ((this.#byNetwork.get(network) ?? 0) >= this.#limits.maxFlowsPerAddress) return "address_limit";
    if (this.#size < this.#limits.maxFlows) return undefined;
    const evicted = this.#leastWorth(this.#byPort.get(port) ?? NO_FLOWS);
    if (evicted === undefined) return "flow_limit";
    evicted.evict();
    return undefined;
  }

  add(flow: TabledFlow): void {
    this.#size++;
    this.#byNetwork.set(flow.network, (this.#byNetwork.get(flow.network) ?? 0) + 1);
    let ofPort = this.#byPort.get(flow.port);
    if (ofPort === undefined) this.#byPort.set(flow.port, ofPort = new PortFlows());
    ofPort.unconfirmed.add(flow);
  }

  /** The viewer has sent more than once. */
  confirm(flow: TabledFlow): void {
    const ofPort = this.#byPort.get(flow.port);
    if (ofPort?.unconfirmed.delete(flow)) ofPort.confirmed.add(flow);
  }

  /** Call once for each that was added. */
  remove(flow: TabledFlow): void {
    this.#size--;
    const ofPort = this.#byPort.get(flow.port)!;
    if (!ofPort.unconfirmed.delete(flow)) ofPort.confirmed.delete(flow);
    if (ofPort.size === 0) this.#byPort.delete(flow.port);
    const rest = this.#byNetwork.get(flow.network)! - 1;
    if (rest === 0) this.#byNetwork.delete(flow.network);
    else this.#byNetwork.set(flow.network, rest);
  }

  /** The flow that goes for one more of a port that has `own`. Looks at every port: only for a new flow in a full table. */
  #leastWorth(own: PortFlows): TabledFlow | undefined {
    let most = own;
    for (const ofPort of this.#byPort.values()) if (ofPort.size > most.size) most = ofPort;
    // Of two that have as many, none takes from the other what it would lose again.
    if (most.size <= own.size + 1) return first(own.unconfirmed);
    return first(most.unconfirmed) ?? first(most.confirmed);
  }
}

function first(flows: ReadonlySet<TabledFlow>): TabledFlow | undefined {
  const [flow] = flows;
  return flow;
}
