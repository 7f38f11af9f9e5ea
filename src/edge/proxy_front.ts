/** Connections from proxies that say by PROXY protocol whom they speak for: believed from trusted sources only. */
import { formatHostPort } from "../bytes/mod.ts";
import { PosternError } from "../errors/mod.ts";
import type { ByteStream } from "../ports/mod.ts";
import { beginsProxyHeader, MAX_PROXY_HEADER_BYTES, readProxyHeader } from "../wire/proxy_protocol/mod.ts";
import { TrustedProxies, withoutPort } from "./client_ip.ts";
import type { Admission } from "./connection_limits.ts";
import type { EdgeContext } from "./context.ts";
import { prefixed } from "./prefixed_stream.ts";

/** Holds a header without TLVs, and little of what follows it. */
const FIRST_READ_BYTES = 256;
/** No mark of a header is longer. */
const MARK_BYTES = 12;

export class ProxyFront {
  readonly #context: Pick<EdgeContext, "deadlines" | "config">;
  readonly #sources: TrustedProxies;
  readonly #isOn: boolean;

  constructor(context: Pick<EdgeContext, "deadlines" | "config">) {
    const { proxyProtocolFrom } = context.config;
    this.#context = context;
    this.#sources = new TrustedProxies(proxyProtocolFrom);
    this.#isOn = proxyProtocolFrom.length > 0;
  }

  /**
   * Counts a connection for whom it is from, and gives the stream under that address: of a proxy, which is not counted
   * itself, the one that its header tells. Undefined when a proxy left without a word.
   * @throws PosternError `viewer_limit`, `proxy_header_*`, and what the socket throws
   */
  async admit(socket: ByteStream, admission: Admission): Promise<ByteStream | undefined> {
    const isProxy = this.#isProxy(socket);
    const named = isProxy ? await this.#meet(socket) : socket;
    // A proxy that speaks for itself is not counted. Whoever it names is, also where its address is one of proxies.
    const isItself = isProxy && named?.remoteAddress === socket.remoteAddress;
    if (named !== undefined && !isItself) admission.name(withoutPort(named.remoteAddress));
    return named;
  }

  /** As {@link admit}, for ports of raw bytes, where a header of somebody else would reach the service. */
  async admitRaw(socket: ByteStream, admission: Admission): Promise<ByteStream | undefined> {
    const named = await this.admit(socket, admission);
    return this.#isOn && named === socket ? guarded(socket) : named;
  }

  #isProxy(socket: ByteStream): boolean {
    return this.#isOn && this.#sources.trusts(withoutPort(socket.remoteAddress));
  }

  /** Closes the socket when reading the header takes too long. */
  async #meet(socket: ByteStream): Promise<ByteStream | undefined> {
    const { deadlines, config } = this.#context;
    let late = false;
    const deadline = deadlines.set(config.timeouts.peekMs, () => {
      late = true;
      socket.close();
    });
    try {
      return await readHeader(socket);
    } catch (error) {
      throw late ? new PosternError("proxy_header_timeout") : error;
    } finally {
      deadline.lift();
    }
  }
}

/** Throws `proxy_header_untrusted` when the first bytes of a viewer are a header. */
export function refuseProxyHeader(bytes: Uint8Array): void {
  if (!beginsProxyHeader(bytes)) return;
  throw new PosternError(
    "proxy_header_untrusted",
    "Cannot take connection: its PROXY header is not from a trusted source",
  );
}

/** The same stream without its header; undefined when it ends before. */
async function readHeader(socket: ByteStream): Promise<ByteStream | undefined> {
  let buffer = new Uint8Array(FIRST_READ_BYTES);
  let filled = 0;
  for (;;) {
    const read = await socket.read(buffer.subarray(filled));
    if (read === null) {
      if (filled === 0) return undefined;
      throw new PosternError(
        "proxy_header_missing",
        "Cannot take connection: it ended within the PROXY header",
      );
    }
    filled += read;
    const header = readProxyHeader(buffer.subarray(0, filled));
    if (header !== null) {
      const rest = buffer.subarray(header.bytes, filled);
      if (header.ends === undefined) return prefixed(socket, rest);
      const { source, destination } = header.ends;
      return prefixed(socket, rest, {
        remoteAddress: formatHostPort(source.host, source.port),
        localAddress: formatHostPort(destination.host, destination.port),
      });
    }
    if (filled < buffer.length) continue;
    const larger = new Uint8Array(MAX_PROXY_HEADER_BYTES);
    larger.set(buffer);
    buffer = larger;
  }
}

/** Its reads throw `proxy_header_untrusted` once a header's mark is whole: what came before is not one yet. */
function guarded(socket: ByteStream): ByteStream {
  const mark = new Uint8Array(MARK_BYTES);
  let seen = 0;
  return {
    remoteAddress: socket.remoteAddress,
    localAddress: socket.localAddress,
    async read(into) {
      const read = await socket.read(into);
      if (read !== null && seen < MARK_BYTES) {
        const more = into.subarray(0, Math.min(read, MARK_BYTES - seen));
        mark.set(more, seen);
        seen += more.length;
        refuseProxyHeader(mark.subarray(0, seen));
      }
      return read;
    },
    write: (from) => socket.write(from),
    closeWrite: () => socket.closeWrite(),
    close: () => socket.close(),
  };
}
