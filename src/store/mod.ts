/** Stores behind the port `Store`. */
export { openPostgresStore, type PostgresOptions } from "./postgres.ts";
export { openSqliteStore, type SqliteOptions } from "./sqlite.ts";
