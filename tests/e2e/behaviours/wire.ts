/** One HTTP/1.1 connection as octets (a code unit each), from either end. It believes what it reads and hides nothing. */

export type Field = readonly [name: string, value: string];

export interface Message {
  /** Request or status line. */
  readonly line: string;
  readonly fields: readonly Field[];
  /** Without its framing. */
  readonly body: string;
  readonly trailers: readonly Field[];
  /** Whether the message came whole, as its own framing says. */
  readonly whole: boolean;
}

export interface Head {
  readonly line: string;
  readonly fields: readonly Field[];
}

/** No single read takes longer. */
const readTimeoutMs = 15_000;

export class Wire implements Disposable {
  readonly conn: Deno.TcpConn;
  #buffer = "";
  #ended = false;

  constructor(conn: Deno.TcpConn) {
    conn.setNoDelay(true);
    this.conn = conn;
  }

  static async connect(port: number): Promise<Wire> {
    return new Wire(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  /** The request that a text holds. */
  static async parse(text: string): Promise<Message> {
    const bytes = Uint8Array.from(text, (unit) => unit.charCodeAt(0));
    let at = 0;
    const wire = new Wire({
      setNoDelay() {},
      close() {},
      read(into: Uint8Array) {
        const part = bytes.subarray(at, at + into.length);
        into.set(part);
        at += part.length;
        return Promise.resolve(part.length === 0 ? null : part.length);
      },
    } as unknown as Deno.TcpConn);
    return await wire.requestBody((await wire.head())!);
  }

  async send(text: string): Promise<void> {
    const bytes = Uint8Array.from(text, (unit) => unit.charCodeAt(0));
    for (let at = 0; at < bytes.length;) at += await this.conn.write(bytes.subarray(at));
  }

  async endWriting(): Promise<void> {
    await this.conn.closeWrite();
  }

  /** A head; undefined when the connection ended before it was whole. */
  async head(): Promise<Head | undefined> {
    const text = await this.through("\r\n\r\n");
    if (text === undefined) return undefined;
    const [line, ...lines] = text.slice(0, -4).split("\r\n");
    return { line, fields: lines.map(fieldOf) };
  }

  /** The body behind a request's head. */
  async requestBody(head: Head): Promise<Message> {
    return { ...head, ...await this.#body(head, false) };
  }

  /** A response to a request with this method; an interim one is one by itself. */
  async response(method = "GET"): Promise<Message | undefined> {
    const head = await this.head();
    if (head === undefined) return undefined;
    const status = Number(head.line.split(" ")[1]);
    const empty = status < 200 || status === 204 || status === 304 || method === "HEAD";
    return empty
      ? { ...head, body: "", trailers: [], whole: true }
      : { ...head, ...await this.#body(head, true) };
  }

  /** Up to and including `end`; undefined when the connection ends before. */
  async through(end: string): Promise<string | undefined> {
    for (let from = 0;;) {
      const at = this.#buffer.indexOf(end, from);
      if (at >= 0) return this.#take(at + end.length);
      from = Math.max(0, this.#buffer.length - end.length);
      if (!await this.#fill()) return undefined;
    }
  }

  /** So many octets, fewer when the connection ends. */
  async exactly(count: number): Promise<string> {
    while (this.#buffer.length < count && await this.#fill());
    return this.#take(Math.min(count, this.#buffer.length));
  }

  /** Everything up to the end of the connection. */
  async rest(): Promise<string> {
    while (await this.#fill());
    return this.#take(this.#buffer.length);
  }

  [Symbol.dispose](): void {
    try {
      this.conn.close();
    } catch {
      // Closed already.
    }
  }

  async #body(head: Head, toEnd: boolean): Promise<Pick<Message, "body" | "trailers" | "whole">> {
    const length = valueOf(head, "content-length");
    if (valueOf(head, "transfer-encoding") !== undefined) return await this.#chunks();
    if (length !== undefined) {
      const body = await this.exactly(Number(length));
      return { body, trailers: [], whole: body.length === Number(length) };
    }
    return { body: toEnd ? await this.rest() : "", trailers: [], whole: true };
  }

  async #chunks(): Promise<Pick<Message, "body" | "trailers" | "whole">> {
    let body = "";
    for (;;) {
      const size = parseInt(await this.through("\r\n") ?? "", 16);
      if (Number.isNaN(size)) return { body, trailers: [], whole: false };
      if (size === 0) break;
      const data = await this.exactly(size);
      body += data;
      if (data.length < size || await this.exactly(2) !== "\r\n") return { body, trailers: [], whole: false };
    }
    const trailers: Field[] = [];
    for (;;) {
      const line = await this.through("\r\n");
      if (line === undefined) return { body, trailers, whole: false };
      if (line === "\r\n") return { body, trailers, whole: true };
      trailers.push(fieldOf(line.slice(0, -2)));
    }
  }

  #take(count: number): string {
    const taken = this.#buffer.slice(0, count);
    this.#buffer = this.#buffer.slice(count);
    return taken;
  }

  async #fill(): Promise<boolean> {
    if (this.#ended) return false;
    const bytes = new Uint8Array(65_536);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no bytes in time after ${this.#buffer}`)), readTimeoutMs);
    });
    try {
      const read = await Promise.race([this.conn.read(bytes), late]);
      if (read === null) return !(this.#ended = true);
      let text = "";
      for (let at = 0; at < read; at++) text += String.fromCharCode(bytes[at]);
      this.#buffer += text;
      return true;
    } catch (error) {
      const gone = error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BadResource ||
        error instanceof Deno.errors.Interrupted;
      if (!gone) throw error;
      return !(this.#ended = true);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** First value of a field, by its name in lower case. */
export function valueOf(head: Head, key: string): string | undefined {
  return head.fields.find(([name]) => name.toLowerCase() === key)?.[1];
}

function fieldOf(line: string): Field {
  const colon = line.indexOf(":");
  return [line.slice(0, colon), line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, "")];
}
