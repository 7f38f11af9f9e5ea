/** What a connection begins with: looked at before it is known who is served. Bounded in bytes, and in time as a whole. */
import { PosternError } from "../errors/mod.ts";
import { type PeekedHello, readClientHello } from "../driver/tls/mod.ts";
import { PREFACE } from "../http2/mod.ts";
import type { ByteStream } from "../ports/mod.ts";
import { isTlsClientHello } from "../wire/tls/mod.ts";
import type { EdgeContext } from "./context.ts";
import { prefixed } from "./prefixed_stream.ts";
import { refuseProxyHeader } from "./proxy_front.ts";

/** Holds most heads and ClientHellos at once. A ClientHello that is longer gets more, within its own limits. */
const FIRST_READ_BYTES = 2_048;

/** So much of the preface of HTTP/2 is like no request: the method PRI is nobody's. */
const H2C_BYTES = 4;

/** `nothing`: the viewer left without a word. Otherwise no byte is lost. */
export type FirstBytes =
  | { readonly kind: "nothing" }
  | { readonly kind: "plain"; readonly stream: ByteStream }
  /** The preface of HTTP/2 without TLS, or the beginning of it: only where that was asked for. */
  | { readonly kind: "http2"; readonly stream: ByteStream }
  | { readonly kind: "tls"; readonly hello: PeekedHello };

/**
 * Reads until it is known what is spoken, a whole ClientHello where that is TLS. Closes the socket when that takes too long.
 * @throws PosternError `peek_timeout`, `tls_timeout`, `tls_malformed_hello`, `proxy_header_untrusted`, and what the socket throws
 */
export async function readFirstBytes(
  socket: ByteStream,
  { deadlines, config }: Pick<EdgeContext, "deadlines" | "config">,
  mayH2c = false,
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
    let read = 0;
    do {
      const more = await socket.read(buffer.subarray(read));
      if (more === null && late) throw lateError();
      if (more === null) return { kind: "nothing" };
      read += more;
    } while (mayH2c && read < H2C_BYTES && beginsHttp2(buffer.subarray(0, read)));
    const bytes = buffer.subarray(0, read);
    if (mayH2c && beginsHttp2(bytes)) return { kind: "http2", stream: prefixed(socket, bytes) };
    refuseProxyHeader(bytes);
    if (!isTlsClientHello(bytes[0])) return { kind: "plain", stream: prefixed(socket, bytes) };
    begun = true;
    return { kind: "tls", hello: await readClientHello(socket, bytes) };
  } catch (error) {
    throw late ? lateError() : error;
  } finally {
    deadline.lift();
  }
}

function beginsHttp2(bytes: Uint8Array): boolean {
  return bytes.subarray(0, PREFACE.length).every((octet, at) => octet === PREFACE.charCodeAt(at));
}
