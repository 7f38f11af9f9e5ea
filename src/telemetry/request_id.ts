/** Request ids: what ties the lines of viewer, edge, agent and origin together. */
import { toHex } from "../bytes/mod.ts";
import type { Random } from "../ports/mod.ts";

/** 16 random bytes: unique without coordination, and useless for guessing anything. */
const requestIdBytes = 16;

/** A fresh id: 32 hex digits, also a valid W3C trace id. */
export function newRequestId(random: Random): string {
  return toHex(random(requestIdBytes));
}
