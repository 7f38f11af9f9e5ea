/**
 * Private keys of authorities in a directory, for this user only: `<kind>-<16 hex digits of the certificate>.key` with the
 * certificate beside it. The root's key may be moved away; without it no new issuing CA is made.
 */
import { P256, spkiOfKey } from "../x509/mod.ts";
import { chainOfPem, pemOfChain, readNodeCertificate } from "../pki/mod.ts";
import { der } from "../bytes/mod.ts";
import { PosternError } from "../errors/mod.ts";
import { openPrivateDirectory } from "./private_directory.ts";
import { readPrivate, replacePrivate } from "./private_file.ts";

const MAX_FILE_BYTES = 16_384;

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
      const base64 = pem.replace(/-----(BEGIN|END) PRIVATE KEY-----/g, "").replace(/\s/g, "");
      return await crypto.subtle.importKey("pkcs8", Uint8Array.fromBase64(base64), P256, false, ["sign"]);
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
    for (const ending of [".key", ".pem"]) {
      try {
        await Deno.remove(`${this.#stem(kind, certificateSha256)}${ending}`);
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
