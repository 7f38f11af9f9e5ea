/** How an edge judges attach tokens: issued by its own control, for a tenant and agent that still may, and spent once. */
import type { ControlConfig } from "./control/mod.ts";
import type { AttachGate } from "./edge/mod.ts";
import { PosternError } from "./errors/mod.ts";
import { consumeAttachToken } from "./grants/mod.ts";
import type { Clock, Store } from "./ports/mod.ts";
import type { TokenVerifier } from "./tokens/mod.ts";

export function attachGate(
  verifier: Pick<TokenVerifier, "verify">,
  store: Pick<Store, "isRevoked" | "machine" | "tunnel" | "consumeOnce">,
  clock: Clock,
  config: Pick<ControlConfig, "edgeAudience" | "issuer" | "tokens">,
): AttachGate {
  return {
    async verify(token) {
      const claims = await verifier.verify("attach", token, {
        audience: config.edgeAudience,
        nowMs: clock.wall(),
        clockSkewMs: config.tokens.clockSkewMs,
      });
      if (claims.iss === config.issuer) return claims;
      // Another issuer may publish under its own names; who is paired with whom, and for whom it counts, is not its to say.
      throw new PosternError(
        "token_wrong_issuer",
        "Cannot accept attach token: channels are granted by this edge's own control",
      );
    },
    async spend({ tenant, agent_id, tunnel_id, iat, jti, exp }) {
      if (await store.isRevoked({ owner: tenant, startedAtMs: iat * 1_000 })) {
        throw new PosternError("token_revoked");
      }
      if (agent_id !== undefined && (await store.machine(agent_id))?.state === "revoked") {
        throw new PosternError("machine_revoked");
      }
      if (tunnel_id !== undefined && await store.tunnel(tunnel_id) === undefined) {
        throw new PosternError("tunnel_deleted");
      }
      await consumeAttachToken(store, jti, exp);
    },
  };
}
