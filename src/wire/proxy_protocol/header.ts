/**
 * The header in front of a proxied connection (proxy-protocol.txt 2.2, by HAProxy):
 *
 * ```
 * signature 0D 0A 0D 0A 00 0D 0A 51 55 49 54 0A | version 2, command: u4 each | family, transport: u4 each | length u16
 * inet   source 4 | destination 4 | source port u16 | destination port u16 | TLVs
 * inet6  source 16 | destination 16 | source port u16 | destination port u16 | TLVs
 * unix   source 108 | destination 108 | TLVs
 * ```
 */
import { concat, ipBytes, ipText } from "../../bytes/mod.ts";
import { PosternError } from "../../errors/mod.ts";

/** Longest header: the addresses of a unix socket take 232, TLVs with a client certificate's names 1 to 2 KiB. */
export const MAX_PROXY_HEADER_BYTES = 4_096;

const SIGNATURE = Uint8Array.of(0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a);
/** How version 1 begins, which is text: `PROXY TCP4 ...`. */
const VERSION_1 = Uint8Array.from("PROXY ", (char) => char.charCodeAt(0));
const FIXED_BYTES = SIGNATURE.length + 4;

const COMMAND_LOCAL = 0x20;
const COMMAND_PROXY = 0x21;
const TCP_OVER_IPV4 = 0x11;
const TCP_OVER_IPV6 = 0x21;
/** Bytes of the addresses by family: unspecified, inet, inet6, unix. */
const ADDRESS_BYTES: readonly number[] = [0, 12, 36, 216];
const TRANSPORTS = 3;

/** One end of a connection: an IP address as text, without brackets, and its port. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export interface ProxyHeader {
  /** Of the header; what follows belongs to the viewer. */
  readonly bytes: number;
  /** Absent when the proxy speaks for itself (LOCAL, a health check), or has no IP addresses to tell. */
  readonly ends: { readonly source: Endpoint; readonly destination: Endpoint } | undefined;
}

/**
 * Reads the header at the start of a connection; null when more bytes are needed. TLVs are passed over. Throws
 * `proxy_header_missing`, `proxy_header_version`, `proxy_header_malformed`, `proxy_header_too_large`, each as soon as it
 * is certain.
 */
export function readProxyHeader(bytes: Uint8Array): ProxyHeader | null {
  if (!agrees(bytes, SIGNATURE)) {
    if (!agrees(bytes, VERSION_1)) {
      throw new PosternError(
        "proxy_header_missing",
        "Cannot take connection: it begins without PROXY header",
      );
    }
    if (bytes.length < VERSION_1.length) return null;
    throw new PosternError("proxy_header_version", "Cannot read PROXY header: it is of version 1");
  }
  if (bytes.length <= SIGNATURE.length) return null;
  const command = bytes[SIGNATURE.length];
  if (command >> 4 !== 2) {
    throw new PosternError("proxy_header_version", "Cannot read PROXY header: its version is not 2");
  }
  if (command !== COMMAND_LOCAL && command !== COMMAND_PROXY) throw malformed("its command is unknown");
  if (bytes.length < FIXED_BYTES) return null;
  const kind = bytes[SIGNATURE.length + 1];
  const length = bytes[SIGNATURE.length + 2] << 8 | bytes[SIGNATURE.length + 3];
  if (FIXED_BYTES + length > MAX_PROXY_HEADER_BYTES) {
    throw new PosternError(
      "proxy_header_too_large",
      `Cannot read PROXY header: it is longer than ${MAX_PROXY_HEADER_BYTES} bytes`,
    );
  }
  const needed = ADDRESS_BYTES[kind >> 4];
  if (needed === undefined || (kind & 0x0f) >= TRANSPORTS) throw malformed("its family is unknown");
  if (command === COMMAND_PROXY && length < needed) {
    throw malformed("its addresses do not fit into its length");
  }
  if (bytes.length < FIXED_BYTES + length) return null;
  const ends = command === COMMAND_PROXY && (kind === TCP_OVER_IPV4 || kind === TCP_OVER_IPV6)
    ? endsAt(bytes.subarray(FIXED_BYTES), (needed - 4) / 2)
    : undefined;
  return { bytes: FIXED_BYTES + length, ends };
}

/** Whether the bytes are the beginning of a header of either version, all of its mark being there. */
export function beginsProxyHeader(bytes: Uint8Array): boolean {
  return (bytes.length >= SIGNATURE.length && agrees(bytes, SIGNATURE)) ||
    (bytes.length >= VERSION_1.length && agrees(bytes, VERSION_1));
}

/** The header for a connection between these ends; without both of them it says that they are not known. */
export function proxyHeader(source?: Endpoint, destination?: Endpoint): Uint8Array<ArrayBuffer> {
  const from = source === undefined ? undefined : ipBytes(source.host);
  const to = destination === undefined ? undefined : ipBytes(destination.host);
  if (from === undefined || to === undefined) return concat(SIGNATURE, Uint8Array.of(COMMAND_PROXY, 0, 0, 0));
  const addresses = from.length === to.length ? [from, to] : [mapped(from), mapped(to)];
  const kind = addresses[0].length === 4 ? TCP_OVER_IPV4 : TCP_OVER_IPV6;
  return concat(
    SIGNATURE,
    Uint8Array.of(COMMAND_PROXY, kind, 0, 2 * addresses[0].length + 4),
    ...addresses,
    ...[source!.port, destination!.port].map((port) => Uint8Array.of(port >> 8, port)),
  );
}

/** Whether the bytes and the mark are the same as far as both go. */
function agrees(bytes: Uint8Array, mark: Uint8Array): boolean {
  const length = Math.min(bytes.length, mark.length);
  for (let at = 0; at < length; at++) if (bytes[at] !== mark[at]) return false;
  return true;
}

function endsAt(bytes: Uint8Array, size: number): ProxyHeader["ends"] {
  const portAt = (at: number) => bytes[at] << 8 | bytes[at + 1];
  return {
    source: { host: ipText(bytes.subarray(0, size)), port: portAt(2 * size) },
    destination: { host: ipText(bytes.subarray(size, 2 * size)), port: portAt(2 * size + 2) },
  };
}

/** As 16 bytes; of IPv4 the mapped address (RFC 4291 2.5.5.2). */
function mapped(address: Uint8Array): Uint8Array {
  return address.length === 16 ? address : concat(new Uint8Array(10), Uint8Array.of(0xff, 0xff), address);
}

function malformed(state: string): PosternError {
  return new PosternError("proxy_header_malformed", `Cannot read PROXY header: ${state}`);
}
