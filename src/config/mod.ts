/** Configuration: settings with their defaults, the file, and how flags, environment and file are merged. Pure. */
export { type Address, formatAddress, isLoopbackHost, parseAddress, type PortRange } from "./address.ts";
export { type AgentConfig, agentSettings, type ServiceConfig, serviceSettings } from "./agent.ts";
export { type EdgeConfig, edgeSettings, publicUrlOf } from "./edge.ts";
