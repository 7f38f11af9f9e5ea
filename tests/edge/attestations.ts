/** Attestations that all stand, with an authorizer that is well. */
import type { AttestationDesk } from "../../src/edge/mod.ts";

export const heldAttestations: AttestationDesk = {
  hold: () => Promise.resolve(true),
  step: () => Promise.resolve(true),
  defer: () => Promise.resolve(0),
  endDeferral: () => Promise.resolve(),
  deferralSpent: () => Promise.resolve(0),
  lost: () => {},
  isHealthy: () => Promise.resolve(true),
};
