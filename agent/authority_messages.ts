/** What operators ask control about the authorities of nodes, and what is accepted as an answer. */
import { z } from "zod";

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const instant = z.iso.datetime();
const authority = z.object({
  sha256,
  expires_at: instant,
  accepted_from: instant,
  accepted_until: instant.optional(),
});

export const authoritiesAnswer = z.object({
  trust_domain: z.string().max(255),
  bundle_version: z.int(),
  bootstrap_sha256: sha256,
  roots: z.array(authority).max(64),
  issuing: z.array(authority.extend({ issues: z.boolean(), here: z.boolean() })).max(256),
  root_key_here: z.boolean(),
  nodes: z.int(),
  rotation: z.object({
    what: z.enum(["issuing", "root"]),
    stage: z.enum(["published", "activated"]),
    from: sha256,
    to: sha256,
    started_at: instant,
    started_by: z.string().max(256),
    activate_at: instant,
    nodes_left: z.int(),
  }).optional(),
  warnings: z.array(z.object({
    code: z.string().max(64),
    kind: z.string().max(32),
    sha256: z.string().max(64),
    expires_at: instant,
  })).max(256).default([]),
});
/** PKCS #10, PEM. */
export const authorityRequested = z.object({ request: z.string().max(8_192) });
export type AuthoritiesAnswer = z.infer<typeof authoritiesAnswer>;

export interface NodeRuleRequest {
  readonly connector: string;
  readonly tunneler: string;
}
const selector = z.string().max(128);
export const nodeRulesAnswer = z.object({
  rules: z.array(z.object({
    connector: selector,
    tunneler: selector,
    added_by: z.string().max(256),
    added_at: instant,
  })),
});
export type NodeRulesAnswer = z.infer<typeof nodeRulesAnswer>;
export const nodeRulesChanged = z.object({ changed: z.boolean() });

export interface RevokeIdentityRequest {
  readonly kind: string;
  readonly value: string;
  readonly severity: string;
  readonly reason: string;
}
export const identityRevoked = z.object({
  kind: z.string(),
  value: z.string().max(400),
  already: z.boolean(),
});
export type IdentityRevoked = z.infer<typeof identityRevoked>;
