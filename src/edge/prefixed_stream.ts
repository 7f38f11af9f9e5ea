import type { ByteStream } from "../ports/mod.ts";

/** The stream with bytes in front that were read already, under other addresses where they are told. */
export function prefixed(
  stream: ByteStream,
  bytes: Uint8Array,
  { remoteAddress, localAddress }: Pick<ByteStream, "remoteAddress" | "localAddress"> = stream,
): ByteStream {
  let rest = bytes;
  return {
    remoteAddress,
    localAddress,
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
