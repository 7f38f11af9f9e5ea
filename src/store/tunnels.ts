/** Tunnels, their ports, and the agents that proved themselves for them. */
import type {
  AgentBinding,
  AgentStore,
  Revised,
  TunnelClaim,
  TunnelClaimed,
  TunnelRecord,
  TunnelStore,
} from "../ports/mod.ts";
import type { Row, Sql, SqlDatabase } from "./sql.ts";

const columns =
  "tunnel_id, name, owner, anonymous, protocol, public_port, public_udp_port, created_at, held_until, rules, rules_revision, require_tier";

/** Most tunnels that are returned at once. */
const maxTunnelPage = 1_000;

/** Where ports of a protocol are kept, and the setting that remembers the last one that was given away. */
const tcpPort = { column: "public_port", kind: "tcp", cursor: "store.last_public_port" } as const;
const udpPort = { column: "public_udp_port", kind: "udp", cursor: "store.last_public_udp_port" } as const;

export class SqlTunnels implements TunnelStore, AgentStore {
  readonly #database: SqlDatabase;

  constructor(database: SqlDatabase) {
    this.#database = database;
  }

  async claimTunnel(claim: TunnelClaim): Promise<TunnelClaimed> {
    return await this.#database.transaction((sql) => claimed(sql, claim));
  }

  async tunnel(tunnelId: string): Promise<TunnelRecord | undefined> {
    return tunnelOf(await this.#database.get(`SELECT ${columns} FROM tunnels WHERE tunnel_id = ?`, tunnelId));
  }

  async tunnelByName(name: string): Promise<TunnelRecord | undefined> {
    return await tunnelByName(this.#database, name);
  }

  async privateTunnel(owner: string, name: string): Promise<TunnelRecord | undefined> {
    return await tunnelByName(this.#database, privateKey(owner, name));
  }

  async tunnelsOf(owner: string): Promise<TunnelRecord[]> {
    const rows = await this.#database.all(
      `SELECT ${columns} FROM tunnels WHERE owner = ? ORDER BY created_at, tunnel_id`,
      owner,
    );
    return rows.map(knownTunnel);
  }

  async tunnels(limit: number, afterTunnelId = ""): Promise<TunnelRecord[]> {
    const rows = await this.#database.all(
      `SELECT ${columns} FROM tunnels WHERE tunnel_id > ? ORDER BY tunnel_id LIMIT ?`,
      afterTunnelId,
      Math.min(limit, maxTunnelPage),
    );
    return rows.map(knownTunnel);
  }

  async countTunnels(): Promise<number> {
    return await this.#database.number("SELECT count(*) FROM tunnels");
  }

  async adoptTunnel(tunnelId: string, owner: string, maxTunnels: number) {
    return await this.#database.transaction(async (sql) => {
      const tunnel = await sql.get("SELECT anonymous FROM tunnels WHERE tunnel_id = ?", tunnelId);
      if (Number(tunnel?.anonymous) !== 1) return "not_anonymous";
      if (await countOf(sql, owner) >= maxTunnels) return "too_many";
      await sql.run(
        "UPDATE tunnels SET owner = ?, anonymous = 0, created_from = NULL WHERE tunnel_id = ?",
        owner,
        tunnelId,
      );
      return "adopted";
    });
  }

  async holdTunnel(tunnelId: string, heldUntilMs: number): Promise<boolean> {
    const changed = await this.#database.run(
      "UPDATE tunnels SET held_until = CASE WHEN held_until > ? THEN held_until ELSE ? END WHERE tunnel_id = ?",
      heldUntilMs,
      heldUntilMs,
      tunnelId,
    );
    return changed === 1;
  }

  async setTunnelRules(tunnelId: string, value: string): Promise<Revised<string> | undefined> {
    return await this.#database.transaction(async (sql) => {
      await sql.run(
        `UPDATE tunnels SET rules = ?, rules_revision = rules_revision + 1
          WHERE tunnel_id = ? AND rules IS DISTINCT FROM ?`,
        value,
        tunnelId,
        value,
      );
      const tunnel = await sql.get(`SELECT ${columns} FROM tunnels WHERE tunnel_id = ?`, tunnelId);
      return tunnelOf(tunnel)?.rules;
    });
  }

  async setTunnelTier(tunnelId: string, requireTier: "tpm" | null): Promise<boolean> {
    return await this.#database.run(
      "UPDATE tunnels SET require_tier = ? WHERE tunnel_id = ?",
      requireTier,
      tunnelId,
    ) === 1;
  }

  async deleteTunnel(tunnelId: string, heldBeforeMs?: number): Promise<boolean> {
    if (heldBeforeMs === undefined) {
      return await this.#database.run("DELETE FROM tunnels WHERE tunnel_id = ?", tunnelId) === 1;
    }
    const changed = await this.#database.run(
      "DELETE FROM tunnels WHERE tunnel_id = ? AND anonymous = 1 AND held_until < ?",
      tunnelId,
      heldBeforeMs,
    );
    return changed === 1;
  }

  async abandonedTunnels(heldBeforeMs: number, limit: number): Promise<TunnelRecord[]> {
    const rows = await this.#database.all(
      `SELECT ${columns} FROM tunnels WHERE anonymous = 1 AND held_until < ? ORDER BY held_until LIMIT ?`,
      heldBeforeMs,
      limit,
    );
    return rows.map(knownTunnel);
  }

  async bindAgent(tunnelId: string, agentId: string, nowMs: number, maxAgents: number) {
    return await this.#database.transaction(async (sql) => {
      const known = await sql.run(
        "UPDATE agents SET last_seen = ? WHERE tunnel_id = ? AND agent_id = ?",
        nowMs,
        tunnelId,
        agentId,
      );
      if (known === 1) return "known";
      const bound = await sql.number("SELECT count(*) FROM agents WHERE tunnel_id = ?", tunnelId);
      if (bound >= maxAgents) return "too_many";
      await sql.run("INSERT INTO agents VALUES (?, ?, ?, ?)", tunnelId, agentId, nowMs, nowMs);
      return bound === 0 ? "first" : "new";
    });
  }

  async agentsOf(tunnelId: string): Promise<AgentBinding[]> {
    const rows = await this.#database.all(
      "SELECT agent_id, first_seen, last_seen FROM agents WHERE tunnel_id = ? ORDER BY first_seen, agent_id",
      tunnelId,
    );
    return rows.map((row) => ({
      agentId: String(row.agent_id),
      firstSeenMs: Number(row.first_seen),
      lastSeenMs: Number(row.last_seen),
    }));
  }
}

async function claimed(sql: Sql, claim: TunnelClaim): Promise<TunnelClaimed> {
  const name = keyOf(claim);
  const holder = await tunnelByName(sql, name);
  if (holder !== undefined) return { outcome: "name_taken", holder };
  const paired = claim.pairedName === undefined ? undefined : await tunnelByName(sql, claim.pairedName);
  if (paired !== undefined && paired.owner !== claim.owner) {
    return { outcome: "name_taken", holder: paired };
  }
  const foreign = await foreignHolder(sql, claim);
  if (foreign !== undefined) return { outcome: "name_taken", holder: foreign };
  const owned = claim.anonymous
    ? await sql.number("SELECT count(*) FROM tunnels WHERE anonymous = 1")
    : await countOf(sql, claim.owner);
  if (owned >= claim.maxTunnels || await countFrom(sql, claim) >= (claim.from?.maxTunnels ?? 1)) {
    return { outcome: "too_many" };
  }
  const port = await takePort(sql, claim);
  if (claim.ports !== undefined && port === undefined) return { outcome: "no_port" };
  await sql.run(
    `INSERT INTO tunnels (${columns}, created_from) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    claim.tunnelId,
    name,
    claim.owner,
    claim.anonymous ? 1 : 0,
    claim.protocol,
    claim.protocol === "udp" ? null : port ?? null,
    claim.protocol === "udp" ? port ?? null : null,
    claim.createdAtMs,
    claim.heldUntilMs,
    claim.rules ?? null,
    claim.rules === undefined ? 0 : 1,
    claim.requireTier ?? null,
    claim.from?.address ?? null,
  );
  return { outcome: "created", tunnel: await tunnelByName(sql, name) as TunnelRecord };
}

/** A subject of another issuer that has the name, or its pair. */
async function foreignHolder(
  sql: Sql,
  { name, pairedName, protocol }: TunnelClaim,
): Promise<TunnelRecord | undefined> {
  if (protocol === "private") return undefined;
  const row = await sql.get(
    "SELECT route, subject, claimed_at FROM routes WHERE kind = 'name' AND route IN (?, ?)",
    name,
    pairedName ?? name,
  );
  if (row === undefined) return undefined;
  const [subject, claimedAtMs] = [String(row.subject), Number(row.claimed_at)];
  return {
    tunnelId: subject,
    name: String(row.route),
    owner: subject,
    anonymous: false,
    protocol: "http",
    createdAtMs: claimedAtMs,
    heldUntilMs: claimedAtMs,
  };
}

async function countOf(sql: Sql, owner: string): Promise<number> {
  return await sql.number("SELECT count(*) FROM tunnels WHERE owner = ?", owner);
}

async function countFrom(sql: Sql, { from }: TunnelClaim): Promise<number> {
  if (from === undefined) return 0;
  return await sql.number("SELECT count(*) FROM tunnels WHERE created_from = ?", from.address);
}

/** The next free port after the last one given: a port that was just freed rests longest, its old clients may return. */
async function takePort(sql: Sql, { protocol, ports }: TunnelClaim): Promise<number | undefined> {
  if (ports === undefined) return undefined;
  const { first, last } = ports;
  const { column, kind, cursor: portCursor } = protocol === "udp" ? udpPort : tcpPort;
  const rows = [
    ...await sql.all(
      `SELECT ${column} AS port FROM tunnels WHERE ${column} BETWEEN ? AND ?`,
      first,
      last,
    ),
    ...await sql.all("SELECT route AS port FROM routes WHERE kind = ?", kind),
  ];
  const used = new Set(rows.map((row) => Number(row.port)).filter((port) => port >= first && port <= last));
  const size = last - first + 1;
  if (used.size >= size) return undefined;
  const cursor = await sql.number("SELECT value FROM settings WHERE key = ?", portCursor);
  const start = cursor >= first && cursor < last ? cursor + 1 : first;
  for (let step = 0; step < size; step++) {
    const port = first + (start - first + step) % size;
    if (used.has(port)) continue;
    await sql.run(
      "INSERT INTO settings VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
      portCursor,
      String(port),
    );
    return port;
  }
  return undefined;
}

/** What stands in the column of names; no host name has a slash. */
function keyOf({ protocol, owner, name }: Pick<TunnelRecord, "protocol" | "owner" | "name">): string {
  return protocol === "private" ? privateKey(owner, name) : name;
}

function privateKey(owner: string, name: string): string {
  return `private/${owner}/${name}`;
}

async function tunnelByName(sql: Sql, name: string): Promise<TunnelRecord | undefined> {
  return tunnelOf(await sql.get(`SELECT ${columns} FROM tunnels WHERE name = ?`, name));
}

function tunnelOf(row: Row | undefined): TunnelRecord | undefined {
  return row === undefined ? undefined : knownTunnel(row);
}

/** What this program does not know stands for http, as in layouts of before. */
function protocolOf(value: unknown): TunnelRecord["protocol"] {
  return value === "tcp" || value === "tls" || value === "udp" || value === "private" ? value : "http";
}

function knownTunnel(row: Row): TunnelRecord {
  const port = row.public_port ?? row.public_udp_port;
  return {
    tunnelId: String(row.tunnel_id),
    name: protocolOf(row.protocol) === "private"
      ? String(row.name).slice(privateKey(String(row.owner), "").length)
      : String(row.name),
    owner: String(row.owner),
    anonymous: Number(row.anonymous) === 1,
    protocol: protocolOf(row.protocol),
    ...(port === null ? {} : { publicPort: Number(port) }),
    createdAtMs: Number(row.created_at),
    heldUntilMs: Number(row.held_until),
    ...(row.rules === null
      ? {}
      : { rules: { revision: Number(row.rules_revision), value: String(row.rules) } }),
    // A tier that this program does not know is not weaker than the one that it does know.
    ...(row.require_tier === null ? {} : { requireTier: "tpm" }),
  };
}
