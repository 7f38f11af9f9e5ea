/** Sessions of administrators, and secrets that may be fetched once. */
import { PosternError } from "../errors/mod.ts";
import type { AdminSession, AdminStore, Delivery } from "../ports/mod.ts";
import type { Row, Sql, SqlDatabase } from "./sql.ts";

const columns = "session_id, secret_sha256, kind, account_id, address, opened_at, used_at, expires_at";

export interface AdminSessionLimits {
  /** Wall clock, Unix milliseconds. */
  readonly wall: () => number;
  /** Deliveries that can still be fetched; about 300 bytes each. */
  readonly maxDeliveries: number;
}

type SessionParts = Pick<
  AdminStore,
  | "openAdminSession"
  | "adminSession"
  | "adminSessionBySecret"
  | "adminSessionsOf"
  | "useAdminSession"
  | "rotateAdminSession"
  | "closeAdminSession"
  | "closeAdminSessions"
  | "putDelivery"
  | "takeDelivery"
>;

export class SqlAdminSessions implements SessionParts {
  readonly #database: SqlDatabase;
  readonly #limits: AdminSessionLimits;

  constructor(database: SqlDatabase, limits: AdminSessionLimits) {
    this.#database = database;
    this.#limits = limits;
  }

  async openAdminSession(session: AdminSession, maxPerAccount: number): Promise<void> {
    await this.#database.transaction(async (sql) => {
      await close(sql, "expires_at <= ?", this.#limits.wall());
      await close(
        sql,
        `session_id IN (SELECT session_id FROM admin_sessions WHERE account_id = ?
           ORDER BY used_at DESC, session_id LIMIT ? OFFSET ?)`,
        session.accountId,
        Number.MAX_SAFE_INTEGER,
        maxPerAccount - 1,
      );
      await sql.run(
        `INSERT INTO admin_sessions (${columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
        session.sessionId,
        session.secretSha256,
        session.kind,
        session.accountId,
        session.address,
        session.openedAtMs,
        session.usedAtMs,
        session.expiresAtMs,
      );
    });
  }

  async adminSession(sessionId: string): Promise<AdminSession | undefined> {
    return await sessionBy(this.#database, "session_id", sessionId);
  }

  async adminSessionBySecret(secretSha256: string): Promise<AdminSession | undefined> {
    return await sessionBy(this.#database, "secret_sha256", secretSha256);
  }

  async adminSessionsOf(accountId: string): Promise<AdminSession[]> {
    const rows = await this.#database.all(
      `SELECT ${columns} FROM admin_sessions WHERE account_id = ? ORDER BY used_at DESC, session_id`,
      accountId,
    );
    return rows.map(sessionOf);
  }

  async useAdminSession(sessionId: string, nowMs: number): Promise<void> {
    await this.#database.run(
      "UPDATE admin_sessions SET used_at = ? WHERE session_id = ? AND used_at < ?",
      nowMs,
      sessionId,
      nowMs,
    );
  }

  async rotateAdminSession(secretSha256: string, nextSha256: string, nowMs: number) {
    return await this.#database.transaction(async (sql) => {
      const session = await sessionBy(sql, "secret_sha256", secretSha256);
      if (session !== undefined) {
        await sql.run("INSERT INTO admin_spent_secrets VALUES (?, ?)", secretSha256, session.sessionId);
        await sql.run(
          "UPDATE admin_sessions SET secret_sha256 = ?, used_at = ? WHERE session_id = ?",
          nextSha256,
          nowMs,
          session.sessionId,
        );
        return { outcome: "rotated" as const, session };
      }
      const spent = await sql.get(
        "SELECT session_id FROM admin_spent_secrets WHERE secret_sha256 = ?",
        secretSha256,
      );
      const reused = spent && await sessionBy(sql, "session_id", String(spent.session_id));
      if (reused === undefined) return undefined;
      await close(sql, "session_id = ?", reused.sessionId);
      return { outcome: "reused" as const, session: reused };
    });
  }

  async closeAdminSession(sessionId: string): Promise<boolean> {
    return await this.#database.transaction((sql) => close(sql, "session_id = ?", sessionId)) > 0;
  }

  async closeAdminSessions(accountId: string, exceptId = ""): Promise<number> {
    return await this.#database.transaction((sql) =>
      close(sql, "account_id = ? AND session_id <> ?", accountId, exceptId)
    );
  }

  async putDelivery({ secretSha256, subject, sealed, expiresAtMs }: Delivery): Promise<void> {
    const { wall, maxDeliveries } = this.#limits;
    await this.#database.transaction(async (sql) => {
      await sql.run("DELETE FROM deliveries WHERE expires_at <= ?", wall());
      const open = await sql.number("SELECT count(*) FROM deliveries");
      if (open >= maxDeliveries) {
        throw new PosternError("deliveries_full", `Cannot make link: ${open} can still be opened`);
      }
      await sql.run(
        "INSERT INTO deliveries (secret_sha256, subject, sealed, expires_at) VALUES (?, ?, ?, ?)",
        secretSha256,
        subject,
        sealed,
        expiresAtMs,
      );
    });
  }

  async takeDelivery(secretSha256: string, nowMs: number): Promise<Delivery | undefined> {
    const row = await this.#database.get(
      "DELETE FROM deliveries WHERE secret_sha256 = ? RETURNING subject, sealed, expires_at",
      secretSha256,
    );
    if (row === undefined || Number(row.expires_at) <= nowMs) return undefined;
    return {
      secretSha256,
      subject: String(row.subject),
      sealed: String(row.sealed),
      expiresAtMs: Number(row.expires_at),
    };
  }
}

/** Deletes sessions with what they have spent; how many. */
async function close(sql: Sql, where: string, ...values: (string | number)[]): Promise<number> {
  await sql.run(
    `DELETE FROM admin_spent_secrets WHERE session_id IN (SELECT session_id FROM admin_sessions WHERE ${where})`,
    ...values,
  );
  return await sql.run(`DELETE FROM admin_sessions WHERE ${where}`, ...values);
}

async function sessionBy(
  sql: Sql,
  column: "session_id" | "secret_sha256",
  value: string,
): Promise<AdminSession | undefined> {
  const row = await sql.get(`SELECT ${columns} FROM admin_sessions WHERE ${column} = ?`, value);
  return row && sessionOf(row);
}

function sessionOf(row: Row): AdminSession {
  return {
    sessionId: String(row.session_id),
    secretSha256: String(row.secret_sha256),
    kind: row.kind as AdminSession["kind"],
    accountId: String(row.account_id),
    address: String(row.address),
    openedAtMs: Number(row.opened_at),
    usedAtMs: Number(row.used_at),
    expiresAtMs: Number(row.expires_at),
  };
}
