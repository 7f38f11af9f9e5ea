/** SPIFFE ids: `spiffe://<trust domain>/<role>/<id>` (SPIFFE-ID 2). They are all that names a node. */
import { PosternError } from "../errors/mod.ts";

/** What a node may be. `connector`: an agent that accepts mutual-TLS connections; `tunneler`: an agent that makes them. */
export const nodeRoles = ["edge", "connector", "tunneler", "control"] as const;
export type NodeRole = typeof nodeRoles[number];

export interface SpiffeId {
  readonly trustDomain: string;
  readonly role: NodeRole;
  readonly id: string;
}

/** At most 64 characters: ids are file names and labels elsewhere as well. */
const idPattern = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$/;
const trustDomainPattern = /^[a-z0-9]([a-z0-9._-]{0,253}[a-z0-9])?$/;
/** A trust domain, a role and an id, with what is between them. */
const maxUriChars = 384;

/** 1 to 64 letters, digits and `._-`, beginning and ending with a letter or digit, without `..`. */
export function isNodeId(text: string): boolean {
  return idPattern.test(text) && !text.includes("..");
}

export function isNodeRole(text: string): text is NodeRole {
  return (nodeRoles as readonly string[]).includes(text);
}

/** Lower-case letters, digits and `._-`, at most 255. */
export function isTrustDomain(text: string): boolean {
  return trustDomainPattern.test(text);
}

/** Throws `spiffe_id_malformed` for what {@link parseSpiffeId} would not read back. */
export function formatSpiffeId({ trustDomain, role, id }: SpiffeId): string {
  if (!isTrustDomain(trustDomain) || !isNodeRole(role) || !isNodeId(id)) throw malformed();
  return `spiffe://${trustDomain}/${role}/${id}`;
}

/** Strict: one spelling of each id. The text may be a peer's. Throws `spiffe_id_malformed`. */
export function parseSpiffeId(uri: string): SpiffeId {
  const match = uri.length > maxUriChars ? null : /^spiffe:\/\/([^/]+)\/([^/]+)\/([^/]+)$/.exec(uri);
  if (match === null) throw malformed();
  const [, trustDomain, role, id] = match;
  if (!isTrustDomain(trustDomain) || !isNodeRole(role) || !isNodeId(id)) throw malformed();
  return { trustDomain, role, id };
}

function malformed(): PosternError {
  return new PosternError(
    "spiffe_id_malformed",
    "Cannot use the SPIFFE id: it is not spiffe://<trust domain>/<role>/<id>",
  );
}
