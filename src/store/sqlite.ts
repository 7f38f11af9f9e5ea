/** The store in one SQLite file: WAL, every commit on disk before it is answered. */
import type { Store } from "../ports/mod.ts";
import { sqlStore, type StoreOptions } from "./sql_store.ts";
import { SqliteConnection } from "./sqlite_connection.ts";
import { SqliteDatabase } from "./sqlite_database.ts";
import { migrateSqlite } from "./sqlite_layout.ts";

export interface SqliteOptions extends StoreOptions {
  /** How long another writer is waited for (ms). Only at the start the wait blocks this process. */
  readonly busyTimeoutMs?: number;
}

const defaultBusyTimeoutMs = 2_000;

/**
 * Opens, and makes when it is missing, the store in a file that only this user may read, or one in memory for
 * `:memory:`. Several processes may open one file. Throws `store_unavailable`, `store_too_new`, `store_busy`.
 */
export function openSqliteStore(path: string, options: SqliteOptions = {}): Store {
  const busyTimeoutMs = options.busyTimeoutMs ?? defaultBusyTimeoutMs;
  const connection = new SqliteConnection(path, busyTimeoutMs);
  try {
    migrateSqlite(connection);
  } catch (error) {
    connection.close();
    throw error;
  }
  return sqlStore(new SqliteDatabase(connection, busyTimeoutMs), options);
}
