/**
 * Claims of the seven kinds of token. Times in claims are Unix seconds (RFC 7519 2, NumericDate).
 * Unknown claims are dropped: an older verifier must be able to read a newer token.
 */
import { z } from "zod";
import { fromBase64Url } from "../bytes/mod.ts";

/** Most hostnames, and most ports, that one token may carry. */
const maxTokenRoutes = 64;
/** Largest weight of a backend in weighted round robin. */
export const maxWeight = 1000;

function holdsBytes(text: string, bytes: number): boolean {
  try {
    return fromBase64Url(text).length === bytes;
  } catch {
    return false;
  }
}

/** base64url (no padding) of exactly 32 bytes. */
export const base64Url32 = z.string().regex(/^[A-Za-z0-9_-]{43}$/).refine((text) => holdsBytes(text, 32), {
  error: "must be base64url of 32 bytes without padding",
});

const numericDate = z.int().min(0).max(8_640_000_000_000);
const hostname = z.string().max(253).regex(
  /^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
);
const port = z.int().min(1).max(65_535);
const identifier = z.string().min(1).max(128).regex(/^[A-Za-z0-9._:@-]+$/);

const registered = {
  iss: z.string().min(1).max(256),
  aud: z.union([z.string().min(1).max(256), z.array(z.string().min(1).max(256)).min(1).max(16)]),
  iat: numericDate,
  exp: numericDate,
  nbf: numericDate.optional(),
  jti: z.string().regex(/^[A-Za-z0-9_-]{8,64}$/),
};

const routes = {
  hostnames: z.array(hostname).max(maxTokenRoutes),
  /** Hostnames whose TLS the edge passes on as it is. */
  tls_hostnames: z.array(hostname).max(maxTokenRoutes).default([]),
  tcp_ports: z.array(port).max(maxTokenRoutes),
  udp_ports: z.array(port).max(maxTokenRoutes).default([]),
  weight: z.int().min(1).max(maxWeight).default(1),
};

/** What carries a channel. `wss` stands for the WebSocket carrier, with or without TLS. */
export const transportSchema = z.enum(["wss", "quic", "tcp"]);
export type Transport = z.infer<typeof transportSchema>;

/** How well an agent's key is kept: in a TPM that was judged with its machine, or in a file. */
export const tierSchema = z.enum(["tpm", "bound-key"]);
export type Tier = z.infer<typeof tierSchema>;

/** Whether an agent of this tier may serve what demands the other one; what demands none takes all. */
export function satisfiesTier(tier: Tier, required: Tier | undefined): boolean {
  return required !== "tpm" || tier === "tpm";
}

/** What a tunnel publishes; `private`: nothing, its service is reached by private channels only. */
export const protocolSchema = z.enum(["http", "tcp", "tls", "udp", "private"]);
export type TunnelProtocol = z.infer<typeof protocolSchema>;

/** Stage 0: opens the handshake at an edge, before evidence. Single use; the edge consumes `jti`. */
export const stage0Schema = z.object({
  ...registered,
  ...routes,
  /** Tunnel id. */
  sub: identifier,
  protocol: protocolSchema,
  transports: z.array(transportSchema).max(3),
  /** Weakest tier of an agent that may serve the tunnel; absent: any. */
  require_tier: tierSchema.optional(),
  /** Longest time between stage 0 and a proven stage 1. */
  handshake_max_age_seconds: z.int().min(1).max(600),
});
export type Stage0Claims = z.infer<typeof stage0Schema>;

/** Stage 1: evidence was judged; valid for one channel only, the one it names. */
export const stage1Schema = z.object({
  ...registered,
  ...routes,
  /** Tunnel id. */
  sub: identifier,
  agent_id: identifier,
  /** The edge's challenge on that channel. */
  session_nonce: base64Url32,
  /** Noise handshake hash after message 2: the channel binding. */
  handshake_hash: base64Url32,
  /** The agent's Noise static public key. */
  agent_static: base64Url32,
  /** Absent: the agent is never asked again. */
  reauth_interval_seconds: z.int().min(1).max(86_400).optional(),
  reauth_grace_seconds: z.int().min(0).max(3_600).default(10),
  maintenance_grace_cap_seconds: z.int().min(0).max(86_400).default(1_800),
  authorizer_status_uri: z.string().max(2_048).refine((text) => URL.parse(text)?.protocol === "https:", {
    error: "must be an https URL",
  }).optional(),
  policy_version: z.string().min(1).max(128),
  /** When the evidence was judged. */
  issued_at_quote: numericDate,
  /** How well the agent's key is kept: `tpm`, or `bound-key`, which is weaker. */
  tier: tierSchema,
  /** Under this name control remembers the proof; absent when the agent is never asked again. */
  attestation_id: z.string().regex(/^[A-Za-z0-9_-]{8,64}$/).optional(),
  /**
   * Re-authentication messages that the agent says it can answer. One that cannot is asked to come again with a full
   * handshake instead, so an agent gains nothing by keeping quiet.
   */
  reauth_version: z.int().min(1).max(255).optional(),
});
export type Stage1Claims = z.infer<typeof stage1Schema>;

/** Reauth token: its holder may ask control for a challenge that renews the attestation that it names. */
export const reauthSchema = z.object({
  ...registered,
  /** Tunnel id. */
  sub: identifier,
  agent_id: identifier,
  attestation_id: z.string().regex(/^[A-Za-z0-9_-]{8,64}$/),
});
export type ReauthClaims = z.infer<typeof reauthSchema>;

const familyId = z.string().regex(/^[A-Za-z0-9_-]{8,64}$/);

/** Recreate token: its holder may re-create, and delete, the one tunnel that it names. */
export const recreateSchema = z.object({
  ...registered,
  /** Tunnel id. */
  sub: identifier,
  name: z.string().min(1).max(65),
  owner: identifier,
  /** Family of the management token that it was issued beside; absent for anonymous tunnels. */
  family: familyId.optional(),
});
export type RecreateClaims = z.infer<typeof recreateSchema>;

/** `operator` may act on every owner's tunnels, `member` on its own. */
export const roleSchema = z.enum(["member", "operator"]);
export type Role = z.infer<typeof roleSchema>;

/** Longest life of a family of management tokens that is believed. */
export const maxFamilySeconds = 31_536_000;

/**
 * Management token of an owner. All tokens that were refreshed out of one belong to its family, and none of them outlives
 * the family's end.
 */
export const managementSchema = z.object({
  ...registered,
  /** Owner. */
  sub: identifier,
  role: roleSchema,
  family: familyId,
  /** With a fraction: what is issued in the second of a revocation is told apart from what was issued before it. */
  family_start: z.number().min(0).max(8_640_000_000_000),
  family_end: numericDate,
});
export type ManagementClaims = z.infer<typeof managementSchema>;

/**
 * Attach token: its holder may attach to an edge as one of the two endpoints of one private channel. Single use; the edge
 * consumes `jti`.
 */
export const attachSchema = z.object({
  ...registered,
  channel_id: z.string().regex(/^[A-Za-z0-9_-]{16,64}$/),
  role: z.enum(["client", "server"]),
  /** End of the window in which both endpoints have to have come. */
  init_exp: numericDate,
  /** Seconds without a record after which the edge closes the channel. */
  idle_timeout: z.int().min(1).max(3_600),
  /** Owner that the channel counts for. The two endpoints of a channel name the same one. */
  tenant: identifier,
  /** Owner that asked for the channel, whom the service lets in: it ends as well when that owner's tokens are revoked. */
  requester: identifier.optional(),
  /** What it was then; absent: `member`. */
  requester_role: roleSchema.optional(),
  /** The agent that this half is for, where control knows it: its channels end when its machine is revoked. */
  agent_id: identifier.optional(),
  /** The attestation by which that agent asked, where it did. */
  attestation_id: z.string().regex(/^[A-Za-z0-9_-]{8,64}$/).optional(),
  /** The service that the channel is for: its channels end with it. */
  tunnel_id: identifier.optional(),
  /** The edge that both halves have to come to. */
  edge_id: identifier.optional(),
}).refine(({ exp, init_exp }) => exp <= init_exp, {
  path: ["exp"],
  error: "must not be after init_exp",
});
export type AttachClaims = z.infer<typeof attachSchema>;

/** Access token of an administrator: good for as long as the session that it names, and 15 minutes at most. */
export const adminSchema = z.object({
  ...registered,
  /** Account id. */
  sub: identifier,
  /** Session id. */
  sid: familyId,
});
export type AdminClaims = z.infer<typeof adminSchema>;
