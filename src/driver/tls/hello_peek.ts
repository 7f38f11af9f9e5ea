import { PosternError } from "../../errors/mod.ts";
import type { ByteStream } from "../../ports/mod.ts";
import { type ClientHello, parseClientHello } from "../../wire/tls/mod.ts";

/** Holds nearly every ClientHello at once; grows for the others. */
const FIRST_READ_BYTES = 4_096;

export interface PeekedHello {
  readonly hello: ClientHello;
  /** Everything that was read so far: the ClientHello and what may follow it. */
  readonly bytes: Uint8Array;
}

/**
 * Reads until the ClientHello is there; `peeked` is what was read before. The parser refuses whatever would need
 * more than its limits. Throws `tls_malformed_hello`, `tls_handshake_failed` when the stream ends before.
 */
export async function peekClientHello(stream: ByteStream, peeked: Uint8Array): Promise<PeekedHello> {
  let buffer = new Uint8Array(Math.max(FIRST_READ_BYTES, peeked.length));
  buffer.set(peeked);
  let filled = peeked.length;
  for (;;) {
    const hello = parseClientHello(buffer.subarray(0, filled));
    if (hello !== null) return { hello, bytes: buffer.subarray(0, filled) };
    if (filled === buffer.length) {
      const larger = new Uint8Array(buffer.length * 2);
      larger.set(buffer);
      buffer = larger;
    }
    const bytes = await stream.read(buffer.subarray(filled));
    if (bytes === null) {
      throw new PosternError(
        "tls_handshake_failed",
        `Cannot accept TLS from ${stream.remoteAddress}: the connection ended within the ClientHello`,
      );
    }
    filled += bytes;
  }
}
