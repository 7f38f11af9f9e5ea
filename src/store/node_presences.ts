/** Nodes of mutual TLS. Bounded by the identities that were given out, and by a number besides. */
import { PosternError } from "../errors/mod.ts";
import type { NodePresence, NodePresenceStore, PresentRole } from "../ports/mod.ts";
import type { Row, SqlDatabase } from "./sql.ts";

const columns = "role, id, private_ip, connector_id, version, first_seen, last_seen";
/** Most nodes that are returned at once. */
const maxNodePage = 1_000;

export class SqlNodePresences implements NodePresenceStore {
  readonly #database: SqlDatabase;
  readonly #maxNodePresences: number;

  /** @param maxNodePresences most that are remembered; about 150 bytes each */
  constructor(database: SqlDatabase, maxNodePresences: number) {
    this.#database = database;
    this.#maxNodePresences = maxNodePresences;
  }

  async seeNode(node: Omit<NodePresence, "firstSeenMs">): Promise<void> {
    const { role, id, version, lastSeenMs } = node;
    const facts = [node.privateIp ?? null, node.connectorId ?? null, version, lastSeenMs];
    // Nearly every heartbeat is of a node that is known.
    if (await this.nodePresence(role, id) !== undefined) {
      await this.#database.run(
        `UPDATE node_presences SET private_ip = ?, connector_id = ?, version = ?, last_seen = ?
         WHERE role = ? AND id = ? AND last_seen <= ?`,
        ...facts,
        role,
        id,
        lastSeenMs,
      );
      return;
    }
    await this.#database.transaction(async (sql) => {
      const known = await sql.number("SELECT count(*) FROM node_presences");
      if (known >= this.#maxNodePresences) {
        throw new PosternError("nodes_full", `Cannot remember node: ${known} are remembered already`);
      }
      await sql.run(
        `INSERT INTO node_presences (role, id, private_ip, connector_id, version, last_seen, first_seen)
         VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (role, id) DO NOTHING`,
        role,
        id,
        ...facts,
        lastSeenMs,
      );
    });
  }

  async nodePresence(role: PresentRole, id: string): Promise<NodePresence | undefined> {
    const row = await this.#database.get(
      `SELECT ${columns} FROM node_presences WHERE role = ? AND id = ?`,
      role,
      id,
    );
    return row && presenceOf(row);
  }

  async nodePresences(role: PresentRole, limit: number, afterId = ""): Promise<NodePresence[]> {
    const rows = await this.#database.all(
      `SELECT ${columns} FROM node_presences WHERE role = ? AND id > ? ORDER BY id LIMIT ?`,
      role,
      afterId,
      Math.min(limit, maxNodePage),
    );
    return rows.map(presenceOf);
  }

  async countNodePresences(role: PresentRole, sinceMs: number) {
    const row = await this.#database.get(
      `SELECT count(*) AS total, sum(CASE WHEN last_seen >= ? THEN 1 ELSE 0 END) AS heard
       FROM node_presences WHERE role = ?`,
      sinceMs,
      role,
    );
    return { total: Number(row?.total ?? 0), heard: Number(row?.heard ?? 0) };
  }

  async forgetNodePresence(role: PresentRole, id: string): Promise<boolean> {
    return await this.#database.run("DELETE FROM node_presences WHERE role = ? AND id = ?", role, id) > 0;
  }
}

function presenceOf(row: Row): NodePresence {
  return {
    role: row.role as PresentRole,
    id: String(row.id),
    ...(row.private_ip === null ? {} : { privateIp: String(row.private_ip) }),
    ...(row.connector_id === null ? {} : { connectorId: String(row.connector_id) }),
    version: String(row.version),
    firstSeenMs: Number(row.first_seen),
    lastSeenMs: Number(row.last_seen),
  };
}
