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
  /** The request of the key that waits for an issuing CA's certificate, DER; `make` is called where there is none. */
  request(make: (keys: CryptoKeyPair) => Promise<Uint8Array>): Promise<Uint8Array>;
  /** Keeps the key that waits as that of this issuing CA, DER; false when the certificate is for another key. Idempotent. */
  adopt(certificate: Uint8Array): Promise<boolean>;
  /** Certificates, DER, whose keys are here. */
  certificates(kind: VaultKind): Promise<Uint8Array[]>;
  /** Destroys a key. Idempotent. */
  remove(kind: VaultKind, certificateSha256: string): Promise<void>;
}
