/** Accounts of administrators, and the invites that make them. */
import { PosternError } from "../errors/mod.ts";
import type {
  AdminAccount,
  AdminAccountChange,
  AdminInvite,
  AdminRole,
  AdminStore,
  AdminTotp,
} from "../ports/mod.ts";
import type { Row, Sql, SqlDatabase } from "./sql.ts";

const columns = "account_id, name, role, password_hash, subject, created_by, created_at";

export interface AdminAccountLimits {
  /** Wall clock, Unix milliseconds. */
  readonly wall: () => number;
  readonly maxAccounts: number;
  /** Invites that can still be used. */
  readonly maxInvites: number;
}

type AccountParts = Pick<
  AdminStore,
  | "adminAccounts"
  | "adminAccount"
  | "adminAccountByName"
  | "adminAccountBySubject"
  | "addAdminAccount"
  | "changeAdminAccount"
  | "deleteAdminAccount"
  | "adminTotp"
  | "proposeAdminTotp"
  | "spendAdminTotp"
  | "removeAdminTotp"
  | "adminTotpAccounts"
  | "putAdminInvite"
  | "adminInvite"
  | "acceptAdminInvite"
>;

export class SqlAdminAccounts implements AccountParts {
  readonly #database: SqlDatabase;
  readonly #limits: AdminAccountLimits;

  constructor(database: SqlDatabase, limits: AdminAccountLimits) {
    this.#database = database;
    this.#limits = limits;
  }

  async adminAccounts(): Promise<AdminAccount[]> {
    return (await this.#database.all(`SELECT ${columns} FROM admin_accounts ORDER BY name`)).map(accountOf);
  }

  async adminAccount(accountId: string): Promise<AdminAccount | undefined> {
    return await accountBy(this.#database, "account_id", accountId);
  }

  async adminAccountByName(name: string): Promise<AdminAccount | undefined> {
    return await accountBy(this.#database, "name", name);
  }

  async adminAccountBySubject(subject: string): Promise<AdminAccount | undefined> {
    return await accountBy(this.#database, "subject", subject);
  }

  async addAdminAccount(account: AdminAccount): Promise<"added" | "name_taken" | "too_many"> {
    return await this.#database.transaction((sql) => this.#add(sql, account));
  }

  async changeAdminAccount(accountId: string, { role, passwordHash }: AdminAccountChange) {
    return await this.#database.transaction(async (sql) => {
      const account = await accountBy(sql, "account_id", accountId);
      if (account === undefined) return "unknown";
      if ((role ?? "owner") !== "owner" && await isLastOwner(sql, account)) return "last_owner";
      await sql.run(
        "UPDATE admin_accounts SET role = ?, password_hash = ? WHERE account_id = ?",
        role ?? account.role,
        passwordHash ?? account.passwordHash ?? null,
        accountId,
      );
      return "changed";
    });
  }

  async deleteAdminAccount(accountId: string) {
    return await this.#database.transaction(async (sql) => {
      const account = await accountBy(sql, "account_id", accountId);
      if (account === undefined) return "unknown";
      if (await isLastOwner(sql, account)) return "last_owner";
      await sql.run(
        "DELETE FROM admin_spent_secrets WHERE session_id IN (SELECT session_id FROM admin_sessions WHERE account_id = ?)",
        accountId,
      );
      await sql.run("DELETE FROM admin_sessions WHERE account_id = ?", accountId);
      await sql.run("DELETE FROM admin_totp WHERE account_id = ?", accountId);
      await sql.run("DELETE FROM admin_accounts WHERE account_id = ?", accountId);
      return "deleted";
    });
  }

  async adminTotp(accountId: string): Promise<AdminTotp | undefined> {
    const row = await this.#database.get(
      "SELECT secret, last_step FROM admin_totp WHERE account_id = ?",
      accountId,
    );
    return row && { secret: String(row.secret), isConfirmed: Number(row.last_step) >= 0 };
  }

  async proposeAdminTotp(accountId: string, secret: string, atMs: number): Promise<boolean> {
    return await this.#database.transaction(async (sql) => {
      const kept = await sql.number(
        "SELECT count(*) FROM admin_totp WHERE account_id = ? AND last_step >= 0",
        accountId,
      );
      if (kept > 0) return false;
      await sql.run("DELETE FROM admin_totp WHERE account_id = ?", accountId);
      await sql.run(
        "INSERT INTO admin_totp (account_id, secret, last_step, created_at) VALUES (?, ?, -1, ?)",
        accountId,
        secret,
        atMs,
      );
      return true;
    });
  }

  async spendAdminTotp(accountId: string, step: number): Promise<boolean> {
    return await this.#database.run(
      "UPDATE admin_totp SET last_step = ? WHERE account_id = ? AND last_step < ?",
      step,
      accountId,
      step,
    ) > 0;
  }

  async removeAdminTotp(accountId: string): Promise<boolean> {
    return await this.#database.run("DELETE FROM admin_totp WHERE account_id = ?", accountId) > 0;
  }

  async adminTotpAccounts(): Promise<string[]> {
    const rows = await this.#database.all("SELECT account_id FROM admin_totp WHERE last_step >= 0");
    return rows.map(({ account_id }) => String(account_id));
  }

  async putAdminInvite(invite: AdminInvite): Promise<void> {
    const { secretSha256, role, onlyFirst, createdBy, expiresAtMs } = invite;
    await this.#database.transaction(async (sql) => {
      await sql.run("DELETE FROM admin_invites WHERE expires_at <= ?", this.#limits.wall());
      const open = await sql.number("SELECT count(*) FROM admin_invites");
      if (open >= this.#limits.maxInvites) {
        throw new PosternError("admin_invites_full", `Cannot make invite: ${open} can still be used`);
      }
      await sql.run(
        "INSERT INTO admin_invites (secret_sha256, role, only_first, created_by, expires_at) VALUES (?, ?, ?, ?, ?)",
        secretSha256,
        role,
        onlyFirst ? 1 : 0,
        createdBy,
        expiresAtMs,
      );
    });
  }

  async adminInvite(secretSha256: string, nowMs: number): Promise<AdminInvite | undefined> {
    return await inviteOf(this.#database, secretSha256, nowMs);
  }

  async acceptAdminInvite(
    secretSha256: string,
    nowMs: number,
    account: Omit<AdminAccount, "role" | "createdBy">,
  ) {
    return await this.#database.transaction(async (sql) => {
      const invite = await inviteOf(sql, secretSha256, nowMs);
      if (invite === undefined) return "refused";
      const whole = { ...account, role: invite.role, createdBy: invite.createdBy };
      const outcome = await this.#add(sql, whole);
      // A name that is taken does not spend the invite.
      if (outcome !== "added") return outcome;
      await sql.run("DELETE FROM admin_invites WHERE secret_sha256 = ?", secretSha256);
      return whole;
    });
  }

  async #add(sql: Sql, account: AdminAccount): Promise<"added" | "name_taken" | "too_many"> {
    if (await accountBy(sql, "name", account.name) !== undefined) return "name_taken";
    if (account.subject !== undefined && await accountBy(sql, "subject", account.subject) !== undefined) {
      return "name_taken";
    }
    if (await sql.number("SELECT count(*) FROM admin_accounts") >= this.#limits.maxAccounts) {
      return "too_many";
    }
    await sql.run(
      `INSERT INTO admin_accounts (${columns}) VALUES (?, ?, ?, ?, ?, ?, ?)`,
      account.accountId,
      account.name,
      account.role,
      account.passwordHash ?? null,
      account.subject ?? null,
      account.createdBy,
      account.createdAtMs,
    );
    return "added";
  }
}

async function accountBy(
  sql: Sql,
  column: "account_id" | "name" | "subject",
  value: string,
): Promise<AdminAccount | undefined> {
  const row = await sql.get(`SELECT ${columns} FROM admin_accounts WHERE ${column} = ?`, value);
  return row && accountOf(row);
}

async function isLastOwner(sql: Sql, { role }: AdminAccount): Promise<boolean> {
  return role === "owner" &&
    await sql.number("SELECT count(*) FROM admin_accounts WHERE role = 'owner'") === 1;
}

async function inviteOf(sql: Sql, secretSha256: string, nowMs: number): Promise<AdminInvite | undefined> {
  const row = await sql.get(
    `SELECT role, only_first, created_by, expires_at FROM admin_invites
     WHERE secret_sha256 = ? AND expires_at > ?`,
    secretSha256,
    nowMs,
  );
  if (row === undefined) return undefined;
  const onlyFirst = Number(row.only_first) === 1;
  if (onlyFirst && await sql.number("SELECT count(*) FROM admin_accounts") > 0) return undefined;
  return {
    secretSha256,
    role: row.role as AdminRole,
    onlyFirst,
    createdBy: String(row.created_by),
    expiresAtMs: Number(row.expires_at),
  };
}

function accountOf(row: Row): AdminAccount {
  return {
    accountId: String(row.account_id),
    name: String(row.name),
    role: row.role as AdminRole,
    ...(row.password_hash === null ? {} : { passwordHash: String(row.password_hash) }),
    ...(row.subject === null ? {} : { subject: String(row.subject) }),
    createdBy: String(row.created_by),
    createdAtMs: Number(row.created_at),
  };
}
