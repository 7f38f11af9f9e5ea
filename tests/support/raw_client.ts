/** A socket that says exactly what a test wants, and reads HTTP/1.1 responses as they are on the wire. */
import { utf8 } from "../../src/bytes/mod.ts";

export interface RawResponse {
  readonly status: number;
  readonly headers: Headers;
  /** Head as it came, without the empty line. */
  readonly head: string;
  /** Body without its framing. */
  readonly body: string;
  /** Trailer section of a chunked body. */
  readonly trailers: Headers;
}

/** No single answer takes longer. */
const readTimeoutMs = 45_000;

export class RawClient implements Disposable {
  readonly conn: Deno.TcpConn;
  #buffer = new Uint8Array(0);
  #ended = false;

  /** @param conn a socket that stands, from either end */
  constructor(conn: Deno.TcpConn) {
    this.conn = conn;
  }

  static async connect(port: number): Promise<RawClient> {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port });
    conn.setNoDelay(true);
    return new RawClient(conn);
  }

  /** Whether the other side ended the connection and said nothing since the last answer was read. */
  get isUnanswered(): boolean {
    return this.#ended && this.#buffer.length === 0;
  }

  async send(data: string | Uint8Array): Promise<void> {
    const bytes = typeof data === "string" ? utf8(data) : data;
    try {
      for (let at = 0; at < bytes.length;) at += await this.conn.write(bytes.subarray(at));
    } catch (error) {
      this.#ended = true;
      throw error;
    }
  }

  /** `GET path` with a Host header and these further lines. */
  async get(host: string, path = "/", lines: readonly string[] = []): Promise<void> {
    await this.send([`GET ${path} HTTP/1.1`, `Host: ${host}`, ...lines, "", ""].join("\r\n"));
  }

  /** One response: a final one, or an interim one (1xx) by itself. @param method of the request, since HEAD has no body */
  async response(method = "GET"): Promise<RawResponse> {
    const head = (await this.through("\r\n\r\n")).slice(0, -4);
    const [line, ...rest] = head.split("\r\n");
    const status = Number(line.split(" ")[1]);
    const headers = headersOf(rest);
    const trailers = new Headers();
    const empty = status < 200 || status === 204 || status === 304 || method === "HEAD";
    let body = "";
    if (!empty && headers.get("transfer-encoding") === "chunked") {
      for (;;) {
        const size = parseInt(await this.through("\r\n"), 16);
        if (size === 0) break;
        body += decode(await this.exactly(size));
        await this.exactly(2);
      }
      for (let line = await this.through("\r\n"); line !== "\r\n"; line = await this.through("\r\n")) {
        for (const [name, value] of headersOf([line.trimEnd()])) trailers.append(name, value);
      }
    } else if (!empty && headers.has("content-length")) {
      body = decode(await this.exactly(Number(headers.get("content-length"))));
    } else if (!empty) body = await this.rest();
    return { status, headers, head, body, trailers };
  }

  /** Text up to and including `end`. Throws when the connection ends before. */
  async through(end: string): Promise<string> {
    for (;;) {
      const text = decode(this.#buffer);
      const at = text.indexOf(end);
      if (at >= 0) return decode(this.#take(utf8(text.slice(0, at + end.length)).length));
      if (!await this.#fill()) throw new Error(`connection ended after ${JSON.stringify(text)}`);
    }
  }

  async exactly(bytes: number): Promise<Uint8Array> {
    while (this.#buffer.length < bytes) {
      if (!await this.#fill()) throw new Error(`connection ended ${bytes - this.#buffer.length} bytes early`);
    }
    return this.#take(bytes);
  }

  /** Everything up to the end of the connection, a reset counting as one. */
  async rest(): Promise<string> {
    while (await this.#fill().catch(endOnReset));
    return decode(this.#take(this.#buffer.length));
  }

  [Symbol.dispose](): void {
    try {
      this.conn.close();
    } catch {
      // Closed already.
    }
  }

  #take(bytes: number): Uint8Array {
    const taken = this.#buffer.slice(0, bytes);
    this.#buffer = this.#buffer.slice(bytes);
    return taken;
  }

  async #fill(): Promise<boolean> {
    if (this.#ended) return false;
    const chunk = new Uint8Array(65_536);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error("no bytes in time")), readTimeoutMs);
    });
    const reading = this.conn.read(chunk).catch((error) => {
      this.#ended = true;
      throw error;
    });
    try {
      const read = await Promise.race([reading, late]);
      if (read === null) {
        this.#ended = true;
        return false;
      }
      const joined = new Uint8Array(this.#buffer.length + read);
      joined.set(this.#buffer);
      joined.set(chunk.subarray(0, read), this.#buffer.length);
      this.#buffer = joined;
      return true;
    } finally {
      clearTimeout(timer);
    }
  }
}

function endOnReset(error: unknown): false {
  if (error instanceof Deno.errors.ConnectionReset) return false;
  throw error;
}

function headersOf(lines: readonly string[]): Headers {
  const headers = new Headers();
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon > 0) headers.append(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  return headers;
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
