/** What the three handshake messages and the CONTROL frames carry besides keys: small JSON objects, strictly checked. */
import { z } from "zod";
import { base64Url32, maxTokenChars } from "../identity/mod.ts";
import { utf8, utf8Decode } from "../bytes/mod.ts";
import { type ErrorCode, PosternError } from "../errors/mod.ts";
import type { OfferMessage } from "./offers.ts";
import type { Introduction } from "./private_messages.ts";
import type { ReauthDone, ReauthProofMessage, ReauthRequest } from "./reauth_messages.ts";

/** Longest JSON text of one payload. */
export const MAX_PAYLOAD_BYTES = 12_288;

const token = z.string().min(16).max(maxTokenChars);
const code = z.string().min(1).max(64).regex(/^[a-z0-9_]+$/);
const version = z.string().max(64);

/** Message 1, agent to edge. Sealed to the edge's static key; the agent is still unknown. */
export const stage0Payload = z.strictObject({ token, agent_version: version });
export type Stage0Payload = z.infer<typeof stage0Payload>;

/** Message 2, edge to agent: the challenge, or why there is none. */
export const challengePayload = z.union([
  z.strictObject({
    session_nonce: base64Url32,
    expires_in_ms: z.int().min(1).max(600_000),
    edge_id: z.string().min(1).max(128),
    edge_version: version,
  }),
  z.strictObject({ error: code }),
]);
export type ChallengePayload = z.infer<typeof challengePayload>;

/** Most channels that one agent may have side by side for one service. */
export const MAX_CARRIERS = 8;

/** One of the channels that an agent has side by side for one service: which run of the agent, and which of them. */
const carrierPlace = z.strictObject({
  /** 16 random bytes, drawn when the agent starts; base64url. */
  group: z.string().regex(/^[A-Za-z0-9_-]{22}$/),
  index: z.int().min(0).max(MAX_CARRIERS - 1),
});
export type CarrierPlace = z.infer<typeof carrierPlace>;

/**
 * Message 3, agent to edge: the proof, the session that this one takes over in an orderly way, and its place among the
 * agent's other channels for the service, when there are any.
 */
export const stage1Payload = z.strictObject({
  token,
  replaces: z.string().min(1).max(128).optional(),
  carrier: carrierPlace.optional(),
});
export type Stage1Payload = z.infer<typeof stage1Payload>;

/** CONTROL `ready`, edge to agent: the channel is registered. */
export const readyMessage = z.strictObject({
  type: z.literal("ready"),
  session_id: z.string().min(1).max(128),
  services: z.array(z.strictObject({
    id: z.int().min(0).max(65_535),
    urls: z.array(z.string().max(512)).max(128),
    /** What streams of it have to be; told on private channels. */
    kind: z.enum(["http", "tcp", "udp"]).optional(),
  })).max(64),
  heartbeat_ms: z.int().min(100).max(3_600_000),
  offline_ms: z.int().min(200).max(3_600_000),
  /** Time until the agent is asked to prove itself again at the earliest; told to agents that said that they can. */
  reauth_ms: z.int().min(1).max(604_800_000).optional(),
});
export type ReadyMessage = z.infer<typeof readyMessage>;

/** Bytes of a payload. */
export function encodePayload(
  payload:
    | Stage0Payload
    | ChallengePayload
    | Stage1Payload
    | ReadyMessage
    | ReauthRequest
    | ReauthProofMessage
    | ReauthDone
    | OfferMessage
    | Introduction,
): Uint8Array {
  return utf8(JSON.stringify(payload));
}

/**
 * Parses peer bytes against a schema.
 * @throws PosternError `code`, which says in which exchange the payload was malformed
 */
export function decodePayload<T>(schema: z.ZodType<T>, bytes: Uint8Array, code: ErrorCode): T {
  if (bytes.length > MAX_PAYLOAD_BYTES) {
    throw new PosternError(code, `Cannot read payload: ${bytes.length} bytes are over ${MAX_PAYLOAD_BYTES}`);
  }
  let value: unknown;
  try {
    value = JSON.parse(utf8Decode(bytes));
  } catch {
    throw new PosternError(code, "Cannot read payload: it is no JSON text");
  }
  const result = schema.safeParse(value);
  if (!result.success) {
    const where = result.error.issues[0]?.path.join(".") ?? "";
    throw new PosternError(code, `Cannot read payload: ${JSON.stringify(where).slice(0, 80)} does not fit`);
  }
  return result.data;
}
