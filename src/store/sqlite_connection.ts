/** One SQLite connection: prepared statements kept by their text, transactions, and errors with codes. */
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { PosternError } from "../errors/mod.ts";
import type { Row } from "./sql.ts";

export class SqliteConnection {
  readonly #connection: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #open = true;

  /** @param path a file, or `:memory:`. Throws `store_unavailable`, `store_busy`. */
  constructor(path: string, busyTimeoutMs: number) {
    try {
      if (path !== ":memory:") makePrivate(path);
      this.#connection = new DatabaseSync(path);
      this.#connection.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
      this.#connection.exec("PRAGMA journal_mode = WAL");
      // A token that was spent must stay spent when the power fails: one fsync a transaction.
      this.#connection.exec("PRAGMA synchronous = FULL");
      this.#connection.exec("PRAGMA foreign_keys = ON");
      this.#connection.exec("PRAGMA trusted_schema = OFF");
    } catch (cause) {
      if (isBusy(cause)) throw busy(cause);
      throw new PosternError("store_unavailable", "Cannot open store: the database cannot be opened", {
        cause,
      });
    }
  }

  all(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#attempt(() => this.#statement(sql).all(...values) as Row[]);
  }

  get(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#attempt(() => this.#statement(sql).get(...values) as Row | undefined);
  }

  /** First column of the first row as a number; 0 without a row. */
  number(sql: string, ...values: SQLInputValue[]): number {
    const row = this.get(sql, ...values);
    return row === undefined ? 0 : Number(Object.values(row)[0]);
  }

  /** Runs one statement and says how many rows it changed. */
  run(sql: string, ...values: SQLInputValue[]): number {
    return this.#attempt(() => Number(this.#statement(sql).run(...values).changes));
  }

  /** Runs several statements without values. */
  script(sql: string): void {
    this.#attempt(() => this.#connection.exec(sql));
  }

  /** Begins a transaction, alone among all writers of all processes. */
  begin(): void {
    // IMMEDIATE takes the write lock first: a later upgrade could fail in the middle.
    this.script("BEGIN IMMEDIATE");
  }

  /** What throws here is to be followed by {@link rollBack}. */
  commit(): void {
    this.script("COMMIT");
  }

  /** Never throws. */
  rollBack(): void {
    try {
      this.#connection.exec("ROLLBACK");
    } catch {
      // SQLite has rolled back by itself (disk full, IO error): the first error is the one to report.
    }
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#statements.clear();
    this.#connection.close();
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#connection.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #attempt<T>(work: () => T): T {
    if (!this.#open) throw new PosternError("store_failed", "Cannot use store: it is closed");
    try {
      return work();
    } catch (cause) {
      if (cause instanceof PosternError) throw cause;
      if (isBusy(cause)) throw busy(cause);
      throw new PosternError("store_failed", "Cannot use store: the database refused the operation", {
        cause,
      });
    }
  }
}

/** The file holds private keys: readable by its owner only. SQLite gives -wal and -shm the same mode. */
function makePrivate(path: string): void {
  Deno.openSync(path, { write: true, create: true, mode: 0o600 }).close();
  if (Deno.build.os !== "windows") Deno.chmodSync(path, 0o600);
}

// The runtime gives no numeric code: SQLITE_BUSY is known by its text only.
function isBusy(cause: unknown): boolean {
  return cause instanceof Error && /database (table )?is locked/.test(cause.message);
}

function busy(cause: unknown): PosternError {
  return new PosternError("store_busy", "Cannot use store: another writer holds it", { cause });
}
