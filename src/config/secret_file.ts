/** Secrets come from files only: argv and environments are readable by others and end up in logs. */
import { PosternError } from "../errors/mod.ts";

/** A token is a few hundred bytes; a bundle of certificates a few thousand. */
export const maxSecretFileBytes = 65_536;

/** Read access to files, as `Deno` has it. */
export interface FileAccess {
  stat(
    path: string,
  ): Promise<{ readonly isFile: boolean; readonly size: number; readonly mode: number | null }>;
  readTextFile(path: string): Promise<string>;
}

/**
 * What the permission bits say: `open` when others may read or write (refused), `group` when the group may
 * (worth a warning: some orchestrators mount secrets like that), `private` otherwise or when the system has no bits.
 */
export function secretFileExposure(mode: number | null): "private" | "group" | "open" {
  if (mode === null) return "private";
  if ((mode & 0o006) !== 0) return "open";
  return (mode & 0o060) !== 0 ? "group" : "private";
}

export interface SecretFile {
  /** Content without white space at its ends. Never log it. */
  readonly secret: string;
  /** A sentence for the operator when the group may read the file. */
  readonly warning?: string;
}

/** Reads a secret. Throws `secret_file_unreadable`, `secret_file_permissions`; messages hold the path only. */
export async function readSecretFile(path: string, files: FileAccess): Promise<SecretFile> {
  const refuse = (state: string, cause?: unknown): never => {
    throw new PosternError("secret_file_unreadable", `Cannot read secret file ${path}: ${state}`, { cause });
  };
  let facts;
  try {
    facts = await files.stat(path);
  } catch (cause) {
    return refuse("it does not exist or is not accessible", cause);
  }
  if (!facts.isFile) refuse("it is not a regular file");
  if (facts.size > maxSecretFileBytes) refuse(`it is longer than ${maxSecretFileBytes} bytes`);
  const exposure = secretFileExposure(facts.mode);
  if (exposure === "open") {
    throw new PosternError(
      "secret_file_permissions",
      `Cannot use secret file ${path}: everybody on this machine may read or write it`,
    );
  }
  let secret;
  try {
    secret = (await files.readTextFile(path)).trim();
  } catch (cause) {
    return refuse("it is not readable", cause);
  }
  if (secret === "") refuse("it is empty");
  return exposure === "group" ? { secret, warning: `the group may read ${path}; run chmod 600` } : { secret };
}
