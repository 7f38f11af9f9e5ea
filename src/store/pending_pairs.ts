/** Pairs of grants until their window is over. The table is bounded. */
import type { GrantStore, PendingPair, PendingTokens } from "../ports/mod.ts";
import type { Row, SqlDatabase } from "./sql.ts";

const columns =
  "secret_sha256, tenant, channel_id, owner, tunnel_id, sealed_key, client_key, init_expire_at, " +
  "client_token, server_token, tokens_expire_at, reissues";

/** Whether the token in this column was used, or is not to be used any more. */
const spent = (column: string) =>
  `EXISTS (SELECT 1 FROM single_use WHERE kind = 'attach' AND id = pending_pairs.${column})`;

export interface PendingPairLimits {
  /** Wall clock, Unix milliseconds. */
  readonly wall: () => number;
  /** About 1 KiB each. */
  readonly maxPending: number;
}

export class SqlPendingPairs implements GrantStore {
  readonly #database: SqlDatabase;
  readonly #limits: PendingPairLimits;

  constructor(database: SqlDatabase, limits: PendingPairLimits) {
    this.#database = database;
    this.#limits = limits;
  }

  async putPendingPair(
    pair: Omit<PendingPair, "reissues">,
    maxPerOwner: number,
    maxPerTunnel: number = maxPerOwner,
  ) {
    return await this.#database.transaction(async (sql) => {
      await sql.run("DELETE FROM pending_pairs WHERE init_expire_at <= ?", this.#limits.wall());
      const taken = await sql.number(
        "SELECT count(*) FROM pending_pairs WHERE tenant = ? AND channel_id = ?",
        pair.tenant,
        pair.channelId,
      );
      if (taken > 0) return "id_taken";
      const waiting = await sql.all(
        `SELECT tunnel_id, count(*) AS waiting FROM pending_pairs WHERE owner = ?
          AND NOT (${spent("client_token")} AND ${spent("server_token")}) GROUP BY tunnel_id`,
        pair.owner,
      );
      const toTunnel = waiting.find(({ tunnel_id: id }) => id === pair.tunnelId)?.waiting ?? 0;
      const toAll = waiting.reduce((sum, one) => sum + Number(one.waiting), 0);
      if (toAll >= maxPerOwner || Number(toTunnel) >= maxPerTunnel) return "owner_full";
      if (await sql.number("SELECT count(*) FROM pending_pairs") >= this.#limits.maxPending) return "full";
      await sql.run(
        `INSERT INTO pending_pairs (${columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)`,
        pair.secretSha256,
        pair.tenant,
        pair.channelId,
        pair.owner,
        pair.tunnelId,
        pair.sealedKey,
        pair.clientKey ?? null,
        pair.initExpireAtMs,
        pair.tokens.client,
        pair.tokens.server,
        pair.tokens.expireAtMs,
      );
      return "kept";
    });
  }

  async pendingPair(secretSha256: string): Promise<PendingPair | undefined> {
    const row = await this.#database.get(
      `SELECT ${columns} FROM pending_pairs WHERE secret_sha256 = ? AND init_expire_at > ?`,
      secretSha256,
      this.#limits.wall(),
    );
    return row === undefined ? undefined : pairOf(row);
  }

  async replacePendingTokens(secretSha256: string, reissues: number, tokens: PendingTokens) {
    return await this.#database.run(
      `UPDATE pending_pairs SET client_token = ?, server_token = ?, tokens_expire_at = ?, reissues = reissues + 1
        WHERE secret_sha256 = ? AND reissues = ? AND init_expire_at > ?`,
      tokens.client,
      tokens.server,
      tokens.expireAtMs,
      secretSha256,
      reissues,
      this.#limits.wall(),
    ) === 1;
  }

  async dropPendingPair(secretSha256: string): Promise<void> {
    await this.#database.run("DELETE FROM pending_pairs WHERE secret_sha256 = ?", secretSha256);
  }
}

function pairOf(row: Row): PendingPair {
  return {
    tenant: String(row.tenant),
    channelId: String(row.channel_id),
    owner: String(row.owner),
    tunnelId: String(row.tunnel_id),
    secretSha256: String(row.secret_sha256),
    sealedKey: String(row.sealed_key),
    ...(row.client_key === null ? {} : { clientKey: String(row.client_key) }),
    initExpireAtMs: Number(row.init_expire_at),
    tokens: {
      client: String(row.client_token),
      server: String(row.server_token),
      expireAtMs: Number(row.tokens_expire_at),
    },
    reissues: Number(row.reissues),
  };
}
