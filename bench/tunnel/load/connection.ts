/** Client connections of the bench, all of which end when their cell ends. */

/** Where a load goes. */
export interface Target {
  readonly hostname: string;
  readonly port: number;
}

/** Longest time that a cell may take beyond its own duration. */
const OVERTIME_MS = 15_000;

/** The connections of one cell: when its time is over they are cut, so that nothing waits for ever. */
export class Connections implements Disposable {
  readonly #open = new Set<Deno.TcpConn>();
  readonly #timer: ReturnType<typeof setTimeout>;
  #late = false;

  constructor(durationMs: number) {
    this.#timer = setTimeout(() => {
      this.#late = true;
      this.#closeAll();
    }, durationMs + OVERTIME_MS);
  }

  async open(target: Target, firstByte?: number): Promise<Deno.TcpConn> {
    const conn = await Deno.connect(target);
    if (this.#late) {
      conn.close();
      throw new Error("the cell took too long");
    }
    this.#open.add(conn);
    conn.setNoDelay(true);
    if (firstByte !== undefined) await writeAll(conn, Uint8Array.of(firstByte));
    return conn;
  }

  close(conn: Deno.TcpConn): void {
    if (this.#open.delete(conn)) conn.close();
  }

  /** They may stay for longer than their time. */
  keep(): void {
    clearTimeout(this.#timer);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#closeAll();
  }

  #closeAll(): void {
    for (const conn of this.#open) conn.close();
    this.#open.clear();
  }
}

export async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(at === 0 ? bytes : bytes.subarray(at));
}

/** Fills the buffer. @throws Error when the connection ends before */
export async function readFull(conn: Deno.Conn, buffer: Uint8Array): Promise<void> {
  for (let at = 0; at < buffer.length;) {
    const read = await conn.read(at === 0 ? buffer : buffer.subarray(at));
    if (read === null) throw new Error("the connection ended before its answer");
    at += read;
  }
}
