/** What a connection begins with: looked at before it is known who is served. Bounded in bytes, and in time as a whole. */
import { PosternError } from "../errors/mod.ts";
import { type PeekedHello, readClientHello } from "../driver/tls/mod.ts";
import type { ByteStream } from "../ports/mod.ts";
import { isTlsClientHello } from "../wire/tls/mod.ts";
import type { EdgeContext } from "./context.ts";

/** Holds most heads and ClientHellos at once. A ClientHello that is longer gets more, within its own limits. */
const FIRST_READ_BYTES = 2_048;

/** `nothing`: the viewer left without a word. Otherwise no byte is lost. */
export type FirstBytes =
  | { readonly kind: "nothing" }
  | { readonly kind: "plain"; readonly stream: ByteStream }
  | { readonly kind: "tls"; readonly hello: PeekedHello };

/**
 * Reads until it is known what is spoken, a whole ClientHello where that is TLS. Closes the socket when that takes too long.
 * @throws PosternError `peek_timeout`, `tls_timeout`, `tls_malformed_hello`, and what the socket throws
 */
export async function readFirstBytes(
  socket: ByteStream,
  { deadlines, config }: Pick<EdgeContext, "deadlines" | "config">,
): Promise<FirstBytes> {
  let late = false;
  let begun = false;
  const deadline = deadlines.set(config.timeouts.peekMs, () => {
    late = true;
    socket.close();
  });
  const lateError = () =>
    begun
      ? new PosternError("tls_timeout", "Cannot accept TLS: the ClientHello took too long")
      : new PosternError("peek_timeout");
  try {
    const buffer = new Uint8Array(FIRST_READ_BYTES);
    const read = await socket.read(buffer);
    if (read === null) {
      if (late) throw lateError();
      return { kind: "nothing" };
    }
    const bytes = buffer.subarray(0, read);
    if (!isTlsClientHello(bytes[0])) return { kind: "plain", stream: prefixed(socket, bytes) };
    begun = true;
    return { kind: "tls", hello: await readClientHello(socket, bytes) };
  } catch (error) {
    throw late ? lateError() : error;
  } finally {
    deadline.lift();
  }
}

/** The stream with bytes in front that were read already. */
export function prefixed(stream: ByteStream, bytes: Uint8Array): ByteStream {
  let rest = bytes;
  return {
    remoteAddress: stream.remoteAddress,
    read(into) {
      if (rest.length === 0) return stream.read(into);
      const part = rest.subarray(0, into.length);
      into.set(part);
      rest = rest.subarray(part.length);
      return Promise.resolve(part.length);
    },
    write: (from) => stream.write(from),
    closeWrite: () => stream.closeWrite(),
    close: () => stream.close(),
  };
}
