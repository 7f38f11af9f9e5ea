/** The attestation key (AK): made anew for each quote, and the same each time. */
import { tpmHash, TpmObject, type TpmPublic } from "../../src/attestation/tpm/mod.ts";
import { utf8 } from "../../src/bytes/mod.ts";

/** Hash of its scheme and of its name. */
export const AK_HASH = "sha256";

/**
 * The template of an agent's AK: ECDSA on P-256, which signs only what the TPM itself says about itself (restricted). As a
 * primary under the endorsement hierarchy it follows from the TPM's seed and these bytes: nothing is stored, and quotes tell
 * firmware and counters as they are. The agent id in `unique` keeps it apart from every other key of the TPM.
 */
export function akTemplate(agentId: string): TpmPublic {
  return {
    type: "ecc",
    nameAlg: AK_HASH,
    attributes: TpmObject.fixedTPM | TpmObject.fixedParent | TpmObject.sensitiveDataOrigin |
      TpmObject.userWithAuth | TpmObject.noDA | TpmObject.restricted | TpmObject.sign,
    authPolicy: new Uint8Array(),
    symmetric: null,
    scheme: { algorithm: "ecdsa", hash: AK_HASH },
    curve: "p256",
    x: tpmHash(AK_HASH, utf8(agentId)),
    y: new Uint8Array(),
  };
}
