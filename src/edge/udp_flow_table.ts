/**
 * What all udp flows of this edge may be together. A sender's address may be made up, so a flow that has sent one datagram
 * only is worth little: when the table is full the oldest of those makes room. Flows that have sent more are never evicted.
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
  /** Ends the flow, which then removes itself. */
  evict(): void;
}

export class UdpFlowTable {
  readonly #limits: UdpFlowLimits;
  readonly #byNetwork = new Map<string, number>();
  /** Those that have sent once, oldest first. */
  readonly #unconfirmed = new Set<TabledFlow>();
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

  /** Why there is no room for one more flow of the network; undefined when there is, or when it was made. */
  refuses(network: string): DatagramDrop | undefined {
    if ((this.#byNetwork.get(network) ?? 0) >= this.#limits.maxFlowsPerAddress) return "address_limit";
    if (this.#size < this.#limits.maxFlows) return undefined;
    const [oldest] = this.#unconfirmed;
    if (oldest === undefined) return "flow_limit";
    oldest.evict();
    return undefined;
  }

  add(flow: TabledFlow): void {
    this.#size++;
    this.#byNetwork.set(flow.network, (this.#byNetwork.get(flow.network) ?? 0) + 1);
    this.#unconfirmed.add(flow);
  }

  /** The viewer has sent more than once. */
  confirm(flow: TabledFlow): void {
    this.#unconfirmed.delete(flow);
  }

  /** Call once for each that was added. */
  remove(flow: TabledFlow): void {
    this.#size--;
    this.#unconfirmed.delete(flow);
    const rest = this.#byNetwork.get(flow.network)! - 1;
    if (rest === 0) this.#byNetwork.delete(flow.network);
    else this.#byNetwork.set(flow.network, rest);
  }
}
