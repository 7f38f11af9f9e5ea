/** Failures that the control plane answers with, as problem documents. */
import type { ErrorFacts } from "../error.ts";

export const CONTROL_ERRORS = {} as const satisfies Record<string, ErrorFacts>;
