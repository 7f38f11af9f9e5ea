/** What a host name is the name of, whether or not an agent serves it now. */
import type { EdgeConfig } from "./config/mod.ts";
import { type KnownRoute, tlsRoute } from "./edge/mod.ts";
import type { Store } from "./ports/mod.ts";

export async function knownRoute(
  store: Store,
  config: EdgeConfig,
  hostname: string,
): Promise<KnownRoute | undefined> {
  const suffix = `.${config.publicHost}`;
  if (!hostname.endsWith(suffix)) return undefined;
  const label = hostname.slice(0, -suffix.length);
  const dot = label.indexOf(".");
  const name = dot < 0 ? label : `*${label.slice(dot)}`;
  const tunnel = await store.tunnelByName(name);
  if (tunnel === undefined) return undefined;
  const { tunnelId, protocol, rules } = tunnel;
  switch (protocol) {
    case "http":
      return { name: `${name}${suffix}`, tunnelId, rules };
    case "tls":
      return { name: tlsRoute(`${name}${suffix}`), tunnelId, rules };
    default:
      return undefined; // viewers reach it by its port, if at all
  }
}
