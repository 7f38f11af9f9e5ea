/** Nodes of mutual TLS. Bounded by the identities that were given out, and by a number besides. */
import { PosternError } from "../errors/mod.ts";
import type { NodePresence, NodePresenceStore, PresentRole } from "../ports/mod.ts";
import type { Row, Sql, SqlDatabase } from "./sql.ts";

const columns = "role, id, private_ip, connector_id, version, first_seen, last_seen";
/** Most nodes that are returned at once. */
const maxNodePage = 1_000;

/** Of one statement: each number of rows is a statement of its own. */
const maxRowsAtOnce = 64;

type Heard = Omit<NodePresence, "firstSeenMs">;

export class SqlNodePresences implements NodePresenceStore {
  readonly #database: SqlDatabase;
  readonly #maxNodePresences: number;

  /** @param maxNodePresences most that are remembered; about 150 bytes each */
  constructor(database: SqlDatabase, maxNodePresences: number) {
    this.#database = database;
    this.#maxNodePresences = maxNodePresences;
  }

  async seeNode(node: Heard): Promise<void> {
    await this.seeNodes([node]);
  }

  async seeNodes(nodes: readonly Heard[]): Promise<void> {
    const refused = await this.#database.transaction(async (sql) => {
      let refused = 0;
      for (let at = 0; at < nodes.length; at += maxRowsAtOnce) {
        const some = nodes.slice(at, at + maxRowsAtOnce);
        const fitting = await this.#fitting(sql, some);
        refused += some.length - fitting.length;
        if (fitting.length > 0) await see(sql, fitting);
      }
      return refused;
    });
    if (refused === 0) return;
    throw new PosternError(
      "nodes_full",
      `Cannot remember ${refused} nodes: ${this.#maxNodePresences} are remembered already`,
    );
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

  /** Those that are remembered already, and new ones while there is room. */
  async #fitting(sql: Sql, nodes: readonly Heard[]): Promise<readonly Heard[]> {
    const rows = await sql.all(
      `SELECT role, id FROM node_presences WHERE ${nodes.map(() => "(role = ? AND id = ?)").join(" OR ")}`,
      ...nodes.flatMap(({ role, id }) => [role, id]),
    );
    if (rows.length === nodes.length) return nodes;
    const known = new Set(rows.map(({ role, id }) => `${role}/${id}`));
    let room = this.#maxNodePresences - await sql.number("SELECT count(*) FROM node_presences");
    return nodes.filter(({ role, id }) => known.has(`${role}/${id}`) || room-- > 0);
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

async function see(sql: Sql, nodes: readonly Heard[]): Promise<void> {
  await sql.run(
    `INSERT INTO node_presences (${columns}) VALUES ${nodes.map(() => "(?, ?, ?, ?, ?, ?, ?)").join(", ")}
     ON CONFLICT (role, id) DO UPDATE SET private_ip = excluded.private_ip, connector_id = excluded.connector_id,
     version = excluded.version, last_seen = excluded.last_seen
     WHERE node_presences.last_seen <= excluded.last_seen`,
    ...nodes.flatMap(({ role, id, privateIp, connectorId, version, lastSeenMs }) => [
      ...[role, id, privateIp ?? null, connectorId ?? null, version],
      ...[lastSeenMs, lastSeenMs],
    ]),
  );
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
