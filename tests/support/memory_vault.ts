/** Keys of authorities in memory, for controls without a disk. Removing a root's key is taking it offline. */
import type { AuthorityVault, VaultKind } from "../../src/control/mod.ts";
import { readNodeCertificate } from "../../src/pki/mod.ts";
import { P256, spkiOfKey } from "../../src/x509/mod.ts";

export class MemoryVault implements AuthorityVault {
  readonly #kept = new Map<string, { readonly certificate: Uint8Array; readonly key: CryptoKey }>();
  #waiting: { readonly pair: CryptoKeyPair; readonly request: Uint8Array } | undefined;

  privateKey(kind: VaultKind, sha256: string): Promise<CryptoKey | undefined> {
    return Promise.resolve(this.#kept.get(`${kind} ${sha256}`)?.key);
  }

  async make(kind: VaultKind, certify: Parameters<AuthorityVault["make"]>[1]): Promise<Uint8Array> {
    const pair = await crypto.subtle.generateKey(P256, true, ["sign", "verify"]);
    const certificate = await certify({
      privateKey: pair.privateKey,
      publicKey: await spkiOfKey(pair.publicKey),
    });
    this.#kept.set(`${kind} ${readNodeCertificate(certificate).sha256}`, {
      certificate,
      key: pair.privateKey,
    });
    return certificate;
  }

  async request(make: Parameters<AuthorityVault["request"]>[0]): Promise<Uint8Array> {
    if (this.#waiting === undefined) {
      const pair = await crypto.subtle.generateKey(P256, true, ["sign", "verify"]);
      this.#waiting = { pair, request: await make(pair) };
    }
    return this.#waiting.request;
  }

  async adopt(bytes: Uint8Array): Promise<boolean> {
    const certificate = readNodeCertificate(bytes);
    const name = `issuing ${certificate.sha256}`;
    if (this.#kept.has(name)) return true;
    const pair = this.#waiting?.pair;
    if (pair === undefined || (await spkiOfKey(pair.publicKey)).toHex() !== certificate.key.spki.toHex()) {
      return false;
    }
    this.#kept.set(name, { certificate: bytes, key: pair.privateKey });
    this.#waiting = undefined;
    return true;
  }

  certificates(kind: VaultKind): Promise<Uint8Array[]> {
    const found = [...this.#kept].filter(([name]) => name.startsWith(`${kind} `));
    return Promise.resolve(found.map(([, { certificate }]) => certificate));
  }

  remove(kind: VaultKind, sha256: string): Promise<void> {
    this.#kept.delete(`${kind} ${sha256}`);
    return Promise.resolve();
  }

  /** Another control's vault with the same keys, but for those of a kind. */
  copy(without?: VaultKind): MemoryVault {
    const copy = new MemoryVault();
    for (const [name, kept] of this.#kept) {
      if (without === undefined || !name.startsWith(`${without} `)) copy.#kept.set(name, kept);
    }
    return copy;
  }
}
