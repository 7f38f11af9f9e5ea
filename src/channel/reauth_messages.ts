/** CONTROL messages of a channel that stands: the edge asks, the agent proves, the edge is content. */
import { z } from "zod";
import { fromBase64Url } from "../bytes/mod.ts";
import { base64Url32, maxTokenChars } from "../identity/mod.ts";

/** Canonical base64url without padding. */
const base64UrlOf = (bytes: number) =>
  z.string().length(Math.ceil(bytes * 4 / 3)).refine((text) => {
    try {
      return fromBase64Url(text).length === bytes;
    } catch {
      return false;
    }
  });
/** From 1, in order: each round has its number, so that none is taken for another. */
const round = z.int().min(1).max(0xffff_ffff);

/** Edge to agent. */
const reauthRequest = z.strictObject({
  type: z.literal("reauth_request"),
  round,
  /** 32 bytes, never used before on this channel. */
  session_nonce: base64Url32,
  /** Time for the proof, from now on. */
  deadline_ms: z.int().min(1).max(3_600_000),
  /** Ephemeral X25519 key. */
  key: base64Url32,
  /** Ephemeral ML-KEM-768 key. */
  kem: base64UrlOf(1_184),
});
export type ReauthRequest = z.infer<typeof reauthRequest>;

/** Agent to edge. Behind the record that holds it, the agent seals with the new key. */
export const reauthProof = z.strictObject({
  type: z.literal("reauth_proof"),
  round,
  session_nonce: base64Url32,
  /** Stage 1 token that control issued for this round. */
  token: z.string().min(16).max(maxTokenChars),
  key: base64Url32,
  /** Ciphertext to the edge's ML-KEM-768 key. */
  kem: base64UrlOf(1_088),
});
export type ReauthProofMessage = z.infer<typeof reauthProof>;

/** Edge to agent: the proof holds. Behind the record that holds it, the edge seals with the new key. */
const reauthDone = z.strictObject({
  type: z.literal("reauth_done"),
  round,
  /** Time until the agent is asked again at the earliest; absent: never. */
  next_ms: z.int().min(1).max(604_800_000).optional(),
});
export type ReauthDone = z.infer<typeof reauthDone>;

/** What an edge may say to an agent. */
export const reauthQuestion = z.discriminatedUnion("type", [reauthRequest, reauthDone]);
