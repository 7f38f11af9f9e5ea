/** Which hosts are reached without the proxy, in the notation that NO_PROXY has in most programs. */
import { AddressBlocks, ipBytes, parseAddressBlock } from "../bytes/mod.ts";

/** One rule as text, and what it says. */
interface Rule {
  /** Suffix or whole name in lower case; "" for every host. */
  readonly name?: string;
  /** Whether the name itself is meant as well as what is below it. */
  readonly itself?: boolean;
  readonly block?: AddressBlocks;
  /** Only this port. */
  readonly port?: number;
}

/**
 * Reads `*` (every host), `example.com` (it and what is below), `.example.com` or `*.example.com` (what is below), an
 * address or a block of addresses, each but the block with `:port` where only that port is meant. Undefined for others.
 */
function parseRule(text: string): Rule | undefined {
  if (parseAddressBlock(text) !== undefined) return { block: new AddressBlocks([text]) };
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]/]+))(?::(\d{1,5}))?$/i.exec(text);
  if (match === null) return undefined;
  const port = match[3] === undefined ? {} : { port: Number(match[3]) };
  if (match[3] !== undefined && (port.port === 0 || port.port! > 65_535)) return undefined;
  const host = match[1] ?? match[2];
  if (ipBytes(host) !== undefined) return { block: new AddressBlocks([host]), ...port };
  if (match[1] !== undefined) return undefined;
  const name = match[2].toLowerCase();
  if (name === "*") return { name: "", itself: true, ...port };
  const bare = name.replace(/^\*?\./, "");
  if (!/^[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?$/.test(bare)) return undefined;
  return { name: bare, itself: bare === name, ...port };
}

/** Whether the text is a rule of {@link bypassesProxy}. */
export function isNoProxyRule(text: string): boolean {
  return parseRule(text) !== undefined;
}

/** Whether one of the rules takes this host out; names are not resolved. `host` has no brackets. */
export function bypassesProxy(rules: readonly string[], host: string, port: number): boolean {
  const name = host.toLowerCase().replace(/\.$/, "");
  const bytes = ipBytes(name);
  return rules.some((text) => {
    const rule = parseRule(text);
    if (rule === undefined || (rule.port !== undefined && rule.port !== port)) return false;
    if (rule.block !== undefined) return bytes !== undefined && rule.block.has(bytes);
    if (rule.name === "") return true;
    return bytes === undefined && (rule.itself! && name === rule.name || name.endsWith(`.${rule.name}`));
  });
}
