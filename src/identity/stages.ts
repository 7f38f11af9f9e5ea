/** The two stages of the attested handshake as tokens, and the comparison that ties them to one channel. */
import { equalConstantTime, fromBase64Url } from "../bytes/mod.ts";
import { PosternError } from "../errors/mod.ts";
import { satisfiesTier, type Stage0Claims, type Stage1Claims } from "./claims.ts";

/** What the edge knows of the channel on which a stage 1 token arrived: 32 bytes each. */
export interface ChannelFacts {
  /** The challenge that the edge sent on this channel, for this stage 1 token. */
  readonly sessionNonce: Uint8Array;
  readonly handshakeHash: Uint8Array;
  /** The agent's static key as the handshake proved it. */
  readonly agentStatic: Uint8Array;
}

/** The part of a stage 0 token that stage 1 must repeat. */
export type StageRoutes = Pick<
  Stage0Claims,
  "iss" | "sub" | "hostnames" | "tls_hostnames" | "tcp_ports" | "udp_ports" | "weight" | "require_tier"
>;

/**
 * Refuses a verified stage 1 token that is not the continuation of this stage 0 token on this channel.
 * Throws `stage1_wrong_nonce`, `stage1_wrong_channel`, `stage1_wrong_routes`, `tier_too_weak`.
 */
export function matchStages(stage0: StageRoutes, stage1: Stage1Claims, channel: ChannelFacts): void {
  if (!same(stage1.session_nonce, channel.sessionNonce)) {
    throw new PosternError("stage1_wrong_nonce", "Cannot accept stage1 token: it answers another challenge");
  }
  if (
    !same(stage1.handshake_hash, channel.handshakeHash) || !same(stage1.agent_static, channel.agentStatic)
  ) {
    throw new PosternError("stage1_wrong_channel", "Cannot accept stage1 token: it confirms another channel");
  }
  const claim = differingClaim(stage0, stage1);
  if (claim !== undefined) {
    throw new PosternError(
      "stage1_wrong_routes",
      `Cannot accept stage1 token: claim ${claim} differs from stage 0`,
      {
        detail: { claim },
      },
    );
  }
  if (!satisfiesTier(stage1.tier, stage0.require_tier)) {
    throw new PosternError(
      "tier_too_weak",
      `Cannot accept stage1 token: its tunnel demands ${stage0.require_tier}`,
    );
  }
}

function same(claim: string, bytes: Uint8Array): boolean {
  return equalConstantTime(fromBase64Url(claim), bytes);
}

function differingClaim(stage0: StageRoutes, stage1: Stage1Claims): string | undefined {
  if (stage0.iss !== stage1.iss) return "iss";
  if (stage0.sub !== stage1.sub) return "sub";
  if (stage0.weight !== stage1.weight) return "weight";
  if (!sameSet(stage0.hostnames, stage1.hostnames)) return "hostnames";
  if (!sameSet(stage0.tls_hostnames, stage1.tls_hostnames)) return "tls_hostnames";
  if (!sameSet(stage0.tcp_ports, stage1.tcp_ports)) return "tcp_ports";
  if (!sameSet(stage0.udp_ports, stage1.udp_ports)) return "udp_ports";
  return undefined;
}

function sameSet<T>(a: readonly T[], b: readonly T[]): boolean {
  const left = new Set(a);
  const right = new Set(b);
  return left.size === right.size && [...left].every((value) => right.has(value));
}
