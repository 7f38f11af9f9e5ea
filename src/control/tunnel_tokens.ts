/** The tokens that a tunnel's agents are given. */
import {
  type IssuedToken,
  issueRecreate,
  issueStage0,
  minRecreateTtlSeconds,
  type TunnelProtocol,
} from "../identity/mod.ts";
import type { TunnelRecord } from "../ports/mod.ts";
import type { Choice } from "./candidates.ts";
import { controlAudience, type ControlDeps } from "./config.ts";

export async function issueTokens(
  deps: ControlDeps,
  tunnel: TunnelRecord,
  choice: Choice,
  { recreateTtlSeconds, weight, family }: {
    readonly recreateTtlSeconds: number;
    readonly weight: number;
    readonly family: string | undefined;
  },
): Promise<{ ephemeral: IssuedToken; recreate: IssuedToken }> {
  const { config, keyset, random } = deps;
  const issue = { nowMs: deps.clock.wall(), random };
  const ephemeral = await issueStage0(
    {
      iss: config.issuer,
      aud: [...config.edgeAudience],
      sub: tunnel.tunnelId,
      hostnames: tunnel.protocol === "http" ? [hostnameOf(deps, tunnel)] : [],
      tls_hostnames: tunnel.protocol === "tls" ? [hostnameOf(deps, tunnel)] : [],
      tcp_ports: portsOf(tunnel, "tcp"),
      udp_ports: portsOf(tunnel, "udp"),
      weight,
      protocol: tunnel.protocol,
      transports: [...new Set(choice.edges.map((edge) => edge.transport))],
      ...(tunnel.requireTier === undefined ? {} : { require_tier: tunnel.requireTier }),
      handshake_max_age_seconds: Math.ceil(config.handshakeMaxAgeMs / 1_000),
    },
    keyset,
    { ...issue, ttlSeconds: Math.floor(config.tokens.stage0Ms / 1_000) },
  );
  const recreate = await issueRecreate(
    {
      iss: config.issuer,
      aud: controlAudience,
      sub: tunnel.tunnelId,
      name: tunnel.name,
      owner: tunnel.owner,
      ...(family === undefined ? {} : { family }),
    },
    keyset,
    { ...issue, ttlSeconds: recreateTtlSeconds },
  );
  deps.events.onTokenIssued?.("stage0");
  deps.events.onTokenIssued?.("recreate");
  return { ephemeral, recreate };
}

function portsOf(tunnel: TunnelRecord, protocol: TunnelProtocol): number[] {
  return tunnel.protocol === protocol && tunnel.publicPort !== undefined ? [tunnel.publicPort] : [];
}

export function clampTtl(
  deps: ControlDeps,
  wanted: number | undefined,
): { seconds: number; notes: string[] } {
  const max = Math.floor(deps.config.tokens.recreateMaxMs / 1_000);
  const asked = wanted ?? Math.floor(deps.config.tokens.recreateMs / 1_000);
  const seconds = Math.min(Math.max(asked, minRecreateTtlSeconds), max);
  const notes = wanted === undefined || wanted === seconds
    ? []
    : [`recreate_token_ttl_seconds was set to ${seconds} (allowed: ${minRecreateTtlSeconds} to ${max})`];
  return { seconds, notes };
}

/** Public hostname; of a private service, which has none, its name. */
export function hostnameOf(deps: Pick<ControlDeps, "config">, tunnel: TunnelRecord): string {
  return tunnel.protocol === "private" ? tunnel.name : `${tunnel.name}.${deps.config.publicDomain}`;
}
