/** Addresses: IP text to bytes, which of them count as one client, and how one is written with its port. */

/**
 * The 4 or 16 bytes of an IP address without brackets and zone; undefined for any other text. An IPv4-mapped IPv6 address
 * (RFC 4291 2.5.5.2) is the IPv4 address that it stands for.
 */
export function ipBytes(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) {
    const parts = text.split(".").map(Number);
    return parts.every((part) => part <= 255) ? Uint8Array.from(parts) : undefined;
  }
  // Nothing but hexadecimal digits, colons and dots may reach the URL parser: `::1]/[` is a URL in brackets as well.
  if (!/^[0-9a-f:.]*:[0-9a-f:.]*$/i.test(text) || !URL.canParse(`http://[${text}]/`)) return undefined;
  const [left, right] = new URL(`http://[${text}]/`).hostname.slice(1, -1).split("::").map(wordsOf);
  const words = right === undefined
    ? left
    : [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right];
  const bytes = Uint8Array.from(words.flatMap((word) => [word >> 8, word & 0xff]));
  return isMapped(bytes) ? bytes.slice(12) : bytes;
}

/**
 * Who counts as one client: an IPv4 address, or the /64 of an IPv6 address, since one host has all of its 2^64. Text that
 * is no address stands for itself.
 */
export function networkOf(address: string): string {
  const bytes = ipBytes(address.split("%", 1)[0]);
  if (bytes === undefined) return address;
  if (bytes.length === 4) return bytes.join(".");
  const view = new DataView(bytes.buffer);
  return `${[0, 2, 4, 6].map((at) => view.getUint16(at).toString(16)).join(":")}::/64`;
}

/** The text of the 4 or 16 bytes of an address (RFC 5952); of an IPv4-mapped one the IPv4 address. */
export function ipText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  if (isMapped(bytes)) return bytes.subarray(12).join(".");
  const words = Array.from({ length: 8 }, (_, at) => (bytes[2 * at] << 8 | bytes[2 * at + 1]).toString(16));
  return new URL(`http://[${words.join(":")}]/`).hostname.slice(1, -1);
}

/** The parts of `host:port` or `[host]:port`, a zone left out; undefined for any other text. */
export function parseHostPort(text: string): { host: string; port: number } | undefined {
  const match = /^(?:\[([^\][%]*)(?:%[^\][]*)?\]|([^:\][]+)):(\d{1,5})$/.exec(text);
  if (match === null || Number(match[3]) > 65_535) return undefined;
  return { host: match[1] ?? match[2], port: Number(match[3]) };
}

/** `host:port`, with brackets around an IPv6 address. */
export function formatHostPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function wordsOf(side: string): number[] {
  return side === "" ? [] : side.split(":").map((word) => parseInt(word, 16));
}

function isMapped(bytes: Uint8Array): boolean {
  return bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff;
}
