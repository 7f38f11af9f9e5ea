/** The way out as the settings have it: authorities, the proxy, its credentials, and who is reached without it. */
import { type AgentConfig, bypassesProxy, readSecretFile } from "../src/config/mod.ts";
import { parseProxyUrl, type ProxyChooser, readAuthorities } from "../src/driver/mod.ts";
import type { Log } from "../src/ports/mod.ts";

type ProxySettings = Pick<AgentConfig, "proxy" | "proxyCredentialsFile" | "proxyCaFile" | "noProxy">;

/**
 * Who decides about the proxy; undefined when none is configured. Throws what reading the files throws, and
 * `proxy_url_invalid` or `proxy_credentials_invalid`. Credentials are read anew for each connection: a file that was
 * replaced counts from then on.
 */
export async function proxyChooser(config: ProxySettings, log: Log): Promise<ProxyChooser | undefined> {
  const { proxy: url, proxyCredentialsFile, proxyCaFile, noProxy } = config;
  if (url === null) return undefined;
  const caCerts = proxyCaFile === null ? undefined : [await readAuthorities(proxyCaFile)];
  const read = async () => {
    if (proxyCredentialsFile === null) return { proxy: parseProxyUrl(url) };
    const { secret, warning } = await readSecretFile(proxyCredentialsFile, Deno);
    return { proxy: parseProxyUrl(url, secret), warning };
  };
  const { proxy, warning } = await read();
  if (warning !== undefined) log("warn", warning);
  if (proxy.authorization !== undefined && !proxy.tls) {
    log("warn", "the proxy is spoken to in plain text: its credentials can be read on the way", {
      proxy: url,
    });
  }
  return async (host, port) => {
    if (bypassesProxy(noProxy, host, port)) return undefined;
    return { ...(await read()).proxy, caCerts };
  };
}
