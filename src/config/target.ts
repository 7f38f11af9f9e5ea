/** What `postern http`, `tcp`, `tls` and `udp` are pointed at. */
import { PosternError } from "../errors/mod.ts";
import { type Address, parseAddress } from "./address.ts";
import type { ServiceProtocol } from "./protocol.ts";

/**
 * Reads a port ("8080" = that port on this machine), "host:port", or for http "http://host[:port]".
 * Throws `cli_target_invalid`.
 */
export function parseTarget(protocol: ServiceProtocol, text: string): Address {
  const refuse = (expected: string): never => {
    throw new PosternError("cli_target_invalid", `Cannot publish this target: expected ${expected}`);
  };
  if (/^\d{1,5}$/.test(text)) {
    return checked({ host: "127.0.0.1", port: Number(text) }) ?? refuse("a port from 1 to 65535");
  }
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) {
    if (protocol !== "http") return refuse(`a port or HOST:PORT for ${protocol}`);
    return fromUrl(text) ?? refuse("http://HOST:PORT without path, query or credentials");
  }
  return checked(parseAddress(text)) ?? refuse("a port, HOST:PORT or http://HOST:PORT");
}

function checked(address: Address | undefined): Address | undefined {
  return address !== undefined && address.port >= 1 && address.port <= 65_535 ? address : undefined;
}

function fromUrl(text: string): Address | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  const bare = url.pathname === "/" && url.search === "" && url.hash === "" && url.username === "" &&
    url.password === "";
  if (url.protocol !== "http:" || !bare) return undefined;
  return checked({
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: url.port === "" ? 80 : Number(url.port),
  });
}
