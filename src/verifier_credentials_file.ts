/** The file of edges that may have tokens judged here. */
import { readSecretFile } from "./config/mod.ts";
import { VerifierCredentials } from "./control/mod.ts";
import { codeOf } from "./errors/mod.ts";
import type { Log } from "./ports/mod.ts";

export class VerifierCredentialsFile {
  readonly #path: string | null;
  readonly #log: Log;
  #credentials: VerifierCredentials | undefined;

  private constructor(path: string | null, log: Log) {
    this.#path = path;
    this.#log = log;
  }

  /** Throws `verifier_credentials_invalid`, `secret_file_*`. */
  static async open(path: string | null, log: Log): Promise<VerifierCredentialsFile> {
    const file = new VerifierCredentialsFile(path, log);
    await file.#read();
    return file;
  }

  /** Undefined where there is no file. */
  get credentials(): VerifierCredentials | undefined {
    return this.#credentials;
  }

  /** What cannot be read stays as it was, which is logged. */
  async reload(): Promise<void> {
    try {
      await this.#read();
    } catch (error) {
      this.#log("error", "kept as it was", { what: "tokens.verify_credentials_file", code: codeOf(error) });
    }
  }

  async #read(): Promise<void> {
    if (this.#path === null) return;
    const { secret, warning } = await readSecretFile(this.#path, Deno);
    if (warning !== undefined) this.#log("warn", warning);
    this.#credentials = VerifierCredentials.read(secret);
  }
}
