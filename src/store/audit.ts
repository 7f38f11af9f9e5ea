/** The audit log: a chain of lines, of which the oldest may be let go. */
import { auditHash, type AuditHasher, genesisHash, openAuditHasher } from "../audit/mod.ts";
import type { AuditCheckpoint, AuditEntry, AuditLine, AuditStore } from "../ports/mod.ts";
import type { Row, Sql, SqlDatabase } from "./sql.ts";

/** Most lines that are returned at once. */
const maxAuditPage = 1_000;
const headKey = "audit.head";

export class SqlAudit implements AuditStore {
  readonly #database: SqlDatabase;
  readonly #maxEntries: number;
  #hasher: Promise<AuditHasher> | undefined;

  constructor(database: SqlDatabase, maxEntries: number) {
    this.#database = database;
    this.#maxEntries = maxEntries;
  }

  async appendAudit(entry: AuditEntry): Promise<void> {
    const hasher = await (this.#hasher ??= openAuditHasher());
    await this.#database.transaction(async (sql) => {
      // Apart from the lines: so that it is noticed when the newest are missing.
      const head = await headOf(sql);
      const id = Math.max(head?.id ?? 0, await sql.number("SELECT max(id) FROM audit")) + 1;
      const previous = head?.hash ?? genesisHash;
      const hash = auditHash(hasher, { ...entry, id, previous });
      await sql.run(
        `INSERT INTO audit (id, at, actor, action, subject, outcome, detail, previous, hash)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        id,
        entry.atMs,
        entry.actor,
        entry.action,
        entry.subject,
        entry.outcome,
        JSON.stringify(entry.detail),
        previous,
        hash,
      );
      await sql.run(
        "INSERT INTO settings VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        headKey,
        JSON.stringify({ id, hash }),
      );
      // Ids have no gaps: the oldest line to keep is known without counting.
      await sql.run("DELETE FROM audit WHERE id <= ?", id - this.#maxEntries);
    });
  }

  async auditEntries(limit: number, beforeId = Number.MAX_SAFE_INTEGER) {
    const rows = await this.#database.all(
      "SELECT id, at, actor, action, subject, outcome, detail FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?",
      beforeId,
      Math.min(limit, maxAuditPage),
    );
    return rows.map((row) => ({ id: Number(row.id), ...entryOf(row) }));
  }

  async auditLines(limit: number, afterId: number): Promise<AuditLine[]> {
    const rows = await this.#database.all(
      `SELECT id, at, actor, action, subject, outcome, detail, previous, hash FROM audit
        WHERE id > ? AND hash <> '' ORDER BY id LIMIT ?`,
      afterId,
      Math.min(limit, maxAuditPage),
    );
    return rows.map((row) => ({
      id: Number(row.id),
      ...entryOf(row),
      previous: String(row.previous),
      hash: String(row.hash),
    }));
  }

  async auditHead(): Promise<AuditCheckpoint | undefined> {
    return await headOf(this.#database);
  }
}

async function headOf(sql: Sql): Promise<AuditCheckpoint | undefined> {
  const row = await sql.get("SELECT value FROM settings WHERE key = ?", headKey);
  return row && JSON.parse(String(row.value)) as AuditCheckpoint;
}

function entryOf(row: Row): AuditEntry {
  return {
    atMs: Number(row.at),
    actor: String(row.actor),
    action: String(row.action),
    subject: String(row.subject),
    outcome: String(row.outcome),
    detail: JSON.parse(String(row.detail)) as AuditEntry["detail"],
  };
}
