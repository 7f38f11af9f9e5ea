/** Request ids: what ties the lines of viewer, edge, agent and origin together. */
import { toHex } from "../bytes/mod.ts";
import type { Random } from "../ports/mod.ts";

/** 16 random bytes: unique without coordination, and useless for guessing anything. */
const requestIdBytes = 16;

/** Header that carries the id, lower case. */
export const requestIdHeader = "x-request-id";

/** Longest id that is taken over from a trusted proxy in front. */
const maxForeignChars = 64;

/** A fresh id: 32 hex digits, also a valid W3C trace id. */
export function newRequestId(random: Random): string {
  return toHex(random(requestIdBytes));
}

/** The id that a trusted proxy sent when it is harmless as text, a fresh one otherwise. */
export function requestIdFrom(sent: string | null, random: Random): string {
  const usable = sent !== null && sent.length >= 8 && sent.length <= maxForeignChars &&
    /^[A-Za-z0-9._-]+$/.test(sent);
  return usable ? sent : newRequestId(random);
}
