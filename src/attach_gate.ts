/** How an edge judges attach tokens: issued by its own control, for a tenant and agent that still may, and spent once. */
import type { ControlConfig } from "./control/mod.ts";
import type { AttachGate } from "./edge/mod.ts";
import { PosternError } from "./errors/mod.ts";
import { consumeAttachToken } from "./grants/mod.ts";
import { type AttachClaims, type VerificationKeys, verifyAttach } from "./identity/mod.ts";
import type { Clock, Store } from "./ports/mod.ts";

/**
 * Other issuers may publish under their own names, as the edge's policy says; who is paired with whom, and for whom it counts,
 * is not theirs to say, so that none of them is asked.
 */
export function attachGate(
  keyset: VerificationKeys,
  store: Pick<
    Store,
    "isRevoked" | "machine" | "tunnel" | "consumeOnce" | "attestation" | "newestAttestation"
  >,
  clock: Clock,
  config: Pick<ControlConfig, "edgeAudience" | "issuer" | "tokens">,
): AttachGate {
  const refuseFailed = async ({ role, agent_id, tunnel_id, attestation_id }: AttachClaims) => {
    const isServing = role === "server" && tunnel_id !== undefined && agent_id !== undefined;
    const attestation = attestation_id !== undefined
      ? await store.attestation(attestation_id)
      : isServing
      ? await store.newestAttestation(tunnel_id, agent_id)
      : undefined;
    // One that the token names was there; an agent that is never asked again has none.
    const isGone = attestation_id !== undefined && attestation === undefined;
    if (isGone || attestation?.state === "failed" || attestation?.state === "lapsed") {
      throw new PosternError("attestation_failed", "Cannot attach: its agent's attestation does not stand");
    }
  };
  return {
    verify: (token) =>
      verifyAttach(token, keyset, {
        issuer: config.issuer,
        audience: config.edgeAudience,
        nowMs: clock.wall(),
        clockSkewMs: config.tokens.clockSkewMs,
      }),
    async spend(claims) {
      const { tenant, requester = tenant, role, agent_id, tunnel_id, iat, jti, exp } = claims;
      for (const owner of new Set([tenant, requester])) {
        if (await store.isRevoked({ owner, startedAtMs: iat * 1_000 })) {
          throw new PosternError("token_revoked");
        }
      }
      const machine = agent_id === undefined ? undefined : await store.machine(agent_id);
      if (machine?.state === "revoked") throw new PosternError("machine_revoked");
      const tunnel = tunnel_id === undefined ? undefined : await store.tunnel(tunnel_id);
      if (tunnel_id !== undefined && tunnel === undefined) throw new PosternError("tunnel_deleted");
      // An agent without a machine has its key in a file.
      if (role === "server" && tunnel?.requireTier === "tpm" && machine === undefined) {
        throw new PosternError("tier_too_weak");
      }
      await refuseFailed(claims);
      await consumeAttachToken(store, jti, exp);
    },
  };
}
