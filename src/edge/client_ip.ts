/** Who a viewer is, when trusted proxies may stand in front. */

/** A block of addresses, such as 10.0.0.0/8 or fd00::/8, as bits. */
interface Block {
  readonly bytes: Uint8Array;
  readonly bits: number;
}

export class TrustedProxies {
  readonly #blocks: readonly Block[];

  /** @param blocks validated by the configuration */
  constructor(blocks: readonly string[]) {
    this.#blocks = blocks.map((text) => {
      const [host, bits] = text.split("/");
      const bytes = addressBytes(host);
      if (bytes === undefined) throw new TypeError(`no address: ${text}`);
      const mappedBits = bytes.length === 4 && host.includes(":") ? 96 : 0;
      return { bytes, bits: bits === undefined ? bytes.length * 8 : Math.max(0, Number(bits) - mappedBits) };
    });
  }

  trusts(address: string): boolean {
    const bytes = addressBytes(address);
    return bytes !== undefined && this.#blocks.some((block) => within(bytes, block));
  }

  /**
   * The viewer's address: the socket's own, or behind trusted proxies the last one in X-Forwarded-For that none of them
   * has written about itself. Anything that does not parse is not believed.
   */
  clientIp(socketIp: string, forwardedFor: readonly string[]): string {
    if (!this.trusts(socketIp)) return socketIp;
    const hops = forwardedFor.flatMap((value) => value.split(",")).map((hop) => hop.trim());
    let client = socketIp;
    for (const hop of hops.reverse()) {
      if (addressBytes(hop) === undefined) break;
      client = hop;
      if (!this.trusts(hop)) break;
    }
    return client;
  }
}

/** Address without the port of `address:port` or `[address]:port`. */
export function withoutPort(address: string): string {
  const colon = address.lastIndexOf(":");
  const host = colon < 0 ? address : address.slice(0, colon);
  return host.startsWith("[") ? host.slice(1, -1) : host;
}

/** What connections are counted by: an IPv4 address, or the /64 that an IPv6 address is one of 2^64 of. */
export function networkOf(address: string): string {
  const bytes = addressBytes(address);
  return bytes === undefined || bytes.length === 4 ? address : bytes.subarray(0, 8).toHex();
}

function within(bytes: Uint8Array, block: Block): boolean {
  if (bytes.length !== block.bytes.length) return false;
  for (let bit = 0; bit < block.bits; bit += 8) {
    const left = Math.min(8, block.bits - bit);
    const mask = (0xff << (8 - left)) & 0xff;
    if (((bytes[bit >> 3] ^ block.bytes[bit >> 3]) & mask) !== 0) return false;
  }
  return true;
}

/** 4 or 16 bytes of an IP address; undefined for anything else. IPv4-mapped IPv6 counts as IPv4. */
function addressBytes(text: string): Uint8Array | undefined {
  const v4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (v4 !== null) {
    const parts = v4.slice(1).map(Number);
    return parts.every((part) => part <= 255) ? Uint8Array.from(parts) : undefined;
  }
  // Nothing but hexadecimal digits, colons and dots may reach the URL parser: `::1]/[` is a URL in brackets as well.
  if (!/^[0-9a-f:.]*:[0-9a-f:.]*$/i.test(text) || !URL.canParse(`http://[${text}]/`)) return undefined;
  const groups = new URL(`http://[${text}]/`).hostname.slice(1, -1).split("::");
  const words = groups.map((side) => side === "" ? [] : side.split(":").map((word) => parseInt(word, 16)));
  const tail = words[1] ?? [];
  const all = groups.length === 1
    ? words[0]
    : [...words[0], ...new Array(8 - words[0].length - tail.length).fill(0), ...tail];
  const bytes = Uint8Array.from(all.flatMap((word) => [word >> 8, word & 0xff]));
  const mapped = bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff &&
    bytes[11] === 0xff;
  return mapped ? bytes.slice(12) : bytes;
}
