/** Reads on for a moment after the last answer: a reset would take it away from a viewer that is still sending. */
import type { Deadlines, SocketReader, SocketWriter } from "../driver/mod.ts";
import type { ByteStream } from "../ports/mod.ts";

/** Bytes that are read and thrown away when a connection is closed on a viewer that is sending still. */
const LINGER_BYTES = 262_144;

export async function linger(connection: {
  readonly reader: SocketReader;
  readonly writer: SocketWriter;
  readonly socket: ByteStream;
  readonly deadlines: Deadlines;
  readonly timeoutMs: number;
}): Promise<void> {
  const { reader, writer, socket, timeoutMs } = connection;
  const deadline = connection.deadlines.set(timeoutMs, () => socket.close());
  try {
    await writer.flushed();
    await socket.closeWrite();
    for (let bytes = 0; bytes < LINGER_BYTES;) {
      reader.take(reader.available);
      if (!await reader.fill()) return;
      bytes += reader.available;
    }
  } catch {
    // The viewer has gone: nothing is left to be polite about.
  } finally {
    deadline.lift();
  }
}
