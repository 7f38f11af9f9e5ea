/** The store in one schema of a PostgreSQL server, which several edges and control planes may share. */
import { PosternError } from "../errors/mod.ts";
import type { Store } from "../ports/mod.ts";
import { PostgresDatabase } from "./postgres_database.ts";
import { migratePostgres } from "./postgres_layout.ts";
import { sqlStore, type StoreOptions } from "./sql_store.ts";

export interface PostgresOptions extends StoreOptions {
  /** Schema of all tables; made when it is missing. */
  readonly schema?: string;
  readonly maxConnections?: number;
  /** How long a connection may take (ms, rounded up to seconds). */
  readonly connectMs?: number;
  /** How long another transaction is waited for (ms). */
  readonly lockMs?: number;
  /** How long one statement may run (ms). */
  readonly statementMs?: number;
}

const defaultSchema = "postern";
const defaultMaxConnections = 8;
const defaultConnectMs = 5_000;
const defaultLockMs = 5_000;
const defaultStatementMs = 10_000;

/**
 * Opens the store at `postgresql://user:password@host:port/database?sslmode=…`, and makes what is missing of it. Throws
 * `database_url_invalid`, `store_unavailable`, `store_unreachable`, `store_too_new`, `store_busy`, `store_failed`.
 */
export async function openPostgresStore(url: string, options: PostgresOptions = {}): Promise<Store> {
  const schema = options.schema ?? defaultSchema;
  // Never told: it may hold a password.
  if (!/^postgres(ql)?:\/\//.test(url)) {
    throw new PosternError("database_url_invalid", "Cannot open store: its URL is not postgresql://…");
  }
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(schema)) {
    throw new PosternError("store_unavailable", "Cannot open store: its schema is no name of one");
  }
  const database = new PostgresDatabase(url, schema, {
    maxConnections: options.maxConnections ?? defaultMaxConnections,
    connectMs: options.connectMs ?? defaultConnectMs,
    lockMs: options.lockMs ?? defaultLockMs,
    statementMs: options.statementMs ?? defaultStatementMs,
  });
  try {
    await database.transaction(async (sql) => {
      // Asked first: IF NOT EXISTS alone wants the right to make schemas even where there is one.
      const found = await sql.number("SELECT count(*) FROM pg_namespace WHERE nspname = ?", schema);
      if (found === 0) await sql.run(`CREATE SCHEMA ${schema}`);
      await migratePostgres(sql);
    });
  } catch (error) {
    await database.close();
    throw error;
  }
  return sqlStore(database, options);
}
