/** How control judges the keys of a TPM; composed from what knows TPM structures and certificates. */
import type { Random } from "../ports/mod.ts";

/** What a machine shows of its TPM. Peer bytes. */
export interface ShownKeys {
  /** DER, the EK's first, then its issuers. */
  readonly ekCertificates: readonly Uint8Array[];
  /** Which template the EK was made from. */
  readonly ekTemplate: EkTemplateName;
  /** TPMT_PUBLIC of the EK, where the machine sent it. */
  readonly ekPublic?: Uint8Array;
  /** TPMT_PUBLIC of the AK. */
  readonly akPublic: Uint8Array;
}

export const ekTemplateNames = ["rsa2048", "p256", "p384"] as const;
export type EkTemplateName = typeof ekTemplateNames[number];

/** Keys that hold what they have to; that one TPM has both of them is not known yet. */
export interface JudgedKeys {
  /** DER SubjectPublicKeyInfo of the EK. */
  readonly ekSpki: Uint8Array;
  /** Computed from the public area, never taken from the machine. */
  readonly akName: Uint8Array;
  /** Wraps a secret so that only the TPM of the EK can give it out, and only beside this AK. */
  makeCredential(secret: Uint8Array, random: Random): Promise<Credential> | Credential;
}

/** TPM2B_ID_OBJECT and TPM2B_ENCRYPTED_SECRET, without their sizes (TPM 2.0 Library, Part 2, 12.4.3 and 11.4.33). */
export interface Credential {
  readonly credentialBlob: Uint8Array;
  readonly encryptedSecret: Uint8Array;
}

export interface MachineTrust {
  /**
   * Verifies the chain of the EK up to a root that the operator trusts, its revocation, its template, and what the AK may do.
   * @param nowMs wall clock, Unix milliseconds. Throws a `PosternError` for every doubt.
   */
  judgeKeys(shown: ShownKeys, nowMs: number): Promise<JudgedKeys> | JudgedKeys;
}
