/** Failures that the control plane answers with, as problem documents. */
import type { ErrorFacts } from "../error.ts";
import { ATTESTATION_ERRORS } from "./attestation.ts";
import { IDENTITY_ERRORS } from "./identity.ts";
import { STORE_ERRORS } from "./store.ts";

export const CONTROL_ERRORS = {
  ...IDENTITY_ERRORS,
  ...STORE_ERRORS,
  ...ATTESTATION_ERRORS,
} as const satisfies Record<string, ErrorFacts>;
