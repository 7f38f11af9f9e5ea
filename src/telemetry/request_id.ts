/** Request ids: what ties the lines of viewer, edge, agent and origin together. */
import { toHex } from "../bytes/mod.ts";
import type { Random } from "../ports/mod.ts";

/** 16 random bytes: unique without coordination, and useless for guessing anything. */
const requestIdBytes = 16;

/** Ids that one draw of random bytes lasts for: a system call for each would cost as much as parsing a head. */
const idsOfDraw = 256;

/** A fresh id: 32 hex digits, also a valid W3C trace id. */
export function newRequestId(random: Random): string {
  return toHex(random(requestIdBytes));
}

/** Fresh ids as {@link newRequestId} makes them, for who needs thousands a second. */
export function requestIds(random: Random): () => string {
  let drawn = new Uint8Array(0);
  let at = 0;
  return () => {
    if (at === drawn.length) {
      drawn = random(requestIdBytes * idsOfDraw);
      at = 0;
    }
    return toHex(drawn.subarray(at, at += requestIdBytes));
  };
}
