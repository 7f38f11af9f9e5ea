/** The edge: public entry for viewers, end of the agents' channels. */
export { Edge, type EdgeOptions } from "./edge.ts";
export type { KnownRoute } from "./context.ts";
export { tlsRoute } from "./routes.ts";
export type { TokenGate } from "./agent_gate.ts";
export type { EdgeStatus, SessionStatus } from "./status.ts";
