/** Failures of HTTP/1.1 messages. */
import type { ErrorFacts } from "../error.ts";

export const HTTP_ERRORS = {} as const satisfies Record<string, ErrorFacts>;
