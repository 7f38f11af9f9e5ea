/** Where the private keys of authorities are kept: on this control's disk, never in the database. */

export type VaultKind = "root" | "issuing" | "bootstrap";

export interface AuthorityVault {
  /** The key of the certificate with this SHA-256 (hex); undefined when it is not here. Throws the codes of private files. */
  privateKey(kind: VaultKind, certificateSha256: string): Promise<CryptoKey | undefined>;
  /** Makes a P-256 key; `certify` is given its SubjectPublicKeyInfo. What it returns, DER, is kept beside the key. */
  make(
    kind: VaultKind,
    certify: (
      keys: { readonly privateKey: CryptoKey; readonly publicKey: Uint8Array },
    ) => Promise<Uint8Array>,
  ): Promise<Uint8Array>;
  /** Certificates, DER, whose keys are here. */
  certificates(kind: VaultKind): Promise<Uint8Array[]>;
  /** Destroys a key. Idempotent. */
  remove(kind: VaultKind, certificateSha256: string): Promise<void>;
}
