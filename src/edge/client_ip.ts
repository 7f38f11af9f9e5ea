/** Who a viewer is, when trusted proxies may stand in front. */
import { ipBytes } from "../bytes/mod.ts";

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
      const bytes = ipBytes(host);
      if (bytes === undefined) throw new TypeError(`no address: ${text}`);
      const mappedBits = bytes.length === 4 && host.includes(":") ? 96 : 0;
      return { bytes, bits: bits === undefined ? bytes.length * 8 : Math.max(0, Number(bits) - mappedBits) };
    });
  }

  trusts(address: string): boolean {
    const bytes = ipBytes(address);
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
      if (ipBytes(hop) === undefined) break;
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

function within(bytes: Uint8Array, block: Block): boolean {
  if (bytes.length !== block.bytes.length) return false;
  for (let bit = 0; bit < block.bits; bit += 8) {
    const left = Math.min(8, block.bits - bit);
    const mask = (0xff << (8 - left)) & 0xff;
    if (((bytes[bit >> 3] ^ block.bytes[bit >> 3]) & mask) !== 0) return false;
  }
  return true;
}
