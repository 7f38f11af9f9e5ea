import { utf8Decode } from "../../src/bytes/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import { TcpStream, type WebSocketConnection, writeAll } from "../../src/driver/mod.ts";
import type { ByteStream } from "../../src/ports/mod.ts";
import type { UpgradeRequestHead } from "../../src/wire/websocket/mod.ts";

/** Reads a request head; enough for requests that tests make themselves. */
export async function readRequest(
  stream: ByteStream,
): Promise<{ head: UpgradeRequestHead; path: string; text: string; leftover: Uint8Array }> {
  const buffer = new Uint8Array(8192);
  for (let filled = 0;;) {
    const bytes = await stream.read(buffer.subarray(filled));
    if (bytes === null) throw new Error("no whole request");
    filled += bytes;
    const text = utf8Decode(buffer.subarray(0, filled));
    const end = text.indexOf("\r\n\r\n");
    if (end < 0) continue;
    const [line, ...lines] = text.slice(0, end).split("\r\n");
    const [method, path, version] = line.split(" ");
    const headers = new Map(
      lines.map((line) => {
        const [name, value] = line.split(/:(.*)/);
        return [name.toLowerCase(), value.trim()];
      }),
    );
    const head = { method, httpVersion: version.slice(5), header: (name: string) => headers.get(name) };
    return { head, path, text: text.slice(0, end), leftover: buffer.subarray(end + 4, filled) };
  }
}

export interface Received {
  readonly messages: Uint8Array[];
  /** Code of the peer's close frame, the code of a violation, or "end". */
  readonly ending: number | string;
}

/** Receives until the connection ends or `wanted` messages came; hands each message to `each`, writes all replies. */
export async function receive(
  connection: WebSocketConnection,
  each: (message: Uint8Array) => Promise<void> = () => Promise.resolve(),
  wanted = Infinity,
): Promise<Received> {
  const { stream, framing, leftover } = connection;
  const buffer = new Uint8Array(framing.receiveBufferBytes);
  buffer.set(leftover);
  const messages: Uint8Array[] = [];
  let start = 0, end = leftover.length;
  const reply = async () => {
    const bytes = framing.takeReply();
    if (bytes) await writeAll(stream, bytes);
  };
  for (;;) {
    try {
      const result = framing.next(buffer, start, end);
      start = framing.nextStart;
      await reply();
      if (result === "closed") return { messages, ending: framing.peerClose!.code };
      if (result === "message") {
        const message = buffer.slice(framing.messageStart, framing.messageEnd);
        messages.push(message);
        await each(message);
        if (messages.length === wanted) return { messages, ending: "enough" };
      }
      if (result !== "incomplete") continue;
    } catch (error) {
      await reply();
      if (error instanceof PosternError) return { messages, ending: error.code };
      throw error;
    }
    buffer.copyWithin(0, start, end);
    end -= start;
    start = 0;
    const bytes = await stream.read(buffer.subarray(end));
    if (bytes === null) return { messages, ending: "end" };
    end += bytes;
  }
}

export async function send({ stream, framing }: WebSocketConnection, message: Uint8Array): Promise<void> {
  const start = framing.headerBytes;
  const buffer = new Uint8Array(start + message.length);
  buffer.set(message, start);
  await writeAll(stream, buffer.subarray(0, framing.frame(buffer, start, buffer.length)));
}

/** Accepts loopback connections until closed; failures of the handler come out of `close`. */
export function listen(
  handle: (stream: TcpStream) => Promise<void>,
  hostname = "127.0.0.1",
): { port: number; close(): Promise<void> } {
  const listener = Deno.listen({ hostname, port: 0 });
  const running: Promise<void>[] = [];
  const accepting = (async () => {
    for await (const conn of listener) {
      const stream = new TcpStream(conn);
      running.push(handle(stream).finally(() => stream.close()));
    }
  })();
  return {
    port: (listener.addr as Deno.NetAddr).port,
    async close() {
      listener.close();
      await accepting;
      await Promise.all(running);
    },
  };
}
