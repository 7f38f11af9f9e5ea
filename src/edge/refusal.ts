/** Why a viewer is not served, and what the answer says besides. */
import type { ErrorCode } from "../errors/mod.ts";
import type { Header } from "../http1/mod.ts";
import type { Random } from "../ports/mod.ts";

export interface Refusal {
  readonly code: ErrorCode;
  readonly headers: readonly Header[];
}

/** `Retry-After` in whole seconds (RFC 9110 10.2.3). */
export function retryAfter(waitMs: number): Header {
  return ["Retry-After", String(Math.max(1, Math.ceil(waitMs / 1_000)))];
}

/** 32 bits that nobody outside knows. */
export function seedOf(random: Random): number {
  const [a, b, c, d] = random(4);
  return (a << 24) | (b << 16) | (c << 8) | d;
}
