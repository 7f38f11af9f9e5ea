/** The audit log: a chain of hashes. */

/** One line of the audit log: ids, names and codes, never tokens or keys. */
export interface AuditEntry {
  readonly atMs: number;
  /** Who: an owner, `anonymous`, `control`. */
  readonly actor: string;
  /** What, e.g. `tunnel.create`. */
  readonly action: string;
  /** On what: a tunnel id, an agent id. */
  readonly subject: string;
  /** `ok` or an error code. */
  readonly outcome: string;
  readonly detail: Readonly<Record<string, string | number | boolean>>;
}

/** A line in its place in the chain. Hashes are 64 lower-case hex digits. */
export interface AuditLine extends AuditEntry {
  /** Ids have no gaps. */
  readonly id: number;
  /** Hash of the line before it. */
  readonly previous: string;
  readonly hash: string;
}

/** Which line stood where: who notes one can tell later whether anything up to it was changed. */
export interface AuditCheckpoint {
  readonly id: number;
  readonly hash: string;
}

export interface AuditStore {
  appendAudit(entry: AuditEntry): Promise<void>;
  /** Newest first, older than `beforeId` when given. */
  auditEntries(limit: number, beforeId?: number): Promise<(AuditEntry & { readonly id: number })[]>;
  /** Oldest first, after `afterId`: lines of the chain. */
  auditLines(limit: number, afterId: number): Promise<AuditLine[]>;
  /** The newest line, as it was noted when it was written; undefined before the first. */
  auditHead(): Promise<AuditCheckpoint | undefined>;
}
