/** Origin of the bench, a process of its own: the lab protocol, and plain HTTP where there is no nginx. */
import { print } from "../../../tools/print.ts";
import { BLOCK_BYTES, ECHO, LAST, SINK, SMALL_BYTES, SOURCE, TWICE } from "./protocol.ts";

/** Body of the HTTP origin. */
const BODY = new Uint8Array(1024).fill(0x61);

const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
const http = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => new Response(BODY));
print(JSON.stringify({ port: listener.addr.port, httpPort: http.addr.port }));

for await (const conn of listener) serve(conn);

async function serve(conn: Deno.TcpConn): Promise<void> {
  conn.setNoDelay(true);
  try {
    const first = new Uint8Array(1);
    if (await conn.read(first) === null) return;
    switch (first[0]) {
      case ECHO:
        return await echo(conn);
      case SINK:
        return await sink(conn);
      case SOURCE:
        return await source(conn);
      case TWICE:
        return await twice(conn);
    }
  } catch {
    // The client ends connections when it has seen enough.
  } finally {
    conn.close();
  }
}

async function echo(conn: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(2048);
  for (let read; (read = await conn.read(buffer)) !== null;) await writeAll(conn, buffer.subarray(0, read));
}

async function sink(conn: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(BLOCK_BYTES);
  let total = 0;
  let last = false;
  for (let read; (read = await conn.read(buffer)) !== null;) {
    for (let at = 0; at < read;) {
      const inBlock = total % BLOCK_BYTES;
      if (inBlock === 0) last = buffer[at] === LAST;
      const taken = Math.min(read - at, BLOCK_BYTES - inBlock);
      at += taken;
      total += taken;
      if (!last || total % BLOCK_BYTES !== 0) continue;
      const answer = new Uint8Array(8);
      new DataView(answer.buffer).setBigUint64(0, BigInt(total));
      await writeAll(conn, answer);
    }
  }
}

async function source(conn: Deno.Conn): Promise<void> {
  const block = new Uint8Array(BLOCK_BYTES).fill(0x62);
  for (;;) await writeAll(conn, block);
}

async function twice(conn: Deno.Conn): Promise<void> {
  const byte = new Uint8Array(1);
  const small = new Uint8Array(SMALL_BYTES).fill(0x63);
  while (await conn.read(byte) !== null) {
    await writeAll(conn, small);
    await writeAll(conn, small);
  }
}

async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}
