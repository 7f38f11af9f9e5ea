/** Versions of PCR policies. */
import type { PolicyRecord, PolicyStore, Revised } from "../ports/mod.ts";
import type { Row, Sql, SqlDatabase } from "./sql.ts";

const columns = "name, version, body, applied_by, applied_at, overlap_until";

export class SqlPolicies implements PolicyStore {
  readonly #database: SqlDatabase;
  readonly #maxVersions: number;

  /** @param maxVersions versions of one name that are kept */
  constructor(database: SqlDatabase, maxVersions: number) {
    this.#database = database;
    this.#maxVersions = Math.max(2, maxVersions);
  }

  async policyRevision(): Promise<number> {
    return await revisionOf(this.#database);
  }

  async policies(): Promise<Revised<PolicyRecord[]>> {
    return await this.#database.transaction(async (sql) => {
      const rows = await sql.all(
        `SELECT ${columns} FROM policies AS policy
         WHERE version >= (SELECT max(version) - 1 FROM policies WHERE name = policy.name)
         ORDER BY name, version DESC`,
      );
      return { revision: await revisionOf(sql), value: rows.map(recordOf) };
    });
  }

  async policyVersions(name: string): Promise<PolicyRecord[]> {
    const rows = await this.#database.all(
      `SELECT ${columns} FROM policies WHERE name = ? ORDER BY version DESC`,
      name,
    );
    return rows.map(recordOf);
  }

  async applyPolicy(policy: PolicyRecord, revision: number, maxNames: number) {
    return await this.#database.transaction(async (sql) => {
      const newest = await sql.number("SELECT max(version) FROM policies WHERE name = ?", policy.name);
      if (policy.version !== newest + 1 || await revisionOf(sql) !== revision) return "outdated";
      const names = await sql.number("SELECT count(DISTINCT name) FROM policies");
      if (newest === 0 && names >= maxNames) return "too_many";
      await sql.run(
        `INSERT INTO policies (${columns}) VALUES (?, ?, ?, ?, ?, ?)`,
        policy.name,
        policy.version,
        policy.body,
        policy.appliedBy,
        policy.appliedAtMs,
        policy.overlapUntilMs,
      );
      await sql.run(
        "DELETE FROM policies WHERE name = ? AND version <= ?",
        policy.name,
        policy.version - this.#maxVersions,
      );
      return "applied";
    });
  }
}

async function revisionOf(sql: Sql): Promise<number> {
  return await sql.number("SELECT max(id) FROM policies");
}

function recordOf(row: Row): PolicyRecord {
  return {
    name: String(row.name),
    version: Number(row.version),
    body: String(row.body),
    appliedBy: String(row.applied_by),
    appliedAtMs: Number(row.applied_at),
    overlapUntilMs: Number(row.overlap_until),
  };
}
