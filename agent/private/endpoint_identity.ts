/** Who this endpoint is besides its key, and whom it can judge: as of one handshake. */
import { sign } from "node:crypto";
import type { EvidenceProvider } from "../../src/attestation/mod.ts";
import { toBase64Url } from "../../src/bytes/mod.ts";
import type { IdentityProof, PeerDemands } from "../../src/channel/mod.ts";
import type { NodeIdentity } from "../../src/driver/tls/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";
import { checkPeerCertificate } from "../../src/pki/mod.ts";
import type { Clock } from "../../src/ports/mod.ts";

export interface EndpointIdentity {
  /** Signs what the handshake asks for: 32 bytes, new for each. */
  prove(transcript: Uint8Array, signal: AbortSignal): Promise<IdentityProof[]>;
  /** Absent where this machine knows of no authorities. */
  readonly checkCertificate?: PeerDemands["checkCertificate"];
}

/**
 * @param provider the agent's key. One with a TPM signs nothing here: its quotes are for control, which knows the machine
 * @param node certificate and trust of this machine, where it was enrolled as a node; a certificate that is over is not shown
 */
export function endpointIdentity(
  { provider, node, clock }: {
    readonly provider?: EvidenceProvider;
    readonly node?: Pick<NodeIdentity, "credentials" | "trust" | "endsAtMs">;
    readonly clock: Pick<Clock, "wall">;
  },
): EndpointIdentity {
  const prove = async (transcript: Uint8Array, signal: AbortSignal) => {
    const proofs: IdentityProof[] = [];
    if (provider?.kind === "bound-key") proofs.push(await boundKeyProof(provider, transcript, signal));
    if (node !== undefined && clock.wall() < node.endsAtMs) {
      const { chain, privateKey } = node.credentials;
      proofs.push({
        kind: "certificate",
        chain: chain.map((one) => toBase64Url(one)),
        signature: toBase64Url(sign("sha256", transcript, privateKey)),
      });
    }
    return proofs;
  };
  if (node === undefined) return { prove };
  return {
    prove,
    checkCertificate: (chain) => {
      const { bundle, revocations } = node.trust;
      return checkPeerCertificate(chain, bundle, revocations, { nowMs: clock.wall(), usage: "client" });
    },
  };
}

async function boundKeyProof(
  provider: EvidenceProvider,
  transcript: Uint8Array,
  signal: AbortSignal,
): Promise<IdentityProof> {
  const { identity_key, signature } = await provider.prove({ qualifyingData: transcript }, signal);
  if (typeof identity_key === "string" && typeof signature === "string") {
    return { kind: "bound-key", identity_key, signature };
  }
  throw new PosternError("internal_error", "Cannot prove identity: the agent's key signed in another form");
}
