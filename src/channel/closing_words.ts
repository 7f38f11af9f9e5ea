/** What the two sides say to each other about the end of a channel, and what is made of it. */
import { utf8 } from "../bytes/mod.ts";
import { codeOf, isErrorCode, PosternError } from "../errors/mod.ts";
import type { ResetReason } from "../wire/mod.ts";
import { refusal } from "./handshake.ts";

/** Payload of our CLOSE. */
export function closePayload(error: PosternError | undefined): Uint8Array {
  return utf8(error === undefined ? "" : codeOf(error));
}

/** What the peer's CLOSE means; undefined for a clean end. @param wasEstablished whether the edge had accepted the channel */
export function peersReason(payload: Uint8Array, wasEstablished: boolean): PosternError | undefined {
  if (payload.length === 0) return undefined;
  const code = String.fromCharCode(...payload); // peer text, at most 64 bytes
  if (isErrorCode(code)) return new PosternError(code, undefined, { detail: { by: "peer" } });
  // A reason that this version does not know must not end the agent of a newer edge for good.
  return wasEstablished ? new PosternError("peer_closed") : refusal(code);
}

/** The carrier ended without a CLOSE. @param hint see `Channel.carrierEnded` */
export function carrierLost(hint: string | undefined): PosternError {
  const said = hint !== undefined && isErrorCode(hint) ? hint : undefined;
  const why = said === undefined ? "" : `, saying ${said}`;
  return new PosternError("peer_closed", `Cannot go on: the peer closed the connection${why}`, {
    detail: said === undefined ? {} : { said },
  });
}

/** What the users of open streams are told when their channel ends. */
export function cutReason(error: PosternError | undefined): ResetReason {
  if (error?.code === "session_fenced") return "fenced";
  return error?.code === "drain_deadline" ? "deadline" : "channel_lost";
}
