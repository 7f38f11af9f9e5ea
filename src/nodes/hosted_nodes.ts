/** A port for nodes with the channels that stand on it: one for each node, the newest. */
import { type ExpectedPeer, MutualTlsListener, type NodeIdentity } from "../driver/tls/mod.ts";
import type { Clock, Log, Random } from "../ports/mod.ts";
import { HostedNode, type HostedNodeOptions } from "./hosted_node.ts";
import type { HostMessage } from "./messages.ts";

export { type HostedNode };

/** Codes by which a peer that proved who it was does not count any more. */
const refusedCode = /^(peer|revocations)_/;

export interface HostedNodesOptions extends
  Pick<
    HostedNodeOptions,
    | "times"
    | "tunnelersOf"
    | "onEcho"
    | "onTunnelerEcho"
    | "onHeartbeat"
    | "onRefusals"
    | "onRelayedEcho"
    | "renew"
    | "onRenewed"
    | "onRenewal"
  > {
  readonly listen: { readonly host: string; readonly port: number };
  readonly identity: NodeIdentity;
  readonly expected: ExpectedPeer;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly maxNodes: number;
  readonly onHandshake: (result: string) => void;
  /** Whoever was not let in, or was cut since it does not count any more; `claimed` is proved by nobody before the channel. */
  readonly onRefused?: (code: string, address: string, claimed: string | undefined) => void;
  readonly onEstablished?: (node: HostedNode) => void;
}

export class HostedNodes {
  readonly #options: HostedNodesOptions;
  readonly #listener: MutualTlsListener;
  /** Established ones, by SPIFFE id. */
  readonly #nodes = new Map<string, HostedNode>();
  #isClosing = false;

  /** Listens when it returns. Throws `listen_failed`. */
  constructor(options: HostedNodesOptions) {
    this.#options = options;
    const { listen, identity, clock, log, expected, maxNodes, onHandshake, onRefused } = options;
    // Policy is asked when a node has said hello: it is told that it is not approved.
    const { policy: _policy, ...proof } = expected;
    this.#listener = new MutualTlsListener({
      listen,
      identity,
      clock,
      log,
      expected: proof,
      maxConnections: maxNodes,
      onHandshake,
      ...(onRefused === undefined ? {} : { onRefused }),
      onConnection: async (connection, address) => {
        const node: HostedNode = new HostedNode({
          ...options,
          connection,
          onEstablished: (one) => this.#established(one),
        });
        const code = await node.serve();
        const { spiffeId } = node.peer;
        const isKnown = this.#nodes.get(spiffeId) === node;
        if (isKnown) this.#nodes.delete(spiffeId);
        const isRefused = refusedCode.test(code);
        if (isRefused) {
          onHandshake(code);
          onRefused?.(code, address, spiffeId);
        }
        const level = code === "ok" || this.#isClosing ? "info" : "warn";
        log(level, isRefused && node.facts === undefined ? "node refused" : "node channel ended", {
          node: spiffeId,
          code,
        });
      },
    });
  }

  get port(): number {
    return this.#listener.port;
  }

  get all(): readonly HostedNode[] {
    return [...this.#nodes.values()];
  }

  byId(id: string): HostedNode | undefined {
    return this.all.find(({ peer }) => peer.id === id);
  }

  /** Policy changed: all are judged again, and those who may not be here any more are cut. */
  judge(): void {
    for (const node of this.#nodes.values()) node.judge();
  }

  broadcast(message: HostMessage): void {
    for (const node of this.#nodes.values()) node.send(message);
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    const open = this.all;
    for (const node of open) node.end("node_host_stopping");
    await Promise.all(open.map(({ told }) => told));
    await this.#listener.close();
  }

  /** A new proven channel takes the place of an older one at once: nothing waits for a dead socket. */
  #established(node: HostedNode): void {
    const { spiffeId } = node.peer;
    const before = this.#nodes.get(spiffeId);
    this.#nodes.set(spiffeId, node);
    before?.end("node_replaced");
    this.#options.log("info", "node channel established", { node: spiffeId, version: node.facts?.version });
    this.#options.onEstablished?.(node);
  }
}
