/** Stores behind the port `Store`. */
export {
  defaultMaxAuditEntries,
  defaultMaxChallenges,
  defaultMaxRemembered,
  openSqliteStore,
  type SqliteOptions,
} from "./sqlite.ts";
