/** Sets of address blocks in CIDR notation (RFC 4632 3.1, RFC 4291 2.3), looked through without allocation. */
import { ipBytes } from "./address.ts";

/** A block: its address bytes (4 or 16), and how many of their leading bits count. */
export interface AddressBlock {
  readonly bytes: Uint8Array;
  readonly bits: number;
}

/**
 * Reads `10.0.0.0/8`, `fd00::/8`, or one address; undefined for any other text. A block of IPv4-mapped IPv6 addresses
 * is the IPv4 block that it stands for, bits behind the prefix are passed over.
 */
export function parseAddressBlock(text: string): AddressBlock | undefined {
  const [host, suffix, ...rest] = text.split("/");
  if (rest.length > 0 || (suffix !== undefined && !/^\d{1,3}$/.test(suffix))) return undefined;
  const bytes = ipBytes(host);
  if (bytes === undefined) return undefined;
  const most = host.includes(":") ? 128 : 32;
  const bits = Number(suffix ?? most);
  if (bits > most) return undefined;
  const mapped = bytes.length === 4 && most === 128 ? 96 : 0;
  // A wider block of mapped addresses holds other addresses as well: nobody can mean that.
  return bits < mapped ? undefined : { bytes, bits: bits - mapped };
}

/** Words of 32 bits: an IPv4 block takes two (address, mask), an IPv6 block eight. */
export class AddressBlocks {
  readonly #v4: Uint32Array;
  readonly #v6: Uint32Array;

  /** @param blocks texts that {@link parseAddressBlock} accepts; throws a TypeError otherwise */
  constructor(blocks: readonly string[]) {
    const v4: number[] = [];
    const v6: number[] = [];
    for (const text of blocks) {
      const block = parseAddressBlock(text);
      if (block === undefined) throw new TypeError(`no address block: ${text}`);
      const into = block.bytes.length === 4 ? v4 : v6;
      for (let at = 0; at < block.bytes.length; at += 4) {
        const left = Math.min(32, Math.max(0, block.bits - at * 8));
        const mask = left === 0 ? 0 : (0xffffffff << (32 - left)) >>> 0;
        into.push((wordAt(block.bytes, at) & mask) >>> 0, mask);
      }
    }
    this.#v4 = Uint32Array.from(v4);
    this.#v6 = Uint32Array.from(v6);
  }

  get isEmpty(): boolean {
    return this.#v4.length === 0 && this.#v6.length === 0;
  }

  /** Whether a block holds the address, given as {@link ipBytes} gives it. */
  has(address: Uint8Array): boolean {
    return address.length === 4 ? within(this.#v4, address, 1) : within(this.#v6, address, 4);
  }
}

function within(blocks: Uint32Array, address: Uint8Array, words: number): boolean {
  for (let block = 0; block < blocks.length; block += 2 * words) {
    let word = 0;
    while (
      word < words &&
      ((wordAt(address, 4 * word) & blocks[block + 2 * word + 1]) >>> 0) === blocks[block + 2 * word]
    ) word++;
    if (word === words) return true;
  }
  return false;
}

function wordAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0;
}
