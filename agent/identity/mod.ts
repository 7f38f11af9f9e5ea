/** The identity of a node: enrolled once, kept on disk, renewed while connections stay open. */
export type { HeldIdentity } from "./held_identity.ts";
export { hostKeyFileIn, hostKeyOf, openToken } from "./host_key.ts";
export { identityFileIn } from "./identity_file.ts";
export { type IdentityControl, NodeIdentity, type NodeIdentityOptions } from "./node_identity.ts";
