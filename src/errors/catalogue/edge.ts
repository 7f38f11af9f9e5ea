/** Failures that a viewer sees, and those of the edge's listeners and routes. */
import type { ErrorFacts } from "../error.ts";

export const EDGE_ERRORS = {} as const satisfies Record<string, ErrorFacts>;
