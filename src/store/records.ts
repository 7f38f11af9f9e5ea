// deno-lint-ignore-file require-await -- the port is asynchronous: what throws here must reject there
/** Signing keys, settings and the audit log. */
import type { AuditEntry, AuditStore, KeysetStore, Revised, SettingStore } from "../ports/mod.ts";
import type { Database } from "./database.ts";

/** Most lines that {@link SqliteRecords.auditEntries} returns at once. */
const maxAuditPage = 1_000;

export class SqliteRecords implements KeysetStore, SettingStore, AuditStore {
  readonly #database: Database;
  readonly #maxAuditEntries: number;

  constructor(database: Database, maxAuditEntries: number) {
    this.#database = database;
    this.#maxAuditEntries = maxAuditEntries;
  }

  async loadKeyset(): Promise<Revised<string> | undefined> {
    const row = this.#database.get("SELECT revision, value FROM keyset");
    return row && { revision: Number(row.revision), value: String(row.value) };
  }

  async saveKeyset(value: string, revision: number): Promise<boolean> {
    const changed = revision === 0
      ? this.#database.run("INSERT INTO keyset VALUES (1, 1, ?) ON CONFLICT DO NOTHING", value)
      : this.#database.run(
        "UPDATE keyset SET revision = revision + 1, value = ? WHERE revision = ?",
        value,
        revision,
      );
    return changed === 1;
  }

  async setting(key: string): Promise<string | undefined> {
    const row = this.#database.get("SELECT value FROM settings WHERE key = ?", key);
    return row && String(row.value);
  }

  async putSetting(key: string, value: string): Promise<void> {
    this.#database.run(
      "INSERT INTO settings VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
      key,
      value,
    );
  }

  async appendAudit(entry: AuditEntry): Promise<void> {
    this.#database.transaction(() => {
      this.#database.run(
        "INSERT INTO audit (at, actor, action, subject, outcome, detail) VALUES (?, ?, ?, ?, ?, ?)",
        entry.atMs,
        entry.actor,
        entry.action,
        entry.subject,
        entry.outcome,
        JSON.stringify(entry.detail),
      );
      // Ids have no gaps: the oldest line to keep is known without counting.
      this.#database.run(
        "DELETE FROM audit WHERE id <= (SELECT max(id) FROM audit) - ?",
        this.#maxAuditEntries,
      );
    });
  }

  async auditEntries(limit: number, beforeId = Number.MAX_SAFE_INTEGER) {
    const rows = this.#database.all(
      "SELECT id, at, actor, action, subject, outcome, detail FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?",
      beforeId,
      Math.min(limit, maxAuditPage),
    );
    return rows.map((row) => ({
      id: Number(row.id),
      atMs: Number(row.at),
      actor: String(row.actor),
      action: String(row.action),
      subject: String(row.subject),
      outcome: String(row.outcome),
      detail: JSON.parse(String(row.detail)) as AuditEntry["detail"],
    }));
  }
}
