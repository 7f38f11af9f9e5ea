/** How an edge judges attach tokens: issued by its own control, for a tenant and agent that still may, and spent once. */
import { attestedTier, type ControlConfig, mayConnect } from "./control/mod.ts";
import type { AttachGate } from "./edge/mod.ts";
import { PosternError } from "./errors/mod.ts";
import { consumeAttachToken } from "./grants/mod.ts";
import { type AttachClaims, type VerificationKeys, verifyAttach } from "./identity/mod.ts";
import type { Clock, MachineRecord, Store } from "./ports/mod.ts";

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
  const refuseFailed = async (
    { role, agent_id, tunnel_id, attestation_id }: AttachClaims,
    machine: MachineRecord | undefined,
  ) => {
    const isServing = role === "server" && tunnel_id !== undefined && agent_id !== undefined;
    const attestation = attestation_id !== undefined
      ? await store.attestation(attestation_id)
      : isServing
      ? await store.newestAttestation(tunnel_id, agent_id)
      : undefined;
    // An agent that is never asked again has none.
    if (attestation?.state === "failed" || attestation?.state === "lapsed") throw failed();
    // Control has judged a machine that was enrolled: one that is gone was revoked and deleted since.
    if (attestation !== undefined && machine === undefined && attestedTier(attestation) === "tpm") {
      throw new PosternError("machine_revoked");
    }
  };
  const check = async (claims: AttachClaims) => {
    const { tenant, requester, requester_role = "member", role, agent_id, tunnel_id, iat } = claims;
    for (const owner of new Set([tenant, requester ?? tenant])) {
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
    if (tunnel !== undefined && requester !== undefined) {
      // As control answers who asks now.
      const asked = { owner: requester, role: requester_role };
      if (!mayConnect(asked, tunnel)) throw new PosternError("private_service_unknown");
    }
    await refuseFailed(claims, machine);
  };
  return {
    verify: (token) =>
      verifyAttach(token, keyset, {
        issuer: config.issuer,
        audience: config.edgeAudience,
        nowMs: clock.wall(),
        clockSkewMs: config.tokens.clockSkewMs,
      }),
    check,
    async spend(claims) {
      await check(claims);
      const { attestation_id, jti, exp } = claims;
      // It was there when it was named. Of a channel that stands it may have gone by its age.
      if (attestation_id !== undefined && await store.attestation(attestation_id) === undefined) {
        throw failed();
      }
      await consumeAttachToken(store, jti, exp);
    },
  };
}

function failed(): PosternError {
  return new PosternError("attestation_failed", "Cannot attach: its agent's attestation does not stand");
}
