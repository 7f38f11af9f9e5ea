/** An HTTP/2 client made of single frames, over a plain socket: says what a test wants, when it wants. */
import { Http2Frames } from "./http2_frames.ts";
import { eventually } from "./stack.ts";
import { block, type Fields, frame, FrameType, uint32 } from "../http2/peer.ts";
import { settingsPayload } from "../../src/http2/frame.ts";
import { HpackDecoder } from "../../src/http2/hpack_decoder.ts";
import { PREFACE } from "../../src/http2/mod.ts";
import { utf8 } from "../../src/bytes/mod.ts";

/** What came on one stream so far. */
export interface StreamState {
  /** Header blocks in order: interim ones, the head, trailers. */
  readonly blocks: Record<string, string>[];
  body: string;
  ended: boolean;
  /** Number of RST_STREAM. */
  reset: number | undefined;
}

export class Http2Client implements Disposable {
  /** Number, last stream and debug data of each GOAWAY. */
  readonly goaways: { number: number; lastStream: number; debug: string }[] = [];
  closed = false;
  readonly #conn: Deno.TcpConn;
  readonly #frames = new Http2Frames();
  readonly #decoder = new HpackDecoder();
  readonly #streams = new Map<number, StreamState>();
  #next = 1;

  private constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
    this.#readAll();
  }

  /** @param windowBytes what each stream may send us; the connection's own window is as large as it can be */
  static async connect(port: number, windowBytes = 0x7fff_ffff): Promise<Http2Client> {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port });
    conn.setNoDelay(true);
    const client = new Http2Client(conn);
    await client.write(
      utf8(PREFACE),
      frame(FrameType.settings, 0, 0, settingsPayload([[0x4, windowBytes]])),
      frame(FrameType.windowUpdate, 0, 0, uint32(0x7fff_ffff - 65_535)),
    );
    return client;
  }

  async write(...parts: Uint8Array[]): Promise<void> {
    for (const part of parts) {
      for (let at = 0; at < part.length;) at += await this.#conn.write(part.subarray(at));
    }
  }

  /** Begins a request; the number of its stream. */
  async request(fields: Fields, end = true): Promise<number> {
    const stream = this.#next;
    this.#next += 2;
    await this.write(frame(FrameType.headers, 0x4 | (end ? 1 : 0), stream, block(fields)));
    return stream;
  }

  async data(stream: number, text: string | Uint8Array, end = false): Promise<void> {
    const bytes = typeof text === "string" ? utf8(text) : text;
    for (let at = 0; at === 0 || at < bytes.length; at += 16_384) {
      const part = bytes.subarray(at, at + 16_384);
      const last = end && at + part.length >= bytes.length;
      await this.write(frame(FrameType.data, last ? 1 : 0, stream, part));
    }
  }

  async trailers(stream: number, fields: Fields): Promise<void> {
    await this.write(frame(FrameType.headers, 0x5, stream, block(fields)));
  }

  async reset(stream: number, number = 8): Promise<void> {
    await this.write(frame(FrameType.rstStream, 0, stream, uint32(number)));
  }

  async grant(stream: number, bytes: number): Promise<void> {
    await this.write(frame(FrameType.windowUpdate, 0, stream, uint32(bytes)));
  }

  state(stream: number): StreamState {
    let state = this.#streams.get(stream);
    if (state === undefined) {
      this.#streams.set(stream, state = { blocks: [], body: "", ended: false, reset: undefined });
    }
    return state;
  }

  /** Waits until that holds for the stream. */
  async until(stream: number, what: string, holds: (state: StreamState) => boolean): Promise<StreamState> {
    const state = this.state(stream);
    await eventually(`stream ${stream}: ${what}`, () => holds(state));
    return state;
  }

  /** Waits for the end of the stream, of whatever kind. */
  over(stream: number): Promise<StreamState> {
    return this.until(stream, "over", ({ ended, reset }) => ended || reset !== undefined || this.closed);
  }

  [Symbol.dispose](): void {
    this.closed = true;
    try {
      this.#conn.close();
    } catch {
      // Closed by the other end already.
    }
  }

  async #readAll(): Promise<void> {
    const buffer = new Uint8Array(65_536);
    try {
      for (;;) {
        const read = await this.#conn.read(buffer);
        if (read === null) break;
        for (const { type, flags, stream, payload } of this.#frames.push(buffer.subarray(0, read))) {
          this.#take(type, flags, stream, payload);
        }
      }
    } catch {
      // Reset, or closed by the test.
    }
    this.closed = true;
  }

  #take(type: number, flags: number, stream: number, payload: Uint8Array): void {
    if (type === FrameType.settings && (flags & 1) === 0) {
      this.write(frame(FrameType.settings, 1, 0)).catch(() => {});
    } else if (type === FrameType.goaway) {
      const view = new DataView(payload.buffer, payload.byteOffset);
      this.goaways.push({
        lastStream: view.getUint32(0),
        number: view.getUint32(4),
        debug: new TextDecoder().decode(payload.subarray(8)),
      });
    } else if (type === FrameType.headers) {
      const fields: Record<string, string> = {};
      this.#decoder.decode(payload, 0, payload.length, (name, value) => void (fields[name] = value));
      this.state(stream).blocks.push(fields);
    } else if (type === FrameType.data) this.state(stream).body += new TextDecoder().decode(payload);
    else if (type === FrameType.rstStream) {
      this.state(stream).reset = new DataView(payload.buffer, payload.byteOffset).getUint32(0);
    }
    if ((type === FrameType.headers || type === FrameType.data) && (flags & 1) !== 0) {
      this.state(stream).ended = true;
    }
  }
}
