/** The edge: public entry for viewers, end of the agents' channels. */
export { Edge, type EdgeOptions, type RegistryParts, type ServicePorts } from "./edge.ts";
export type { EdgePlane } from "./plane.ts";
export type { KnownRoute } from "./context.ts";
export { tlsRoute } from "./routes.ts";
export {
  type AdmittedAgent,
  type AgentRegistry,
  LocalRegistry,
  type Registration,
  type TokenGate,
} from "./agent_registry.ts";
export type { AttestationDesk } from "./attestation_desk.ts";
export { AgentSession, type SessionChannel, type SessionPump } from "./agent_session.ts";
export { offerToAgent, type PrivateOfferTaken } from "./private_offers.ts";
export { Guards } from "./guards.ts";
export { Sessions } from "./sessions.ts";
export { type EdgeStatus, type RelayedStatus, relayedStatus, type SessionStatus } from "./status.ts";
export {
  type AttachGate,
  type AttachRefusal,
  type AttachRequest,
  type EdgeRelay,
  type RelayedChannel,
  RelayGate,
} from "./relay.ts";
