/** The audit log as a chain: each line vouches for all lines before it. */
export { type AuditFault, type AuditSummary, AuditWalk } from "./walk.ts";
export { auditHash, type AuditHasher, genesisHash, openAuditHasher } from "./hash.ts";
