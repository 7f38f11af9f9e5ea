/** A SQLite connection as the parts of a store see it: what belongs to a transaction is told apart from what comes meanwhile. */
import { PosternError } from "../errors/mod.ts";
import type { Row, Sql, SqlDatabase, SqlValue } from "./sql.ts";
import type { SqliteConnection } from "./sqlite_connection.ts";

/** Longest pause between two attempts. */
const maxPauseMs = 20;

export class SqliteDatabase implements SqlDatabase {
  readonly #connection: SqliteConnection;
  readonly #busyTimeoutMs: number;
  readonly #within: Sql;
  /** Ends when no transaction is open or waits for its turn. */
  #turn: Promise<void> = Promise.resolve();
  #waiting = 0;

  /** @param busyTimeoutMs how long another writer is waited for; the process goes on meanwhile */
  constructor(connection: SqliteConnection, busyTimeoutMs: number) {
    this.#connection = connection;
    this.#busyTimeoutMs = busyTimeoutMs;
    this.#within = sqlOf(connection);
    connection.script("PRAGMA busy_timeout = 0"); // SQLite's own wait would stop everything else of this thread
  }

  all(sql: string, ...values: SqlValue[]): Promise<Row[]> {
    return this.#between(() => this.#within.all(sql, ...values));
  }

  get(sql: string, ...values: SqlValue[]): Promise<Row | undefined> {
    return this.#between(() => this.#within.get(sql, ...values));
  }

  number(sql: string, ...values: SqlValue[]): Promise<number> {
    return this.#between(() => this.#within.number(sql, ...values));
  }

  run(sql: string, ...values: SqlValue[]): Promise<number> {
    return this.#between(() => this.#within.run(sql, ...values));
  }

  transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.#inTurn(() => this.#whole(work));
  }

  /** Nobody is told: a file is one edge's, but for the moment in which a new one takes over, and that asks for everything. */
  notify(): Promise<void> {
    return Promise.resolve();
  }

  listen(): Promise<() => Promise<void>> {
    return Promise.resolve(() => Promise.resolve());
  }

  async close(): Promise<void> {
    await this.#turn;
    this.#connection.close();
  }

  /** One connection is one transaction: a statement of somebody else would become part of it. */
  #between<T>(run: () => Promise<T>): Promise<T> {
    if (this.#waiting > 0) return this.#inTurn(() => this.#patiently(run));
    return run().catch((error) =>
      isBusy(error) ? this.#inTurn(() => this.#patiently(run)) : Promise.reject(error)
    );
  }

  async #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const before = this.#turn;
    const turn = Promise.withResolvers<void>();
    this.#turn = turn.promise;
    this.#waiting++;
    try {
      await before;
      return await run();
    } finally {
      this.#waiting--;
      turn.resolve();
    }
  }

  /** Tries again while another connection writes. */
  async #patiently<T>(run: () => Promise<T>): Promise<T> {
    const until = performance.now() + this.#busyTimeoutMs;
    for (let pauseMs = 1;; pauseMs = Math.min(2 * pauseMs, maxPauseMs)) {
      try {
        return await run();
      } catch (error) {
        if (!isBusy(error) || performance.now() >= until) throw error;
        await new Promise<void>((resolve) => setTimeout(resolve, pauseMs));
      }
    }
  }

  async #whole<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    await this.#patiently(() => rejecting(() => this.#connection.begin()));
    let result: T;
    try {
      result = await work(this.#within);
      this.#connection.commit();
    } catch (error) {
      this.#connection.rollBack();
      throw error;
    }
    return result;
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof PosternError && error.code === "store_busy";
}

// deno-lint-ignore require-await -- what throws here must reject there
const rejecting = async <T>(run: () => T): Promise<T> => run();

function sqlOf(connection: SqliteConnection): Sql {
  return {
    all: (sql, ...values) => rejecting(() => connection.all(sql, ...values)),
    get: (sql, ...values) => rejecting(() => connection.get(sql, ...values)),
    number: (sql, ...values) => rejecting(() => connection.number(sql, ...values)),
    run: (sql, ...values) => rejecting(() => connection.run(sql, ...values)),
  };
}
