/**
 * The management token as the operator gave it, and as the agent renewed it. Where the file cannot be replaced (a
 * read-only mount, a credential of systemd), the renewed token lives in the state directory instead.
 */
import { readSecretFile } from "../src/config/mod.ts";
import { replacePrivate } from "../src/driver/mod.ts";
import { tokenTimes } from "./token_times.ts";

export class TokenFile {
  readonly path: string;
  readonly #copy: string;

  /** @param copy where a renewed token goes when `path` cannot be written */
  constructor(path: string, copy: string) {
    this.path = path;
    this.#copy = copy;
  }

  /** The operator's token, or what became of it by renewal: another family in the file counts. Throws as `readSecretFile`. */
  async read(): Promise<string> {
    const { secret } = await readSecretFile(this.path, Deno);
    const copy = await this.#readCopy();
    if (copy === undefined) return secret;
    const [given, renewed] = [tokenTimes(secret), tokenTimes(copy)];
    if (given === undefined || renewed === undefined || given.family !== renewed.family) return secret;
    return renewed.issuedAtMs > given.issuedAtMs ? copy : secret;
  }

  /** Keeps a renewed token. Throws what writing the copy throws. */
  async write(token: string): Promise<void> {
    try {
      await replacePrivate(this.path, token);
    } catch {
      await replacePrivate(this.#copy, token);
    }
  }

  async #readCopy(): Promise<string | undefined> {
    try {
      return (await readSecretFile(this.#copy, Deno)).secret;
    } catch {
      return undefined; // none yet, or not private any more: the operator's own is there
    }
  }
}
