/** Tells what each write took. A transaction is one write, and none when it changed nothing. */
import type { Sql, SqlDatabase } from "./sql.ts";

export interface WriteTimer {
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Seconds of each write, waiting for others included; also of those that fail. Must not throw. */
  readonly onWrite: (seconds: number) => void;
}

export function timedDatabase(database: SqlDatabase, { now, onWrite }: WriteTimer): SqlDatabase {
  const timed = async <T>(work: () => Promise<T>, isWrite: () => boolean): Promise<T> => {
    const startedMs = now();
    try {
      return await work();
    } finally {
      if (isWrite()) onWrite((now() - startedMs) / 1_000);
    }
  };
  return {
    all: (sql, ...values) => database.all(sql, ...values),
    get: (sql, ...values) => database.get(sql, ...values),
    number: (sql, ...values) => database.number(sql, ...values),
    run: (sql, ...values) => timed(() => database.run(sql, ...values), () => true),
    transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
      let writes = 0;
      const inside = (sql: Sql): Sql => ({
        all: (text, ...values) => sql.all(text, ...values),
        get: (text, ...values) => sql.get(text, ...values),
        number: (text, ...values) => sql.number(text, ...values),
        run: (text, ...values) => (writes++, sql.run(text, ...values)),
      });
      return timed(() => database.transaction((sql) => work(inside(sql))), () => writes > 0);
    },
    notify: (topic, text) => database.notify(topic, text),
    listen: (topic, onText, onGap) => database.listen(topic, onText, onGap),
    close: () => database.close(),
  };
}
