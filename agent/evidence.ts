/** From the edge's challenge to a stage 1 token: control asks, the identity answers, control judges. */
import { type EvidenceProvider, qualifyingData } from "../src/attestation/mod.ts";
import { fromBase64Url, toBase64Url } from "../src/bytes/mod.ts";
import type { Challenge } from "../src/channel/mod.ts";
import type { ControlClient } from "./control_client.ts";

export type { EvidenceProvider } from "../src/attestation/mod.ts";

/** Answers a challenge with a stage 1 token; gives up when the signal aborts. */
export type Prover = (challenge: Challenge, signal: AbortSignal) => Promise<string>;

/**
 * A prover for one handshake. The signature covers the edge's nonce, control's nonce, the handshake hash and both
 * identities, so evidence is good for this channel only. Throws what control and the provider throw.
 */
export function proverOf(
  control: Pick<ControlClient, "challenge" | "evidence">,
  provider: EvidenceProvider,
  stage0Token: string,
): Prover {
  return async (challenge, signal) => {
    const { sessionNonce, handshakeHash, agentStatic } = challenge;
    const purpose = "channel-open" as const;
    const answer = await control.challenge({
      stage0_token: stage0Token,
      purpose,
      session_nonce: toBase64Url(sessionNonce),
      handshake_hash: toBase64Url(handshakeHash),
      agent_static: toBase64Url(agentStatic),
      agent_id: provider.agentId,
    }, signal);
    const evidence = await provider.prove({
      qualifyingData: qualifyingData({
        purpose,
        sessionNonce,
        authorityNonce: fromBase64Url(answer.authority_nonce),
        handshakeHash,
        agentStatic,
        agentId: provider.agentId,
        policyVersion: answer.policy_version,
      }),
      pcrs: answer.pcr_selection,
    }, signal);
    const judged = await control.evidence({ challenge_id: answer.challenge_id, evidence }, signal);
    return judged.stage1_token;
  };
}
