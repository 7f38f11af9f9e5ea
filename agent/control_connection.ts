/** HTTP/1.1 requests over the agent's own way out, one at a time on a connection that is kept for the next. */
import { concat, utf8 } from "../src/bytes/mod.ts";
import { Slabs, SocketReader, writeAll } from "../src/driver/mod.ts";
import { PosternError } from "../src/errors/mod.ts";
import {
  BodyReader,
  HEAD_LIMITS,
  HeaderList,
  MAX_INTERIM_RESPONSES,
  parseResponseHead,
  persistent,
  type ResponseHead,
  serializeRequestHead,
} from "../src/http1/mod.ts";
import type { ByteStream, Clock } from "../src/ports/mod.ts";

/** A connection that was idle for longer is not used again; servers keep theirs for a minute or so. */
const MAX_IDLE_MS = 10_000;
/** Idle connections that are kept: services register side by side. */
const MAX_IDLE = 4;

export interface ControlConnectionsOptions {
  /** Value of Host. */
  readonly authority: string;
  readonly clock: Clock;
  /** Longest answer. */
  readonly maxBodyBytes: number;
  /** Makes a connection; leaves nothing behind when the signal aborts. */
  readonly open: (signal: AbortSignal) => Promise<ByteStream>;
}

export type ControlMethod = "GET" | "POST";

export interface ControlResponse {
  readonly status: number;
  /** First value of the field; its name in lower case. */
  header(name: string): string | undefined;
  readonly body: Uint8Array;
}

interface Connection {
  readonly stream: ByteStream;
  readonly reader: SocketReader;
  idleSince: number;
}

/** Nothing of an answer came: the connection had been closed while it was idle. */
class Stale extends Error {}

export class ControlConnections {
  readonly #options: ControlConnectionsOptions;
  readonly #slabs = new Slabs();
  readonly #idle: Connection[] = [];
  #closed = false;

  constructor(options: ControlConnectionsOptions) {
    this.#options = options;
  }

  /**
   * Asks, with a body or without one, and reads the whole answer. Throws what opening throws, `http_bad_response`, `http_truncated_body`,
   * `control_response_invalid` for an answer that is too long, `connection_reset` and `connection_lost`; what it throws
   * after the signal's abort does not matter.
   */
  async ask(
    method: ControlMethod,
    target: string,
    fields: Readonly<Record<string, string>>,
    body: string | undefined,
    signal: AbortSignal,
  ): Promise<ControlResponse> {
    const message = requestOf(this.#options.authority, method, target, fields, body);
    for (let kept = this.#takeIdle(); kept !== undefined; kept = this.#takeIdle()) {
      try {
        return await this.#exchange(kept, method, message, signal);
      } catch (error) {
        if (!(error instanceof Stale) || signal.aborted) throw error;
      }
    }
    const stream = await this.#options.open(signal);
    const connection = { stream, reader: new SocketReader(stream, this.#slabs), idleSince: 0 };
    try {
      return await this.#exchange(connection, method, message, signal);
    } catch (error) {
      if (!(error instanceof Stale)) throw error;
      throw new PosternError("connection_reset", "Cannot read the answer: the connection was closed", {
        cause: error.cause,
      });
    }
  }

  /** Ends idle connections; others end with their answer. */
  close(): void {
    this.#closed = true;
    for (const { stream } of this.#idle.splice(0)) stream.close();
  }

  #takeIdle(): Connection | undefined {
    for (let kept = this.#idle.pop(); kept !== undefined; kept = this.#idle.pop()) {
      if (this.#options.clock.now() - kept.idleSince <= MAX_IDLE_MS) return kept;
      kept.stream.close();
    }
    return undefined;
  }

  async #exchange(
    connection: Connection,
    method: ControlMethod,
    message: Uint8Array,
    signal: AbortSignal,
  ): Promise<ControlResponse> {
    const { stream, reader } = connection;
    const stop = () => stream.close();
    signal.addEventListener("abort", stop);
    let keep = false;
    try {
      if (signal.aborted) throw signal.reason;
      const before = reader.readBytes;
      await writeAll(stream, message).catch((cause) => {
        throw new Stale(undefined, { cause });
      });
      const head = await this.#head(reader).catch((cause) => {
        if (reader.readBytes > before) throw cause;
        throw new Stale(undefined, { cause });
      });
      const body = BodyReader.forResponse(head, method);
      const bytes = await this.#body(reader, body);
      keep = persistent(head) && body.framing.kind !== "until_close" && reader.available === 0;
      return { status: head.status, header: (name) => head.headers.get(name) ?? undefined, body: bytes };
    } finally {
      signal.removeEventListener("abort", stop);
      reader.release();
      if (keep && !signal.aborted && !this.#closed && this.#idle.length < MAX_IDLE) {
        connection.idleSince = this.#options.clock.now();
        this.#idle.push(connection);
      } else stream.close();
    }
  }

  async #head(reader: SocketReader): Promise<ResponseHead> {
    for (let interim = 0; interim <= MAX_INTERIM_RESPONSES;) {
      const head = parseResponseHead(reader.buffer, reader.start, reader.end, HEAD_LIMITS);
      if (head === null) {
        if (!await reader.fill()) throw new PosternError("http_truncated_body");
        continue;
      }
      reader.take(head.bytes);
      if (head.status >= 200) return head;
      interim++;
    }
    throw new PosternError("http_bad_response", "Cannot use control's answer: too many interim ones");
  }

  async #body(reader: SocketReader, body: BodyReader): Promise<Uint8Array> {
    const { maxBodyBytes } = this.#options;
    const parts: Uint8Array[] = [];
    let total = 0;
    for (;;) {
      const event = body.push(reader.buffer, reader.start, reader.end);
      if (event === "data") {
        total += body.dataEnd - body.dataStart;
        if (total > maxBodyBytes) {
          throw new PosternError(
            "control_response_invalid",
            `Cannot use control's answer: it is longer than ${maxBodyBytes} bytes`,
          );
        }
        parts.push(reader.buffer.slice(body.dataStart, body.dataEnd));
      }
      reader.take(body.nextStart - reader.start);
      if (event === "data") continue;
      if (event === "done" || body.done) return concat(...parts);
      if (!await reader.fill()) {
        body.eof();
        return concat(...parts);
      }
    }
  }
}

function requestOf(
  authority: string,
  method: ControlMethod,
  target: string,
  fields: Readonly<Record<string, string>>,
  body: string | undefined,
): Uint8Array {
  const bytes = utf8(body ?? "");
  const headers = new HeaderList();
  headers.append("Host", authority);
  for (const [name, value] of Object.entries(fields)) headers.append(name, value);
  if (body !== undefined) headers.append("Content-Length", String(bytes.length));
  return concat(serializeRequestHead({ method, target, minor: 1, headers }), bytes);
}
