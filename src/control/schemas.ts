/** JSON of the control API, with what the API description says about each field. */
import { z } from "@hono/zod-openapi";
import {
  base64Url32 as base64Url32Claim,
  maxFamilySeconds,
  maxTokenChars,
  maxWeight,
  protocolSchema,
  roleSchema,
  tierSchema,
  transportSchema,
} from "../identity/mod.ts";
import { maxPcr, pcrBankSchema } from "../attestation/mod.ts";
import { rulesSchema } from "../rules/mod.ts";

// Schemas get `.openapi` when they are made, not when they are imported: those of identity are made anew here.
const protocol = z.enum(protocolSchema.options);
const transport = z.enum(transportSchema.options);
const base64Url32 = z.string().length(43).refine((text) => base64Url32Claim.safeParse(text).success, {
  error: "must be base64url of 32 bytes without padding",
}).openapi({ pattern: "^[A-Za-z0-9_-]{43}$" });

const token = z.string().min(1).max(maxTokenChars);
export { instant as instantSchema, token as managementTokenSchema };
const instant = z.string().datetime().openapi({ example: "2026-01-01T00:00:00.000Z" });
const owner = z.string().min(1).max(128).regex(/^[A-Za-z0-9._:@-]+$/).openapi({ example: "alice" });
const role = z.enum(roleSchema.options);
const tier = z.enum(tierSchema.options);
const tunnelId = z.string().min(1).max(128).openapi({ example: "tun_J3k9xPq0Zt1uVwXy" });

export const problemSchema = z.object({
  type: z.string().url().openapi({ example: "urn:postern:error:name_taken" }),
  title: z.string(),
  status: z.int(),
  code: z.string().openapi({ description: "Stable; each has a page in the documentation." }),
  detail: z.string(),
  request_id: z.string(),
}).openapi("Problem");

export const createRequestSchema = z.looseObject({
  requested_name: z.string().max(253).optional().openapi({
    description:
      "First label of the public hostname; a random one when absent. With a management token also `*.label`: every host one label below it.",
    example: "demo",
  }),
  preferred_transports: z.array(transport).max(8).optional().openapi({
    description: "In order of preference. What no edge offers is passed over.",
  }),
  region_hint: z.string().max(64).optional().openapi({ description: "Edges of this region come first." }),
  recreate_token_ttl_seconds: z.int().min(0).optional().openapi({
    description: "Wanted life of the recreate token; clamped to what is allowed, which `note` then tells.",
    example: 3600,
  }),
  management_token: token.optional().openapi({
    description: "A management token, or a recreate token. `Authorization: Bearer` does the same.",
  }),
  recreate_token: token.optional().openapi({ description: "Extension: same as in management_token." }),
  protocol: protocol.optional().openapi({
    description:
      "Extension: what the service speaks; private = it has no public entry, and only private channels lead to it. http when " +
      "absent; when re-creating, what it was.",
  }),
  weight: z.int().min(1).max(maxWeight).optional().openapi({
    description:
      "Extension: this agent's share of the requests when several agents serve the name; 1 when absent.",
  }),
  require_tier: tier.optional().openapi({
    description:
      "Extension: tpm = only agents that attest with a TPM may serve the tunnel; bound-key = any agent, which " +
      "only the owner may say once tpm was demanded. Absent, a tunnel demands what it did.",
  }),
  rules: z.record(z.string(), z.unknown()).optional().openapi({
    ...rulesDescription(),
    description:
      "Extension: what edges hold for the service before they open a stream to an agent. An empty object is no rules; " +
      "absent, a tunnel keeps those that it has. Members that are not listed here are refused.",
  }),
}).openapi("CreateTunnelRequest");

/** Members of a request that nobody knows: told in `note`. The names are the client's own text: bounded, and escaped. */
export function unknownMembers(request: object): string[] {
  return Object.keys(request).filter((key) => !Object.hasOwn(createRequestSchema.shape, key));
}

function rulesDescription() {
  const { properties } = z.toJSONSchema(rulesSchema);
  return {
    type: "object" as const,
    properties: properties as Record<string, never>,
    additionalProperties: false,
  };
}

export const createResponseSchema = z.object({
  tunnel_id: tunnelId,
  public_hostname: z.string().openapi({
    description: "Of a private service, which has none, its name.",
    example: "demo.tunnel.example",
  }),
  candidates: z.array(
    z.object({
      edge_id: z.string(),
      edge_url: z.string().openapi({ example: "wss://edge.example/_postern/channel" }),
      supported_transport: transport,
      region: z.string(),
      note: z.string().optional(),
      edge_public_key: base64Url32.openapi({
        description: "Extension: the edge's Noise static public key, base64url; the agent admits no other.",
      }),
    }),
  ).openapi({ description: "One to three edges; order is priority." }),
  ephemeral_token: z.string().openapi({ description: "Stage 0 token: opens one handshake within a minute." }),
  recreate_token: z.string().optional().openapi({
    description: "Gives the same tunnel and name again, with fresh tokens. Keep it secret.",
  }),
  candidates_expires_at: instant,
  note: z.string().optional(),
  public_port: z.int().optional().openapi({ description: "Extension: public port of a tcp or udp tunnel." }),
  require_tier: tier.optional().openapi({ description: "Extension: what agents have to be, if anything." }),
  rules_revision: z.int().optional().openapi({
    description: "Extension: the rules of the request are held; the number grows whenever they change.",
  }),
}).openapi("CreateTunnelResponse");

export const deleteRequestSchema = z.object({
  tunnel_id: tunnelId,
  management_token: token.optional().openapi({
    description: "The owner's management token, or a recreate token.",
  }),
  recreate_token: token.optional(),
}).openapi("DeleteTunnelRequest");

export const deleteResponseSchema = z.object({
  tunnel_id: tunnelId,
  deleted: z.literal(true),
}).openapi("DeleteTunnelResponse");

export const listResponseSchema = z.object({
  tunnels: z.array(z.object({
    tunnel_id: tunnelId,
    name: z.string(),
    public_hostname: z.string(),
    protocol,
    public_port: z.int().optional(),
    status: z.enum(["online", "offline"]).openapi({
      description: "online: a byte was echoed end to end within the heartbeat window.",
    }),
    agents: z.int().openapi({ description: "Agents that serve it now." }),
    tiers: z.array(tier).openapi({
      description: "How these agents prove themselves: with a TPM, or (weaker) with a key in a file.",
    }),
    require_tier: tier.optional(),
    last_echo_at: instant.optional(),
    created_at: instant,
  })),
}).openapi("ListTunnelsResponse");

export const tokenRequestSchema = z.object({
  management_token: token.optional().openapi({ description: "The current token, unless it is the Bearer." }),
  revoke_current: z.boolean().optional().openapi({
    description: "End the current token at once; otherwise it stays valid until its expiry.",
  }),
}).openapi("RefreshTokenRequest");

const issuedToken = {
  management_token: z.string(),
  token_type: z.literal("Bearer"),
  expires_in: z.int().openapi({ description: "Seconds.", example: 86400 }),
  expires_at: instant,
  owner,
  role,
  family: z.string().openapi({ description: "Id of this token and all that are refreshed out of it." }),
  family_ends_at: instant.openapi({ description: "No token of the family lives longer." }),
};

export const tokenResponseSchema = z.object(issuedToken).openapi("RefreshTokenResponse");

export const issueTokenRequestSchema = z.object({
  owner,
  role: role.optional().openapi({ description: "member when absent." }),
  ttl_seconds: z.int().min(60).max(maxFamilySeconds).optional().openapi({
    description:
      "Time until the token and all that are refreshed out of it have ended; as configured when absent.",
  }),
  management_token: token.optional().openapi({
    description: "An operator's token, unless it is the Bearer.",
  }),
}).openapi("IssueTokenRequest");

export const issueTokenResponseSchema = z.object(issuedToken).openapi("IssueTokenResponse");

export const revokeTokenRequestSchema = z.object({
  owner: owner.optional().openapi({
    description: "Ends all tokens that this owner was given so far, and cuts the channels of its tunnels.",
  }),
  family: z.string().min(8).max(64).optional().openapi({ description: "Ends all tokens of this family." }),
  management_token: token.optional().openapi({
    description: "An operator's token, or one of the owner or family itself, unless it is the Bearer.",
  }),
}).refine(({ owner, family }) => (owner === undefined) !== (family === undefined), {
  error: "needs owner or family, and not both",
}).openapi("RevokeTokenRequest");

export const revokeTokenResponseSchema = z.object({
  revoked: z.literal(true),
  tunnels: z.int().openapi({ description: "Tunnels whose channels were cut." }),
  known: z.boolean().openapi({
    description: "Whether anything that could be revoked was given out; false points to a typing error.",
  }),
}).openapi("RevokeTokenResponse");

export const challengeRequestSchema = z.object({
  stage0_token: token.optional().openapi({ description: "For a new channel. This, or reauth_token." }),
  reauth_token: token.optional().openapi({
    description: "For a channel that stands: what the last answer to evidence for it brought.",
  }),
  session_nonce: base64Url32.openapi({ description: "The edge's challenge on the channel." }),
  handshake_hash: base64Url32.openapi({ description: "Noise handshake hash after message 2." }),
  agent_static: base64Url32.openapi({ description: "The agent's Noise static public key." }),
  purpose: z.enum(["channel-open", "channel-reauth"]).optional().openapi({
    description: "Follows from the token, and is signed by the evidence; refused when it does not agree.",
  }),
  reauth_version: z.int().min(1).max(255).optional().openapi({
    description: "The agent answers re-authentication on its channel, in this version; 1 is the only one.",
  }),
  agent_id: z.string().regex(/^agent-[a-z2-7]{26}$/).optional().openapi({
    description: "Whose evidence will answer: decides which policy counts.",
    example: "agent-w5z6k7hq2d3n4p5r6s7t2u3v4a",
  }),
}).refine(
  ({ stage0_token, reauth_token, purpose }) =>
    reauth_token === undefined
      ? stage0_token !== undefined && purpose !== "channel-reauth"
      : stage0_token === undefined && purpose !== "channel-open",
  { error: "needs stage0_token for channel-open, or reauth_token for channel-reauth" },
).openapi("ChallengeRequest");

export const challengeResponseSchema = z.object({
  challenge_id: z.string(),
  authority_nonce: base64Url32,
  policy_version: z.string(),
  pcr_selection: z.object({
    bank: z.enum(pcrBankSchema.options),
    pcrs: z.array(z.int().min(0).max(maxPcr)),
  }).optional().openapi({ description: "What a quote has to cover; absent for agents without a TPM." }),
  expires_at: instant,
}).openapi("ChallengeResponse");

export const evidenceRequestSchema = z.object({
  challenge_id: z.string().min(1).max(64),
  evidence: z.looseObject({ kind: z.string().regex(/^[a-z0-9_-]{1,32}$/) }).openapi({
    description: "The kind says which fields follow. bound-key: identity_key (raw Ed25519 public key) and " +
      "signature over the qualifying data, both base64url.",
    example: { kind: "bound-key", identity_key: "…", signature: "…" },
  }),
}).openapi("EvidenceRequest");

export const evidenceResponseSchema = z.object({
  stage1_token: z.string(),
  reauth_token: z.string().optional().openapi({
    description:
      "For the next challenge on the same channel. Keep it secret; absent where agents are never asked again.",
  }),
}).openapi("EvidenceResponse");

const auditHash = z.string().length(64).openapi({ description: "BLAKE3, hexadecimal." });

export const auditRequestSchema = z.object({
  after: z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).default(0).openapi({
    description: "Id of the last line that is known already.",
  }),
});

export const auditResponseSchema = z.object({
  lines: z.array(
    z.object({
      id: z.int().openapi({ description: "Grows by one from line to line." }),
      at: instant,
      actor: z.string(),
      action: z.string().openapi({ example: "agent.attest" }),
      subject: z.string(),
      outcome: z.string().openapi({ description: "ok, or the code of the refusal." }),
      detail: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
      previous: auditHash,
      hash: auditHash.openapi({ description: "Of this line and of the hash before it: see the protocol." }),
    }),
  ).openapi({ description: "Oldest first, at most 400. None: there are no more." }),
  head: z.object({ id: z.int(), hash: auditHash }).optional().openapi({
    description: "The newest line. Who notes it can tell later whether anything up to it was changed.",
  }),
}).openapi("AuditResponse");

export const jwksSchema = z.object({
  keys: z.array(z.object({
    kty: z.literal("OKP"),
    crv: z.literal("Ed25519"),
    x: z.string(),
    kid: z.string(),
    use: z.literal("sig"),
    alg: z.literal("EdDSA"),
  })),
}).openapi("JwkSet");
