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

const signature = Uint8Array.of(0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a);
/** How version 1 begins, which is text: `PROXY TCP4 ...`. */
const version1 = Uint8Array.from("PROXY ", (char) => char.charCodeAt(0));
const fixedBytes = signature.length + 4;

const local = 0x20;
const proxied = 0x21;
const stream4 = 0x11;
const stream6 = 0x21;
/** Bytes of the addresses by family: unspecified, inet, inet6, unix. */
const addressBytes: readonly number[] = [0, 12, 36, 216];
const transports = 3;

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
  if (!agrees(bytes, signature)) {
    if (!agrees(bytes, version1)) {
      throw new PosternError(
        "proxy_header_missing",
        "Cannot take connection: it begins without PROXY header",
      );
    }
    if (bytes.length < version1.length) return null;
    throw new PosternError("proxy_header_version", "Cannot read PROXY header: it is of version 1");
  }
  if (bytes.length <= signature.length) return null;
  const command = bytes[signature.length];
  if (command >> 4 !== 2) {
    throw new PosternError("proxy_header_version", "Cannot read PROXY header: its version is not 2");
  }
  if (command !== local && command !== proxied) throw malformed("its command is unknown");
  if (bytes.length < fixedBytes) return null;
  const kind = bytes[signature.length + 1];
  const length = bytes[signature.length + 2] << 8 | bytes[signature.length + 3];
  if (fixedBytes + length > MAX_PROXY_HEADER_BYTES) {
    throw new PosternError(
      "proxy_header_too_large",
      `Cannot read PROXY header: it is longer than ${MAX_PROXY_HEADER_BYTES} bytes`,
    );
  }
  const needed = addressBytes[kind >> 4];
  if (needed === undefined || (kind & 0x0f) >= transports) throw malformed("its family is unknown");
  if (command === proxied && length < needed) throw malformed("its addresses do not fit into its length");
  if (bytes.length < fixedBytes + length) return null;
  const ends = command === proxied && (kind === stream4 || kind === stream6)
    ? endsAt(bytes.subarray(fixedBytes), (needed - 4) / 2)
    : undefined;
  return { bytes: fixedBytes + length, ends };
}

/** Whether the bytes are the beginning of a header of either version, all of its mark being there. */
export function beginsProxyHeader(bytes: Uint8Array): boolean {
  return (bytes.length >= signature.length && agrees(bytes, signature)) ||
    (bytes.length >= version1.length && agrees(bytes, version1));
}

/** The header for a connection between these ends; without both of them it says that they are not known. */
export function proxyHeader(source?: Endpoint, destination?: Endpoint): Uint8Array<ArrayBuffer> {
  const from = source === undefined ? undefined : ipBytes(source.host);
  const to = destination === undefined ? undefined : ipBytes(destination.host);
  if (from === undefined || to === undefined) return concat(signature, Uint8Array.of(proxied, 0, 0, 0));
  const addresses = from.length === to.length ? [from, to] : [mapped(from), mapped(to)];
  const kind = addresses[0].length === 4 ? stream4 : stream6;
  return concat(
    signature,
    Uint8Array.of(proxied, kind, 0, 2 * addresses[0].length + 4),
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
