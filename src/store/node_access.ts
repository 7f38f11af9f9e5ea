/** Rules of who may come to whom among nodes, and the labels that they name nodes by. */
import { PosternError } from "../errors/mod.ts";
import type { NodeAccessRecord, NodeAccessStore, NodeRule, Revised } from "../ports/mod.ts";
import type { Sql, SqlDatabase } from "./sql.ts";

/** Setting that counts changes. */
const counter = "store.node_access";

export class SqlNodeAccess implements NodeAccessStore {
  readonly #database: SqlDatabase;
  readonly #maxRules: number;

  constructor(database: SqlDatabase, maxRules: number) {
    this.#database = database;
    this.#maxRules = maxRules;
  }

  async nodeAccessRevision(): Promise<number> {
    return await revision(this.#database);
  }

  async nodeAccess(): Promise<Revised<NodeAccessRecord>> {
    return await this.#database.transaction(async (sql) => {
      const rules = await sql.all("SELECT * FROM node_rules ORDER BY connector, tunneler");
      const labelled = await sql.all(
        "SELECT role, node_id, labels FROM node_identities WHERE labels <> '[]' ORDER BY role, node_id",
      );
      return {
        revision: await revision(sql),
        value: {
          rules: rules.map((row) => ({
            connector: String(row.connector),
            tunneler: String(row.tunneler),
            addedBy: String(row.added_by),
            addedAtMs: Number(row.added_at),
          })),
          labelled: labelled.map((row) => ({
            role: String(row.role),
            nodeId: String(row.node_id),
            labels: JSON.parse(String(row.labels)),
          })),
        },
      };
    });
  }

  async allowNodes({ connector, tunneler, addedBy, addedAtMs }: NodeRule): Promise<boolean> {
    return await this.#database.transaction(async (sql) => {
      const known = await sql.get(
        "SELECT 1 AS one FROM node_rules WHERE connector = ? AND tunneler = ?",
        connector,
        tunneler,
      );
      if (known !== undefined) return false;
      const kept = await sql.number("SELECT count(*) FROM node_rules");
      if (kept >= this.#maxRules) {
        throw new PosternError("node_rules_full", `Cannot allow nodes: there are ${kept} rules already`);
      }
      await sql.run("INSERT INTO node_rules VALUES (?, ?, ?, ?)", connector, tunneler, addedBy, addedAtMs);
      await countNodeAccess(sql);
      return true;
    });
  }

  async disallowNodes(connector: string, tunneler: string): Promise<boolean> {
    return await this.#database.transaction(async (sql) => {
      const gone = await sql.run(
        "DELETE FROM node_rules WHERE connector = ? AND tunneler = ?",
        connector,
        tunneler,
      );
      if (gone > 0) await countNodeAccess(sql);
      return gone > 0;
    });
  }
}

/** Rules or labels changed: whoever holds what they were reads them again. */
export async function countNodeAccess(sql: Sql): Promise<void> {
  await sql.run(
    "INSERT INTO settings VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    counter,
    String(await revision(sql) + 1),
  );
}

async function revision(sql: Pick<Sql, "get">): Promise<number> {
  const row = await sql.get("SELECT value FROM settings WHERE key = ?", counter);
  return row === undefined ? 0 : Number(row.value);
}
