/** Nodes of mutual TLS. Bounded by the identities that were given out, and by a number besides. */
import { PosternError } from "../errors/mod.ts";
import type { NodeRecord, NodeRole, NodeStore } from "../ports/mod.ts";
import type { Row, SqlDatabase } from "./sql.ts";

const columns = "role, id, private_ip, connector_id, version, first_seen, last_seen";
/** Most nodes that are returned at once. */
const maxNodePage = 1_000;

export class SqlNodes implements NodeStore {
  readonly #database: SqlDatabase;
  readonly #maxNodes: number;

  /** @param maxNodes most that are remembered; about 150 bytes each */
  constructor(database: SqlDatabase, maxNodes: number) {
    this.#database = database;
    this.#maxNodes = maxNodes;
  }

  async seeNode(node: Omit<NodeRecord, "firstSeenMs">): Promise<void> {
    const { role, id, version, lastSeenMs } = node;
    const facts = [node.privateIp ?? null, node.connectorId ?? null, version, lastSeenMs];
    // Nearly every heartbeat is of a node that is known.
    if (await this.node(role, id) !== undefined) {
      await this.#database.run(
        `UPDATE nodes SET private_ip = ?, connector_id = ?, version = ?, last_seen = ?
         WHERE role = ? AND id = ? AND last_seen <= ?`,
        ...facts,
        role,
        id,
        lastSeenMs,
      );
      return;
    }
    await this.#database.transaction(async (sql) => {
      const known = await sql.number("SELECT count(*) FROM nodes");
      if (known >= this.#maxNodes) {
        throw new PosternError("nodes_full", `Cannot remember node: ${known} are remembered already`);
      }
      await sql.run(
        `INSERT INTO nodes (role, id, private_ip, connector_id, version, last_seen, first_seen)
         VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (role, id) DO NOTHING`,
        role,
        id,
        ...facts,
        lastSeenMs,
      );
    });
  }

  async node(role: NodeRole, id: string): Promise<NodeRecord | undefined> {
    const row = await this.#database.get(
      `SELECT ${columns} FROM nodes WHERE role = ? AND id = ?`,
      role,
      id,
    );
    return row && nodeOf(row);
  }

  async nodes(role: NodeRole, limit: number, afterId = ""): Promise<NodeRecord[]> {
    const rows = await this.#database.all(
      `SELECT ${columns} FROM nodes WHERE role = ? AND id > ? ORDER BY id LIMIT ?`,
      role,
      afterId,
      Math.min(limit, maxNodePage),
    );
    return rows.map(nodeOf);
  }

  async countNodes(role: NodeRole, sinceMs: number) {
    const row = await this.#database.get(
      `SELECT count(*) AS total, sum(CASE WHEN last_seen >= ? THEN 1 ELSE 0 END) AS heard
       FROM nodes WHERE role = ?`,
      sinceMs,
      role,
    );
    return { total: Number(row?.total ?? 0), heard: Number(row?.heard ?? 0) };
  }

  async forgetNode(role: NodeRole, id: string): Promise<boolean> {
    return await this.#database.run("DELETE FROM nodes WHERE role = ? AND id = ?", role, id) > 0;
  }
}

function nodeOf(row: Row): NodeRecord {
  return {
    role: row.role as NodeRole,
    id: String(row.id),
    ...(row.private_ip === null ? {} : { privateIp: String(row.private_ip) }),
    ...(row.connector_id === null ? {} : { connectorId: String(row.connector_id) }),
    version: String(row.version),
    firstSeenMs: Number(row.first_seen),
    lastSeenMs: Number(row.last_seen),
  };
}
