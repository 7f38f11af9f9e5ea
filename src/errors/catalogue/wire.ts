/** Failures of records and frames from a peer. */
import type { ErrorFacts } from "../error.ts";

export const WIRE_ERRORS = {} as const satisfies Record<string, ErrorFacts>;
