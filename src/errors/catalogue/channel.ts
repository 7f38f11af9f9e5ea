/** Failures of the channel: handshake stages, liveness, drain, fencing. */
import type { ErrorFacts } from "../error.ts";

export const CHANNEL_ERRORS = {
  internal_error: {
    title: "Internal error",
    blame: "local",
    retryable: true,
    status: 500,
    exit: 1,
    cause: "Postern met a state that it does not expect. This is a bug.",
    remedy: "Look for the log line with the same request id and report it.",
  },
} as const satisfies Record<string, ErrorFacts>;
