/**
 * Private keys of authorities in a directory, for this user only: `<kind>-<16 hex digits of the certificate>.key` with the
 * certificate beside it. The root's key may be moved away; without it no new issuing CA is made.
 */
import { P256, spkiOfKey } from "../x509/mod.ts";
import { chainOfPem, pemOfChain, readNodeCertificate } from "../pki/mod.ts";
import { der, toHex } from "../bytes/mod.ts";
import { PosternError } from "../errors/mod.ts";
import { openPrivateDirectory } from "./private_directory.ts";
import { readPrivate, replacePrivate } from "./private_file.ts";

const MAX_FILE_BYTES = 16_384;
/** Of the key that waits for the certificate of an issuing CA. */
const REQUEST = "request";

export class AuthorityDirectory {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Makes the directory where there is none. Throws `state_directory_unusable`, `state_directory_foreign`. */
  static async open(path: string): Promise<AuthorityDirectory> {
    await openPrivateDirectory(path);
    return new AuthorityDirectory(path);
  }

  async privateKey(kind: string, certificateSha256: string): Promise<CryptoKey | undefined> {
    const path = `${this.#stem(kind, certificateSha256)}.key`;
    const pem = await readPrivate(path, MAX_FILE_BYTES);
    if (pem === undefined) return undefined;
    try {
      return await crypto.subtle.importKey("pkcs8", pemBytes(path, pem), P256, false, ["sign"]);
    } catch (cause) {
      throw new PosternError("ca_state_unusable", `Cannot use ${path}: it holds no P-256 key`, { cause });
    }
  }

  /** The key is on disk before the certificate, and both before this returns. Throws `state_unwritable`. */
  async make(
    kind: string,
    certify: (
      keys: { readonly privateKey: CryptoKey; readonly publicKey: Uint8Array },
    ) => Promise<Uint8Array>,
  ): Promise<Uint8Array> {
    const pair = await crypto.subtle.generateKey(P256, true, ["sign", "verify"]);
    const certificate = await certify({
      privateKey: pair.privateKey,
      publicKey: await spkiOfKey(pair.publicKey),
    });
    const stem = this.#stem(kind, readNodeCertificate(certificate).sha256);
    const pkcs8 = new Uint8Array(await crypto.subtle.exportKey("pkcs8", pair.privateKey));
    await replacePrivate(`${stem}.key`, der.toPem("PRIVATE KEY", pkcs8));
    await replacePrivate(`${stem}.pem`, pemOfChain([certificate]));
    pkcs8.fill(0);
    return certificate;
  }

  /** Certificate and request are no secrets; the key never leaves the directory. Throws `ca_state_unusable`, `state_unwritable`. */
  async request(make: (keys: CryptoKeyPair) => Promise<Uint8Array>): Promise<Uint8Array> {
    const [keyPath, path] = [`${this.path}/${REQUEST}.key`, `${this.path}/${REQUEST}.csr`];
    const kept = await readPrivate(path, MAX_FILE_BYTES);
    if (kept !== undefined && await readPrivate(keyPath, MAX_FILE_BYTES) !== undefined) {
      return pemBytes(path, kept);
    }
    const pair = await crypto.subtle.generateKey(P256, true, ["sign", "verify"]);
    const request = await make(pair);
    const pkcs8 = new Uint8Array(await crypto.subtle.exportKey("pkcs8", pair.privateKey));
    await replacePrivate(keyPath, der.toPem("PRIVATE KEY", pkcs8));
    pkcs8.fill(0);
    await replacePrivate(path, der.toPem("CERTIFICATE REQUEST", request));
    return request;
  }

  /** Throws `ca_state_unusable`, `state_unwritable`. */
  async adopt(bytes: Uint8Array): Promise<boolean> {
    const certificate = readNodeCertificate(bytes);
    const stem = this.#stem("issuing", certificate.sha256);
    if (await readPrivate(`${stem}.key`, MAX_FILE_BYTES) !== undefined) return true;
    const keyPath = `${this.path}/${REQUEST}.key`;
    const pem = await readPrivate(keyPath, MAX_FILE_BYTES);
    if (pem === undefined) return false;
    const key = await crypto.subtle.importKey("pkcs8", pemBytes(keyPath, pem), P256, true, ["sign"]);
    const { d: _secret, key_ops: _use, ...jwk } = await crypto.subtle.exportKey("jwk", key);
    const spki = await spkiOfKey(await crypto.subtle.importKey("jwk", jwk, P256, true, ["verify"]));
    if (toHex(spki) !== toHex(certificate.key.spki)) return false;
    await replacePrivate(`${stem}.key`, pem);
    await replacePrivate(`${stem}.pem`, pemOfChain([bytes]));
    await this.#removeAll(`${this.path}/${REQUEST}`, [".csr", ".key"]);
    return true;
  }

  async certificates(kind: string): Promise<Uint8Array[]> {
    const names = (await Array.fromAsync(Deno.readDir(this.path))).map(({ name }) => name);
    const found: Uint8Array[] = [];
    for (const name of names.toSorted()) {
      if (!name.startsWith(`${kind}-`) || !name.endsWith(".pem")) continue;
      if (!names.includes(`${name.slice(0, -4)}.key`)) continue;
      const pem = await readPrivate(`${this.path}/${name}`, MAX_FILE_BYTES);
      found.push(...chainOfPem(pem ?? ""));
    }
    return found;
  }

  async remove(kind: string, certificateSha256: string): Promise<void> {
    await this.#removeAll(this.#stem(kind, certificateSha256), [".key", ".pem"]);
  }

  async #removeAll(stem: string, endings: readonly string[]): Promise<void> {
    for (const ending of endings) {
      try {
        await Deno.remove(`${stem}${ending}`);
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) continue;
        throw new PosternError("state_unwritable", `Cannot remove a key from ${this.path}`, { cause: error });
      }
    }
  }

  #stem(kind: string, certificateSha256: string): string {
    return `${this.path}/${kind}-${certificateSha256.slice(0, 16)}`;
  }
}

function pemBytes(path: string, pem: string): Uint8Array<ArrayBuffer> {
  try {
    return der.fromPem(pem);
  } catch (cause) {
    throw new PosternError("ca_state_unusable", `Cannot use ${path}: it is no PEM`, { cause });
  }
}
