/** The keys of real TPMs: what manufacturers vouch for, and what an attestation key has to be. */
import { type EkTrust, makeCredential, verifyEk } from "../attestation/ek/mod.ts";
import { checkAkPublic, decodeTpm, TPMT_PUBLIC } from "../attestation/tpm/mod.ts";
import type { MachineTrust } from "./machine_trust.ts";

/**
 * @param trust asked at every enrollment: the operator's files may change. Throws `ek_*`, `ak_*`, `tpm_*`.
 */
export function tpmTrust(trust: () => EkTrust): MachineTrust {
  return {
    judgeKeys({ ekCertificates, ekTemplate, ekPublic, akPublic }, nowMs) {
      // Cheap before dear: the AK is looked at, the chain's signatures are computed.
      const ak = checkAkPublic(akPublic);
      const ek = verifyEk(
        {
          certificates: ekCertificates,
          template: ekTemplate,
          ...(ekPublic === undefined ? {} : { ekPublic: decodeTpm(TPMT_PUBLIC, ekPublic) }),
        },
        trust(),
        nowMs,
      );
      return {
        ekSpki: ek.ekSpki,
        akName: ak.name,
        makeCredential: (secret, random) => makeCredential(ek.ekPublic, ak.name, secret, random),
      };
    },
  };
}
