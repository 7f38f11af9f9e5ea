/** Stores behind the port `Store`. */
export { openSqliteStore, type SqliteOptions } from "./sqlite.ts";
