/** How an edge judges tokens: signatures by keys, single use and tunnels by the store. */
import type { ControlConfig } from "./control/mod.ts";
import type { TokenGate } from "./edge/mod.ts";
import { PosternError } from "./errors/mod.ts";
import { type Keyset, spendToken, type Stage0Claims, verifyStage0, verifyStage1 } from "./identity/mod.ts";
import type { Clock, Store } from "./ports/mod.ts";

/** The gate of an edge whose control is embedded. */
export function tokenGate(keyset: Keyset, store: Store, clock: Clock, config: ControlConfig): TokenGate {
  const expectation = () => ({
    audience: config.edgeAudience,
    issuer: config.issuer,
    nowMs: clock.wall(),
    clockSkewMs: config.tokens.clockSkewMs,
  });
  const checkTunnel = async (tunnelId: string, issuedAt: number) => {
    const tunnel = await store.tunnel(tunnelId);
    if (tunnel === undefined) throw new PosternError("tunnel_deleted");
    const { owner } = tunnel;
    if (await store.isRevoked({ owner, startedAtMs: issuedAt * 1_000 })) {
      throw new PosternError("token_revoked");
    }
    return tunnel.rules;
  };
  return {
    verifyStage0: (token) => verifyStage0(token, keyset, expectation()),
    verifyStage1: (token) => verifyStage1(token, keyset, expectation()),
    async ownerOf(claims: Stage0Claims) {
      const tunnel = await store.tunnel(claims.sub);
      return tunnel === undefined || tunnel.anonymous ? undefined : tunnel.owner;
    },
    async spend(claims: Stage0Claims) {
      await checkTunnel(claims.sub, claims.iat);
      await spendToken(store, "stage0", claims);
    },
    async checkTunnel(tunnelId, issuedAt, agentId) {
      const rules = await checkTunnel(tunnelId, issuedAt);
      const machine = await store.machine(agentId);
      if (machine?.state === "revoked") throw new PosternError("machine_revoked");
      return rules;
    },
  };
}
