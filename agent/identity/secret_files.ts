/** The secret files of a state directory: protected by their permissions, or by a key that only this machine's TPM gives out. */
import { createPrivate, readPrivate, replacePrivate } from "../../src/driver/mod.ts";
import { PosternError } from "../../src/errors/mod.ts";

export interface SecretFiles {
  /** What protects them. */
  readonly kind: "file" | "tpm";
  /** The text of a file; undefined without one. Throws the codes of private files, and `identity_seal*`. */
  read(path: string, maxBytes: number): Promise<string | undefined>;
  /** Writes a new file; false when there is one already. Throws `state_unwritable`, and what sealing throws. */
  create(path: string, text: string): Promise<boolean>;
  /** Replaces the file, or makes it, in one step. Throws as {@link create}. */
  replace(path: string, text: string): Promise<void>;
}

/** For this user only. What a TPM has sealed is refused: `identity_sealed`. */
export const plainFiles: SecretFiles = {
  kind: "file",
  create: createPrivate,
  replace: replacePrivate,
  async read(path, maxBytes) {
    const text = await readPrivate(path, maxBytes);
    if (text === undefined || !isSealedText(text)) return text;
    throw new PosternError("identity_sealed", `Cannot use ${path}: a TPM has sealed it, and none is used`);
  },
};

/** Whether a text is one that a TPM has sealed. */
export function isSealedText(text: string): boolean {
  try {
    return "sealed_to" in Object(JSON.parse(text));
  } catch {
    return false;
  }
}
