// deno-lint-ignore-file require-await -- the port is asynchronous: what throws here must reject there
/** Versions of PCR policies. */
import type { PolicyRecord, PolicyStore, Revised } from "../ports/mod.ts";
import type { Database, Row } from "./database.ts";

const columns = "name, version, body, applied_by, applied_at, overlap_until";

export class SqlitePolicies implements PolicyStore {
  readonly #database: Database;
  readonly #maxVersions: number;

  /** @param maxVersions versions of one name that are kept */
  constructor(database: Database, maxVersions: number) {
    this.#database = database;
    this.#maxVersions = Math.max(2, maxVersions);
  }

  async policyRevision(): Promise<number> {
    return this.#revision();
  }

  async policies(): Promise<Revised<PolicyRecord[]>> {
    return this.#database.transaction(() => {
      const rows = this.#database.all(
        `SELECT ${columns} FROM policies AS policy
         WHERE version >= (SELECT max(version) - 1 FROM policies WHERE name = policy.name)
         ORDER BY name, version DESC`,
      );
      return { revision: this.#revision(), value: rows.map(recordOf) };
    });
  }

  async policyVersions(name: string): Promise<PolicyRecord[]> {
    const rows = this.#database.all(
      `SELECT ${columns} FROM policies WHERE name = ? ORDER BY version DESC`,
      name,
    );
    return rows.map(recordOf);
  }

  async applyPolicy(policy: PolicyRecord, revision: number, maxNames: number) {
    return this.#database.transaction(() => {
      const newest = this.#database.number("SELECT max(version) FROM policies WHERE name = ?", policy.name);
      if (policy.version !== newest + 1 || this.#revision() !== revision) return "outdated";
      const names = this.#database.number("SELECT count(DISTINCT name) FROM policies");
      if (newest === 0 && names >= maxNames) return "too_many";
      this.#database.run(
        `INSERT INTO policies (${columns}) VALUES (?, ?, ?, ?, ?, ?)`,
        policy.name,
        policy.version,
        policy.body,
        policy.appliedBy,
        policy.appliedAtMs,
        policy.overlapUntilMs,
      );
      this.#database.run(
        "DELETE FROM policies WHERE name = ? AND version <= ?",
        policy.name,
        policy.version - this.#maxVersions,
      );
      return "applied";
    });
  }

  #revision(): number {
    return this.#database.number("SELECT max(id) FROM policies");
  }
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
