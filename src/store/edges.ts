/** Edges and what they serve. Bounded by who has the store's credentials; what is not withdrawn is forgotten. */
import type { EdgeRecord, EdgeStore, ServedTunnel } from "../ports/mod.ts";
import type { Row, Sql, SqlDatabase } from "./sql.ts";

const columns = "instance_id, edge_id, edge_url, transport, region, priority, public_key, seen_at";
/** Most edges that are returned. */
const maxEdges = 256;
/** Changes that are written at once: other writers wait for it. */
const maxBatch = 200;

export class SqlEdges implements EdgeStore {
  readonly #database: SqlDatabase;

  constructor(database: SqlDatabase) {
    this.#database = database;
  }

  async announceEdge(edge: EdgeRecord): Promise<boolean> {
    const { instanceId, edgeId, edgeUrl, transport, region, priority, publicKey, seenAtMs } = edge;
    const facts = [edgeId, edgeUrl, transport, region, priority, publicKey, seenAtMs];
    const known = await this.#database.run(
      `UPDATE edges SET edge_id = ?, edge_url = ?, transport = ?, region = ?, priority = ?, public_key = ?,
       seen_at = ? WHERE instance_id = ?`,
      ...facts,
      instanceId,
    );
    if (known > 0) return false;
    await this.#database.run(
      `INSERT INTO edges (${columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (instance_id) DO NOTHING`,
      instanceId,
      ...facts,
    );
    return true;
  }

  async announceServed(instanceId: string, tunnels: readonly ServedTunnel[]): Promise<void> {
    for (let at = 0; at < tunnels.length; at += maxBatch) {
      const batch = tunnels.slice(at, at + maxBatch);
      await this.#database.transaction(async (sql) => {
        for (const tunnel of batch) await writeServed(sql, instanceId, tunnel);
      });
    }
  }

  async withdrawEdge(instanceId: string): Promise<void> {
    await this.#database.transaction(async (sql) => {
      await sql.run("DELETE FROM edges WHERE instance_id = ?", instanceId);
      await sql.run("DELETE FROM served_tunnels WHERE instance_id = ?", instanceId);
    });
  }

  async forgetEdges(edgeId: string | undefined, seenBeforeMs: number): Promise<void> {
    const gone = await this.#database.all(
      "SELECT instance_id FROM edges WHERE edge_id = ? OR seen_at < ?",
      edgeId ?? null,
      seenBeforeMs,
    );
    for (const { instance_id } of gone) await this.withdrawEdge(String(instance_id));
  }

  async edges(): Promise<EdgeRecord[]> {
    const rows = await this.#database.all(
      `SELECT ${columns} FROM edges ORDER BY edge_id, instance_id LIMIT ${maxEdges}`,
    );
    return rows.map(edgeOf);
  }

  async servedBy(tunnelId: string) {
    const rows = await this.#database.all(
      "SELECT instance_id, tunnel_id, agents, tiers FROM served_tunnels WHERE tunnel_id = ? ORDER BY instance_id",
      tunnelId,
    );
    return rows.map((row) => ({
      instanceId: String(row.instance_id),
      tunnelId: String(row.tunnel_id),
      agents: Number(row.agents),
      tiers: String(row.tiers).split(" ").filter((tier) => tier !== ""),
    }));
  }
}

async function writeServed(sql: Sql, instanceId: string, tunnel: ServedTunnel): Promise<void> {
  const { tunnelId, agents, tiers } = tunnel;
  if (agents === 0) {
    await sql.run(
      "DELETE FROM served_tunnels WHERE tunnel_id = ? AND instance_id = ?",
      tunnelId,
      instanceId,
    );
    return;
  }
  await sql.run(
    `INSERT INTO served_tunnels (tunnel_id, instance_id, agents, tiers) VALUES (?, ?, ?, ?)
     ON CONFLICT (tunnel_id, instance_id) DO UPDATE SET agents = excluded.agents, tiers = excluded.tiers`,
    tunnelId,
    instanceId,
    agents,
    tiers.join(" "),
  );
}

function edgeOf(row: Row): EdgeRecord {
  return {
    instanceId: String(row.instance_id),
    edgeId: String(row.edge_id),
    edgeUrl: String(row.edge_url),
    transport: String(row.transport),
    region: String(row.region),
    priority: Number(row.priority),
    publicKey: String(row.public_key),
    seenAtMs: Number(row.seen_at),
  };
}
