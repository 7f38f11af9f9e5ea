/** Failures of command lines, environment and configuration files. */
import type { ErrorFacts } from "../error.ts";

export const CONFIG_ERRORS = {} as const satisfies Record<string, ErrorFacts>;
