/** Channels between nodes over mutual TLS: heartbeats, echoes, trust and renewal. One end hosts, the other one calls. */
export { type HostedNode, HostedNodes, type HostedNodesOptions } from "./hosted_nodes.ts";
export type { NodeFacts, NodeTimes } from "./hosted_node.ts";
export { type HostMessage, type TunnelerReport } from "./messages.ts";
export { NodeCaller, type NodeCallerOptions } from "./node_caller.ts";
export type { NodeLink } from "./node_link.ts";
export { type NodeRefusal, RefusalBook } from "./refusal_book.ts";
export { type RenewalLoopOptions, startRenewalLoop } from "./renewal_loop.ts";
export { takeTrust } from "./taken_trust.ts";
