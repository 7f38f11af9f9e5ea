/** Who a viewer is, when trusted proxies may stand in front. */
import { AddressBlocks, ipBytes } from "../bytes/mod.ts";

export class TrustedProxies {
  readonly #blocks: AddressBlocks;

  /** @param blocks validated by the configuration */
  constructor(blocks: readonly string[]) {
    this.#blocks = new AddressBlocks(blocks);
  }

  trusts(address: string): boolean {
    if (this.#blocks.isEmpty) return false;
    const bytes = ipBytes(address);
    return bytes !== undefined && this.#blocks.has(bytes);
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
