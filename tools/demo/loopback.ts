/**
 * The demo's own requests, on raw loopback sockets: not every resolver knows the names below localhost, and no client of
 * the runtime lets a Host be chosen.
 */
import { concat, utf8 } from "../../src/bytes/mod.ts";

/** The wanted port when it is free, otherwise 0: any. */
export function freeOr(port: number): number {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return port;
  } catch {
    return 0;
  }
}

/** One HTTP/1.0 request; the answer ends with the connection. */
export async function ask(
  { port }: { readonly port: number },
  host: string,
  path: string,
  { method = "GET", body = new Uint8Array(0) } = {},
): Promise<{ status: number; headers: Headers; body: Uint8Array }> {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const length = method === "GET" ? "" : `Content-Length: ${body.length}\r\n`;
  const request = concat(utf8(`${method} ${path} HTTP/1.0\r\nHost: ${host}:${port}\r\n${length}\r\n`), body);
  const sent = writeAll(conn, request);
  const answer = await readAll(conn);
  await sent;
  const { status, headers, end } = parseHead(answer);
  return { status, headers, body: answer.subarray(end) };
}

/** Opens a WebSocket, sends a text of at most 125 bytes and returns the text that comes back. */
export async function webSocketEcho(
  { host, port }: { readonly host: string; readonly port: number },
  text: string,
): Promise<string> {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  await writeAll(
    conn,
    utf8(
      `GET /ws HTTP/1.1\r\nHost: ${host}:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    ),
  );
  const head = await readSome(conn);
  if (parseHead(head).status !== 101) throw new Error(`status ${parseHead(head).status}`);
  const payload = utf8(text);
  // One final text frame, masked with zeros (RFC 6455 5.2): the demo hides nothing.
  await writeAll(conn, concat(Uint8Array.of(0x81, 0x80 | payload.length, 0, 0, 0, 0), payload));
  const frame = await readSome(conn);
  return new TextDecoder().decode(frame.subarray(2, 2 + frame[1]));
}

function parseHead(bytes: Uint8Array): { status: number; headers: Headers; end: number } {
  const text = new TextDecoder("latin1").decode(bytes);
  const end = text.indexOf("\r\n\r\n");
  const [line, ...fields] = text.slice(0, end).split("\r\n");
  const headers = new Headers(fields.map((field): [string, string] => {
    const colon = field.indexOf(":");
    return [field.slice(0, colon), field.slice(colon + 1).trim()];
  }));
  return { status: Number(line.split(" ")[1]), headers, end: end + 4 };
}

async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

async function readSome(conn: Deno.Conn): Promise<Uint8Array> {
  const buffer = new Uint8Array(65_536);
  return buffer.subarray(0, await conn.read(buffer) ?? 0);
}

async function readAll(conn: Deno.Conn): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (;;) {
    const part = await readSome(conn);
    if (part.length === 0) return concat(...parts);
    parts.push(part);
  }
}
