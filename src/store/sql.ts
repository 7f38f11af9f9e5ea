/** What the parts of a store ask of a database. Statements are written so that SQLite and PostgreSQL understand them alike. */

/** Integers may come as decimal text. */
export type Row = Record<string, string | number | null>;
export type SqlValue = string | number | null;

/** Runs statements; `?` stands for a value. Throws `store_busy`, `store_unreachable`, `store_failed`. */
export interface Sql {
  all(sql: string, ...values: SqlValue[]): Promise<Row[]>;
  get(sql: string, ...values: SqlValue[]): Promise<Row | undefined>;
  /** First column of the first row as a number; 0 without a row. */
  number(sql: string, ...values: SqlValue[]): Promise<number>;
  /** Runs one statement and says how many rows it changed. */
  run(sql: string, ...values: SqlValue[]): Promise<number>;
}

export interface SqlDatabase extends Sql {
  /** Runs `work` alone among all transactions of all processes, whole or not at all. Not to be nested. */
  transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
  /** Tells all processes that listen to the topic, this one too. At most 7,000 bytes of text. */
  notify(topic: string, text: string): Promise<void>;
  /** Calls back with every text, and with `onGap` when some may have been missed. What it returns ends it. */
  listen(topic: string, onText: (text: string) => void, onGap: () => void): Promise<() => Promise<void>>;
  close(): Promise<void>;
}
