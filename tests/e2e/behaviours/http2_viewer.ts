/** A viewer that says over HTTP/2 what a row says over HTTP/1.1: Node's client, behind the interface of a {@link Wire}. */
import { Buffer } from "node:buffer";
import http2 from "node:http2";
import { type Field, type Head, type Message, Wire } from "./wire.ts";

/** Fields that HTTP/2 has no place for (RFC 9113 8.2.2), and Host, which is `:authority`. */
const OMITTED = /^(connection|keep-alive|proxy-connection|transfer-encoding|upgrade|host)$/i;

export class Http2Viewer implements Disposable {
  readonly #session: http2.ClientHttp2Session;
  /** HTTP/1.1 that was not asked yet. */
  #text = "";
  /** Responses to the request that is under way, interim ones first. */
  #responses: (Message | undefined)[] = [];

  constructor(port: number) {
    this.#session = http2.connect(`http://127.0.0.1:${port}`);
    this.#session.on("error", () => {});
  }

  /** Takes a request as HTTP/1.1 has it. */
  send(text: string): Promise<void> {
    this.#text += text;
    return Promise.resolve();
  }

  /** The next response to what was sent. */
  async response(): Promise<Message | undefined> {
    if (this.#responses.length === 0) {
      const message = await Wire.parse(this.#text);
      this.#text = "";
      this.#responses = await this.#ask(message);
    }
    return this.#responses.shift();
  }

  [Symbol.dispose](): void {
    this.#session.destroy();
  }

  #ask(message: Message): Promise<(Message | undefined)[]> {
    const [method, path] = message.line.split(" ");
    const authority = message.fields.find(([name]) => /^host$/i.test(name))![1];
    const headers: http2.OutgoingHttpHeaders = {
      ":method": method,
      ":path": path,
      ":scheme": "http",
      ":authority": authority,
    };
    for (const [name, value] of message.fields) {
      if (OMITTED.test(name)) continue;
      const key = name.toLowerCase();
      const before = headers[key];
      headers[key] = before === undefined ? value : [before, value].flat() as string[];
    }
    return new Promise((resolve) => {
      const seen: Message[] = [];
      let final: (Head & { line: string }) | undefined;
      let body = "";
      let trailers: Field[] = [];
      const endStream = !message.fields.some(([name]) => /^(content-length|transfer-encoding)$/i.test(name));
      const waitForTrailers = message.trailers.length > 0;
      const request = this.#session.request(headers, { endStream, waitForTrailers });
      request.on("wantTrailers", () => request.sendTrailers(Object.fromEntries(message.trailers)));
      request.on("headers", (_h: unknown, _f: number, raw: string[]) => {
        seen.push({ ...headOf(raw), body: "", trailers: [], whole: true });
      });
      request.on("response", (_h: unknown, _f: number, raw: string[]) => final = headOf(raw));
      request.on(
        "trailers",
        (_h: unknown, _f: number, raw: string[]) => trailers = headOf(raw).fields as Field[],
      );
      request.on("data", (part: Uint8Array) => body += Buffer.from(part).toString("latin1"));
      request.on("error", () => {});
      request.on("close", () => {
        if (final === undefined) resolve([undefined]);
        else resolve([...seen, { ...final, body, trailers, whole: request.rstCode === 0 }]);
      });
      if (!endStream) request.end(Buffer.from(message.body, "latin1"));
    });
  }
}

function headOf(raw: readonly string[]): Head {
  const fields: Field[] = [];
  let line = "";
  for (let at = 0; at < raw.length; at += 2) {
    if (raw[at] === ":status") line = `HTTP/2 ${raw[at + 1]} `;
    else fields.push([raw[at], raw[at + 1]]);
  }
  return { line, fields };
}
