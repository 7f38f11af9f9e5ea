/** What re-authentication asks of the whole edge: what is remembered, and how whoever judges machines is. */
import type { AttestationHold, AttestationStep, Deferral } from "../ports/mod.ts";

/** All methods throw `store_*`, or `worker_unavailable`, when there is no answer. */
export interface AttestationDesk {
  /** A channel is about to stand by this attestation. False: it is over already. */
  hold(hold: Omit<AttestationHold, "holder">): Promise<boolean>;
  /** False: it is over already, or not known. */
  step(attestationId: string, step: AttestationStep): Promise<boolean>;
  /** Time that is granted; 0: none is left. */
  defer(deferral: Deferral): Promise<number>;
  endDeferral(tunnelId: string, agentId: string): Promise<void>;
  deferralSpent(tunnelId: string, agentId: string): Promise<number>;
  /** The agent did not prove itself for the tunnel in time, or at all: what else it has by that proof is over. Never throws. */
  lost(tunnelId: string, agentId: string): void;
  /** Whether the authorizer at this URI, which a verified token names, says that it is well. Never throws. */
  isHealthy(uri: string): Promise<boolean>;
}
