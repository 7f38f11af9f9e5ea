/** Origins of tests: scripted raw TCP, so that every octet and every moment of closing is the test's. */
import { utf8, utf8Decode } from "../../src/bytes/mod.ts";

export interface RawConnection {
  readonly conn: Deno.TcpConn;
  /** Everything that came so far. */
  text: string;
  bytes: number;
  ended: boolean;
  write(text: string): Promise<void>;
}

export interface RawOrigin {
  readonly target: { host: string; port: number };
  readonly connections: RawConnection[];
  close(): Promise<void>;
}

/** Calls `onText` whenever something came on a connection. */
export function rawOrigin(
  onText: (connection: RawConnection, index: number) => void | Promise<void>,
  port = 0,
): RawOrigin {
  const listener = Deno.listen({ hostname: "127.0.0.1", port });
  const connections: RawConnection[] = [];
  const running: Promise<void>[] = [];
  const serve = async (conn: Deno.TcpConn, index: number) => {
    const connection: RawConnection = {
      conn,
      text: "",
      bytes: 0,
      ended: false,
      async write(text) {
        const bytes = utf8(text);
        for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
      },
    };
    connections.push(connection);
    const buffer = new Uint8Array(65_536);
    try {
      for (;;) {
        const read = await conn.read(buffer);
        if (read === null) break;
        connection.bytes += read;
        connection.text += utf8Decode(buffer.subarray(0, read));
        await onText(connection, index);
      }
    } catch {
      // Reset by the agent, or closed by the script.
    }
    connection.ended = true;
  };
  const accepting = (async () => {
    for await (const conn of listener) running.push(serve(conn, connections.length));
  })();
  return {
    target: { host: "127.0.0.1", port: listener.addr.port },
    connections,
    async close() {
      listener.close();
      await accepting;
      for (const { conn } of connections) closeQuietly(conn);
      await Promise.all(running);
    },
  };
}

export function closeQuietly(conn: { close(): void }): void {
  try {
    conn.close();
  } catch {
    // Closed already.
  }
}

/** A port at which nothing listens. */
export function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}
