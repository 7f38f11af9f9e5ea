/** Failures of the WebSocket carrier (RFC 6455). */
import type { ErrorFacts } from "../error.ts";

export const WEBSOCKET_ERRORS = {} as const satisfies Record<string, ErrorFacts>;
