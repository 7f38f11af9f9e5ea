/** How an edge judges attach tokens: issued by its own control, for a tenant and agent that still may, and spent once. */
import type { ControlConfig } from "./control/mod.ts";
import type { AttachGate } from "./edge/mod.ts";
import { PosternError } from "./errors/mod.ts";
import { consumeAttachToken } from "./grants/mod.ts";
import { type VerificationKeys, verifyAttach } from "./identity/mod.ts";
import type { Clock, Store } from "./ports/mod.ts";

/**
 * Other issuers may publish under their own names, as the edge's policy says; who is paired with whom, and for whom it counts,
 * is not theirs to say, so that none of them is asked.
 */
export function attachGate(
  keyset: VerificationKeys,
  store: Pick<Store, "isRevoked" | "machine" | "tunnel" | "consumeOnce">,
  clock: Clock,
  config: Pick<ControlConfig, "edgeAudience" | "issuer" | "tokens">,
): AttachGate {
  return {
    verify: (token) =>
      verifyAttach(token, keyset, {
        issuer: config.issuer,
        audience: config.edgeAudience,
        nowMs: clock.wall(),
        clockSkewMs: config.tokens.clockSkewMs,
      }),
    async spend({ tenant, requester = tenant, agent_id, tunnel_id, iat, jti, exp }) {
      for (const owner of new Set([tenant, requester])) {
        if (await store.isRevoked({ owner, startedAtMs: iat * 1_000 })) {
          throw new PosternError("token_revoked");
        }
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
