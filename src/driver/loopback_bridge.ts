/** A TCP socket of this machine whose other end is any socket: for TLS inside the TLS session with a proxy. */
import type { ByteStream } from "../ports/mod.ts";
import type { Socket, TcpSocket } from "./network.ts";
import { connectError } from "./network_error.ts";
import { TcpStream, writeAll } from "./tcp_stream.ts";

/** Bytes under way in each direction. */
const BRIDGE_BYTES = 65_536;
/** Strangers that may connect to the port before our own connection is accepted. */
const MAX_STRANGERS = 16;

/**
 * Joins the far socket with a fresh connection over 127.0.0.1, and hands out the near end of that. Both end together;
 * half-close goes through. Throws what `connectError` makes of this machine's refusal. What crosses loopback is the TLS session with the target: who could listen learns nothing.
 */
export async function overLoopback(far: Socket): Promise<TcpSocket> {
  let near: Deno.TcpConn | undefined;
  try {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    near = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
    near.setNoDelay(true); // the connection stands, so that accepting it waits for nothing
    const inner = new TcpStream(await acceptFrom(listener, near.localAddr.port));
    const outer = new TcpStream(far);
    const close = () => {
      inner.close();
      outer.close();
    };
    Promise.all([pass(inner, outer), pass(outer, inner)]).finally(close).catch(() => {}); // both ends see a reset
    return near;
  } catch (error) {
    near?.close();
    far.close();
    throw connectError(error, "this machine's own loopback");
  }
}

/** Accepts the connection from our own port; others of this machine may have been quicker. */
async function acceptFrom(listener: Deno.TcpListener, port: number): Promise<Deno.TcpConn> {
  for (let strangers = 0; strangers < MAX_STRANGERS; strangers++) {
    const conn = await listener.accept();
    if (conn.remoteAddr.port === port) return conn;
    conn.close();
  }
  throw new Deno.errors.ConnectionRefused("only strangers connected");
}

async function pass(from: ByteStream, to: ByteStream): Promise<void> {
  const buffer = new Uint8Array(BRIDGE_BYTES);
  for (;;) {
    const bytes = await from.read(buffer);
    if (bytes === null) return await to.closeWrite();
    await writeAll(to, buffer.subarray(0, bytes));
  }
}
