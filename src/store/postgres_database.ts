/** A PostgreSQL server as the parts of a store see it: a few connections, each statement bounded in time. */
import postgres from "postgres";
import { PosternError } from "../errors/mod.ts";
import type { Row, Sql, SqlDatabase, SqlValue } from "./sql.ts";

export interface PostgresLimits {
  /** Most connections of this process. */
  readonly maxConnections: number;
  /** How long a connection may take (ms, rounded up to seconds). */
  readonly connectMs: number;
  /** How long another transaction is waited for (ms). */
  readonly lockMs: number;
  /** How long one statement may run (ms). */
  readonly statementMs: number;
}

type Client = postgres.Sql;
type Statements = Pick<Client, "unsafe">;

/** `pstn`: whoever shares the server takes another number for locks of its own. */
const lockKey = 0x7073746e;
const closeSeconds = 5;

export class PostgresDatabase implements SqlDatabase {
  readonly #client: Client;
  readonly #schema: string;
  readonly #direct: Sql;
  #isClosed = false;

  /** Connects with the first statement. @param url `postgresql://…`; may hold a password, is never told */
  constructor(url: string, schema: string, limits: PostgresLimits) {
    this.#client = postgres(url, {
      max: limits.maxConnections,
      connect_timeout: Math.ceil(limits.connectMs / 1_000),
      max_lifetime: null,
      onnotice() {},
      connection: {
        application_name: "postern",
        search_path: schema,
        lock_timeout: limits.lockMs,
        statement_timeout: limits.statementMs,
        // A process that is stopped in the middle of a transaction must not hold up the others.
        idle_in_transaction_session_timeout: limits.statementMs,
      },
    });
    this.#schema = schema;
    this.#direct = this.#sqlOf(this.#client);
  }

  all(sql: string, ...values: SqlValue[]): Promise<Row[]> {
    return this.#direct.all(sql, ...values);
  }

  get(sql: string, ...values: SqlValue[]): Promise<Row | undefined> {
    return this.#direct.get(sql, ...values);
  }

  number(sql: string, ...values: SqlValue[]): Promise<number> {
    return this.#direct.number(sql, ...values);
  }

  run(sql: string, ...values: SqlValue[]): Promise<number> {
    return this.#direct.run(sql, ...values);
  }

  /** One at a time over all processes, as with SQLite: what is counted here cannot change before it is acted on. */
  async transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    if (this.#isClosed) throw closed();
    let result: T;
    await this.#attempt(() =>
      this.#client.begin(async (statements) => {
        await statements.unsafe("SELECT pg_advisory_xact_lock($1)", [lockKey], { prepare: true });
        result = await work(this.#sqlOf(statements));
      })
    );
    return result!;
  }

  async notify(topic: string, text: string): Promise<void> {
    await this.run("SELECT pg_notify(?, ?)", this.#channelOf(topic), text);
  }

  /** On a connection of its own, which is made anew when it is lost: that is the gap. */
  async listen(
    topic: string,
    onText: (text: string) => void,
    onGap: () => void,
  ): Promise<() => Promise<void>> {
    if (this.#isClosed) throw closed();
    let isListening = false;
    const { unlisten } = await this.#attempt(() =>
      this.#client.listen(this.#channelOf(topic), onText, () => {
        if (isListening) onGap();
        isListening = true;
      })
    );
    return async () => {
      await unlisten().catch(() => {}); // a server that is away listens no more
    };
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#client.end({ timeout: closeSeconds });
  }

  /** Stores in other schemas of the database have topics of their own. */
  #channelOf(topic: string): string {
    return `${this.#schema}_${topic}`;
  }

  #sqlOf(statements: Statements): Sql {
    const ask = (sql: string, values: SqlValue[]) => {
      if (this.#isClosed) return Promise.reject(closed());
      return this.#attempt(() =>
        statements.unsafe<Row[]>(numbered(sql), values, { prepare: values.length > 0 })
      );
    };
    return {
      all: async (sql, ...values) => [...await ask(sql, values)],
      get: async (sql, ...values) => (await ask(sql, values))[0],
      number: async (sql, ...values) => {
        const row = (await ask(sql, values))[0];
        return row === undefined ? 0 : Number(Object.values(row)[0]);
      },
      run: async (sql, ...values) => (await ask(sql, values)).count,
    };
  }

  async #attempt<T>(work: () => PromiseLike<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      throw failureOf(cause);
    }
  }
}

const texts = new Map<string, string>();

/** `?` of a statement as `$1`, `$2` and so on. Statements are few, and all our own. */
function numbered(sql: string): string {
  let text = texts.get(sql);
  if (text === undefined) {
    let count = 0;
    text = sql.replace(/\?/g, () => `$${++count}`);
    texts.set(sql, text);
  }
  return text;
}

/** Lock, statement and transaction that waited too long, serialization, deadlock, too many connections. */
const BUSY = new Set(["55P03", "57014", "25P03", "40001", "40P01", "53300"]);

function failureOf(cause: unknown): PosternError {
  if (cause instanceof PosternError) return cause;
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  if (BUSY.has(code)) {
    return new PosternError("store_busy", "Cannot use store: another one holds it", { cause });
  }
  // SQLSTATE: class 08 is about connections, 57P0x about a server that stops, starts or cuts; the rest are the system's words.
  if (/^(08...|57P0.|CONNECT.*|ECONN.*|E[A-Z]+|EAI_.*)$/.test(code)) {
    return new PosternError("store_unreachable", "Cannot use store: the database server does not answer", {
      cause,
    });
  }
  return new PosternError("store_failed", "Cannot use store: the database refused the operation", { cause });
}

function closed(): PosternError {
  return new PosternError("store_failed", "Cannot use store: it is closed");
}
