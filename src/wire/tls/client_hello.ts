/**
 * The ClientHello (RFC 8446 4.1.2), read before any TLS library sees it: the edge routes by its server name, and
 * refuses what its library must not get.
 *
 * ```
 * record     type 22 | version 3.x | length u16 <= 16384 | fragment         (one or more)
 * handshake  type 1  | length u24                                           (the fragments, joined)
 * body       version u16 | random 32 | session_id <0..32> u8 | cipher_suites <2..> u16 | compression <1..255> u8
 *            | extensions u16: { type u16 | data u16 }                      (absent in old clients)
 * ```
 */
import { concat } from "../../bytes/mod.ts";
import { PosternError } from "../../errors/mod.ts";

/** Longest handshake message. Browsers send 0.5 to 2 KiB, with post-quantum key shares included. */
export const MAX_CLIENT_HELLO_BYTES = 32_768;
/** Most records that one ClientHello may be cut into: clients use one to three. */
export const MAX_HELLO_RECORDS = 16;

const HANDSHAKE_CONTENT_TYPE = 22;
const RECORD_HEADER_BYTES = 5;
const MAX_FRAGMENT_BYTES = 16_384;
const CLIENT_HELLO_TYPE = 1;
const HANDSHAKE_HEADER_BYTES = 4;
const SERVER_NAME_EXTENSION = 0;
const ALPN_EXTENSION = 16;

/** What a client asks for. Peer text: compare it, never log it raw. */
export interface ClientHello {
  /** Lower-case DNS name; undefined when absent or an IP address, which is no name (RFC 6066 3). */
  readonly serverName: string | undefined;
  /** In the client's order; undefined without the extension. Octets as Latin-1. */
  readonly alpnProtocols: readonly string[] | undefined;
}

/** Whether the first byte of a connection can begin a TLS handshake: no HTTP request does. */
export function isTlsClientHello(firstByte: number): boolean {
  return firstByte === HANDSHAKE_CONTENT_TYPE;
}

/**
 * Reads the ClientHello at the start of what a client sent; null when more bytes are needed. What comes behind it is
 * not looked at. Throws `tls_malformed_hello`, for lengths over the limits before the bytes are there.
 */
export function parseClientHello(bytes: Uint8Array): ClientHello | null {
  const body = joinFragments(bytes);
  return body === null ? null : readBody(new Octets(body));
}

/** The handshake message's body, out of its records. */
function joinFragments(bytes: Uint8Array): Uint8Array | null {
  const fragments: Uint8Array[] = [];
  let declared = 0;
  for (let at = 0;;) {
    if (fragments.length === MAX_HELLO_RECORDS) throw malformed("it is cut into too many records");
    const header = bytes.subarray(at, at + RECORD_HEADER_BYTES);
    if (header.length > 0 && header[0] !== HANDSHAKE_CONTENT_TYPE) {
      throw malformed("it is no handshake record");
    }
    if (header.length > 1 && header[1] !== 3) throw malformed("its record version is unknown");
    if (header.length < RECORD_HEADER_BYTES) return null;
    const length = header[3] << 8 | header[4];
    if (length === 0 || length > MAX_FRAGMENT_BYTES) throw malformed("its record length is out of range");
    at += RECORD_HEADER_BYTES + length;
    declared += length;
    const fragment = bytes.subarray(at - length, at);
    fragments.push(fragment);
    const needed = messageBytes(fragments);
    // Nothing may follow in the same record: the keys change behind it (RFC 8446 5.1).
    if (declared > needed) throw malformed("another message follows it");
    if (fragment.length < length) return null;
    if (declared === needed) return concat(...fragments).subarray(HANDSHAKE_HEADER_BYTES);
  }
}

/** The message's length as declared, header included; infinite until the header is there. */
function messageBytes(fragments: readonly Uint8Array[]): number {
  const header = fragments[0].length >= HANDSHAKE_HEADER_BYTES ? fragments[0] : concat(...fragments);
  if (header.length > 0 && header[0] !== CLIENT_HELLO_TYPE) throw malformed("it is another message");
  if (header.length < HANDSHAKE_HEADER_BYTES) return Infinity;
  const length = header[1] << 16 | header[2] << 8 | header[3];
  if (length > MAX_CLIENT_HELLO_BYTES) throw malformed("it is longer than 32 KiB");
  return HANDSHAKE_HEADER_BYTES + length;
}

function readBody(body: Octets): ClientHello {
  if (body.u8() !== 3) throw malformed("its version is unknown");
  body.u8();
  body.take(32);
  if (body.vector8().left > 32) throw malformed("its session id is too long");
  const suites = body.vector16().left;
  if (suites < 2 || suites % 2 !== 0) throw malformed("its cipher suites are no list");
  if (body.vector8().left < 1) throw malformed("it has no compression method");
  let serverName: string | undefined;
  let alpnProtocols: string[] | undefined;
  if (body.left > 0) {
    const extensions = body.vector16();
    body.end();
    const seen = new Set<number>();
    while (extensions.left > 0) {
      const type = extensions.u16();
      const data = extensions.vector16();
      if (seen.has(type)) throw malformed("an extension stands twice");
      seen.add(type);
      if (type === SERVER_NAME_EXTENSION) serverName = readServerName(data);
      if (type === ALPN_EXTENSION) alpnProtocols = readProtocols(data);
    }
  }
  return { serverName, alpnProtocols };
}

/** RFC 6066 3: a list that can hold one name, since there is one type and a type may stand once. */
function readServerName(data: Octets): string | undefined {
  const list = data.vector16();
  data.end();
  if (list.u8() !== 0) throw malformed("its server name is of an unknown type");
  const octets = list.vector16();
  list.end();
  if (octets.left < 1 || octets.left > 253) throw malformed("its server name is too short or too long");
  const name = latin1(octets.take(octets.left)).toLowerCase();
  if (/^[0-9.]+$/.test(name) || /^[0-9a-f.]*:[0-9a-f:.]*$/.test(name)) return undefined;
  // Underscores are no part of host names, but of names that are in use.
  if (!/^[a-z0-9_.-]+$/.test(name) || !name.split(".").every(isLabel)) {
    throw malformed("its server name is no DNS name");
  }
  return name;
}

function isLabel(label: string): boolean {
  return label.length >= 1 && label.length <= 63 && !label.startsWith("-") && !label.endsWith("-");
}

/** RFC 7301 3.1. */
function readProtocols(data: Octets): string[] {
  const list = data.vector16();
  data.end();
  const protocols: string[] = [];
  while (list.left > 0) {
    const name = list.vector8();
    if (name.left === 0) throw malformed("a protocol name is empty");
    protocols.push(latin1(name.take(name.left)));
  }
  if (protocols.length === 0) throw malformed("its list of protocols is empty");
  return protocols;
}

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/** Reads from the front; whatever is missing makes the message malformed. */
class Octets {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  take(bytes: number): Uint8Array {
    if (bytes > this.left) throw malformed("a length in it is too long");
    this.#at += bytes;
    return this.#bytes.subarray(this.#at - bytes, this.#at);
  }

  u8(): number {
    return this.take(1)[0];
  }

  u16(): number {
    return this.u8() << 8 | this.u8();
  }

  vector8(): Octets {
    return new Octets(this.take(this.u8()));
  }

  vector16(): Octets {
    return new Octets(this.take(this.u16()));
  }

  end(): void {
    if (this.left > 0) throw malformed("a length in it is too short");
  }
}

function malformed(state: string): PosternError {
  return new PosternError("tls_malformed_hello", `Cannot read the ClientHello: ${state}`);
}
