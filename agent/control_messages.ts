/** What the agent asks control, and what it accepts as an answer. Fields that it does not know are passed over. */
import { z } from "zod";
import { pcrSelectionSchema } from "../src/attestation/mod.ts";
import {
  base64Url32,
  maxTokenChars,
  type Tier,
  tierSchema,
  type TunnelProtocol,
} from "../src/identity/mod.ts";
import type { ServiceRules } from "../src/rules/mod.ts";

const token = z.string().min(16).max(maxTokenChars);

export interface CreateRequest {
  readonly requested_name?: string;
  readonly preferred_transports: readonly string[];
  readonly recreate_token?: string;
  readonly protocol: TunnelProtocol;
  /** Share of requests when several agents publish the same name. */
  readonly weight: number;
  /** Weakest tier of agents that may publish the name; absent: as it was. */
  readonly require_tier?: Tier;
  /** What edges are to hold; absent: what they hold already. */
  readonly rules?: ServiceRules;
}

const candidate = z.object({
  edge_id: z.string().min(1).max(128),
  /** Peer text: checked by whoever dials it. */
  edge_url: z.string().min(1).max(512),
  supported_transport: z.string().max(32),
  edge_public_key: base64Url32,
});
export type Candidate = z.infer<typeof candidate>;

export const createAnswer = z.object({
  tunnel_id: z.string().min(1).max(128),
  public_hostname: z.string().min(1).max(253),
  candidates: z.array(candidate).min(1).max(16),
  ephemeral_token: token,
  recreate_token: token.optional(),
  note: z.string().max(4_096).optional(),
  public_port: z.int().min(1).max(65_535).optional(),
  rules_revision: z.int().min(0).optional(),
  require_tier: tierSchema.optional(),
});
export type CreateAnswer = z.infer<typeof createAnswer>;

export interface DeleteRequest {
  readonly tunnel_id: string;
  readonly recreate_token?: string;
}
export const deleteAnswer = z.object({ tunnel_id: z.string().max(128) });

export interface ChallengeRequest {
  /** For a new channel; for one that stands the token that the evidence before has brought. */
  readonly stage0_token?: string;
  readonly reauth_token?: string;
  readonly purpose: "channel-open" | "channel-reauth";
  /** base64url of 32 bytes, like the two below. */
  readonly session_nonce: string;
  readonly handshake_hash: string;
  readonly agent_static: string;
  readonly agent_id: string;
  readonly reauth_version: number;
}
export const challengeAnswer = z.object({
  challenge_id: z.string().min(1).max(64),
  pcr_selection: pcrSelectionSchema.optional(),
  authority_nonce: base64Url32,
  policy_version: z.string().min(1).max(128),
});
export type ChallengeAnswer = z.infer<typeof challengeAnswer>;

export interface EvidenceRequest {
  readonly challenge_id: string;
  readonly evidence: { readonly kind: string; readonly [field: string]: unknown };
}
export const evidenceAnswer = z.object({ stage1_token: token, reauth_token: token.optional() });
export type EvidenceAnswer = z.infer<typeof evidenceAnswer>;

export const tokenAnswer = z.object({
  management_token: token,
  expires_at: z.string().max(64),
  owner: z.string().max(128),
  role: z.string().max(32),
  family: z.string().max(64),
  family_ends_at: z.string().max(64),
});
export type TokenAnswer = z.infer<typeof tokenAnswer>;

export interface IssueTokenRequest {
  readonly owner: string;
  readonly role?: string;
  readonly ttl_seconds?: number;
}
export interface RevokeTokenRequest {
  readonly owner?: string;
  readonly family?: string;
}
export const revokeAnswer = z.object({ tunnels: z.int().min(0), known: z.boolean().default(true) });
export type RevokeAnswer = z.infer<typeof revokeAnswer>;

const auditHash = z.string().regex(/^[0-9a-f]{64}$/);

/** A page of the audit log: what control says; whether it holds is for the reader to find out. */
export const auditAnswer = z.object({
  lines: z.array(z.object({
    id: z.int().min(1),
    at: z.iso.datetime(),
    actor: z.string(),
    action: z.string(),
    subject: z.string(),
    outcome: z.string(),
    detail: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
    previous: auditHash,
    hash: auditHash,
  })).max(1_000),
  head: z.object({ id: z.int().min(1), hash: auditHash }).optional(),
});
export type AuditAnswer = z.infer<typeof auditAnswer>;

/** A refusal (RFC 9457), as far as it matters here. Peer text. */
export const problem = z.object({
  code: z.string().max(64).optional(),
  title: z.string().max(512).optional(),
  detail: z.string().max(2_048).optional(),
});
