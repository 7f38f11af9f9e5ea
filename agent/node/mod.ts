/** Connectors and tunnelers: agents that reach each other by mutual TLS. */
export { startConnector } from "./connector.ts";
export { type NodeDeps, type RunningNode } from "./node_runner.ts";
export { startTunneler } from "./tunneler.ts";
