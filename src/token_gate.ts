/** How an edge judges tokens: signatures by the declared verifiers, single use, tunnels and routes by the store. */
import type { ControlConfig } from "./control/mod.ts";
import type { TokenGate } from "./edge/mod.ts";
import { PosternError } from "./errors/mod.ts";
import {
  satisfiesTier,
  spendToken,
  type Stage0Claims,
  type Stage1Claims,
  type TokenKind,
} from "./identity/mod.ts";
import type { Clock, Store } from "./ports/mod.ts";
import { claimOfRoutes, isForeignSubject, type TokenVerifier, withForeignSubject } from "./tokens/mod.ts";

/** The gate of an edge whose control is embedded; it takes tokens of other issuers as its policy says. */
export function tokenGate(
  verifier: Pick<TokenVerifier, "verify">,
  store: Store,
  clock: Clock,
  config: Pick<
    ControlConfig,
    "edgeAudience" | "issuer" | "publicDomain" | "tcpPorts" | "udpPorts" | "tokens" | "attestation"
  >,
): TokenGate {
  const verify = async <K extends TokenKind & ("stage0" | "stage1")>(kind: K, token: string) => {
    const claims = await verifier.verify(kind, token, {
      audience: config.edgeAudience,
      nowMs: clock.wall(),
      clockSkewMs: config.tokens.clockSkewMs,
    });
    if (claims.iss !== config.issuer) return await withForeignSubject(claims);
    if (isForeignSubject(claims.sub)) {
      throw new PosternError("token_claims_invalid", `Cannot accept ${kind} token: its subject is no tunnel`);
    }
    return claims;
  };
  const refuseRevoked = async (owner: string, issuedAt: number) => {
    if (await store.isRevoked({ owner, startedAtMs: issuedAt * 1_000 })) {
      throw new PosternError("token_revoked");
    }
  };
  const checkTunnel = async (tunnelId: string, issuedAt: number) => {
    if (isForeignSubject(tunnelId)) {
      await refuseRevoked(tunnelId, issuedAt);
      return undefined;
    }
    const tunnel = await store.tunnel(tunnelId);
    if (tunnel === undefined) throw new PosternError("tunnel_deleted");
    await refuseRevoked(tunnel.owner, issuedAt);
    return tunnel;
  };
  const bindRoutes = async (claims: Stage0Claims) => {
    const taken = await store.claimRoutes(claimOfRoutes(claims, config, clock.wall()));
    if (taken === undefined) return;
    throw new PosternError("token_route_taken", "Cannot accept token: it names a route of somebody else", {
      detail: { route: taken },
    });
  };
  return {
    verifyStage0: (token): Promise<Stage0Claims> => verify("stage0", token),
    async verifyStage1(token): Promise<Stage1Claims> {
      const claims = await verify("stage1", token);
      if (claims.reauth_interval_seconds === undefined || claims.attestation_id !== undefined) return claims;
      // Without it nothing could be remembered of the proof, and the agent would never be asked again.
      throw new PosternError(
        "token_claims_invalid",
        "Cannot accept stage1 token: it is to be renewed, and does not name its attestation",
        { detail: { token: "stage1", claim: "attestation_id" } },
      );
    },
    async ownerOf(claims: Stage0Claims) {
      if (isForeignSubject(claims.sub)) return claims.sub;
      const tunnel = await store.tunnel(claims.sub);
      return tunnel === undefined || tunnel.anonymous ? undefined : tunnel.owner;
    },
    async spend(claims: Stage0Claims) {
      await checkTunnel(claims.sub, claims.iat);
      if (!isForeignSubject(claims.sub)) return await spendToken(store, "stage0", claims);
      await bindRoutes(claims);
      // Another issuer may use the same ids as control does.
      const [scope] = claims.sub.split(":", 1);
      await spendToken(store, "stage0", { jti: `${scope}:${claims.jti}`, exp: claims.exp });
    },
    async checkTunnel(tunnelId, issuedAt, { agent_id, tier }) {
      const tunnel = await checkTunnel(tunnelId, issuedAt);
      // The stage 0 token may be older than the demand, and other issuers do not know of it.
      if (!config.attestation.tiers.includes(tier) || !satisfiesTier(tier, tunnel?.requireTier)) {
        throw new PosternError("tier_too_weak");
      }
      const machine = await store.machine(agent_id);
      // Control has judged a machine that was enrolled: one that is gone was revoked and deleted since.
      const isGone = machine === undefined && tier === "tpm" && !isForeignSubject(tunnelId);
      if (isGone || machine?.state === "revoked") throw new PosternError("machine_revoked");
      return tunnel?.rules;
    },
  };
}
