/** Why a viewer is not served, and what the answer says besides. */
import type { ErrorCode } from "../errors/mod.ts";
import type { Header } from "../http1/mod.ts";

export interface Refusal {
  readonly code: ErrorCode;
  readonly headers: readonly Header[];
}

/** `Retry-After` in whole seconds (RFC 9110 10.2.3). */
export function retryAfter(waitMs: number): Header {
  return ["Retry-After", String(Math.max(1, Math.ceil(waitMs / 1_000)))];
}
