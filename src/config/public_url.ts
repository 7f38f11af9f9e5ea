/** The URLs that an edge hands out. */
import type { EdgeConfig } from "./edge.ts";

/** Whether viewers are told to come by https to what ends at the edge. */
function isPublicUrlSecure({ publicUrlScheme, tls }: Pick<EdgeConfig, "publicUrlScheme" | "tls">): boolean {
  return publicUrlScheme === "auto" ? tls.certFile !== null : publicUrlScheme === "https";
}

type UrlConfig = Pick<EdgeConfig, "publicHost" | "publicUrlPort" | "publicUrlScheme" | "tls">;

/** What is the same in every URL that this edge hands out; `boundPort` is the port really listened on. */
export function publicUrlOf(
  config: UrlConfig,
  name: string,
  boundPort: number,
  secure: boolean = isPublicUrlSecure(config),
): string {
  return urlOf(config, `${name}.${config.publicHost}`, boundPort, secure);
}

/** Where people reach control. */
export function controlUrlOf(config: UrlConfig, boundPort: number): string {
  return urlOf(config, config.publicHost, boundPort, isPublicUrlSecure(config));
}

function urlOf(config: UrlConfig, host: string, boundPort: number, secure: boolean): string {
  const port = config.publicUrlPort ?? boundPort;
  const suffix = port === (secure ? 443 : 80) ? "" : `:${port}`;
  return `${secure ? "https" : "http"}://${host}${suffix}`;
}

/** Where agents open their carrier. */
export function carrierUrlOf(config: UrlConfig & Pick<EdgeConfig, "edgeHost">, boundPort: number): string {
  const { edgeHost, publicHost, publicUrlPort } = config;
  return `${isPublicUrlSecure(config) ? "wss" : "ws"}://${edgeHost ?? publicHost}:${
    publicUrlPort ?? boundPort
  }`;
}
