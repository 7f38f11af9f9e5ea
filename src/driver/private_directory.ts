/** Directories that hold secrets: whose they are, and who else could change what is in them. */
import { PosternError } from "../errors/mod.ts";

/** Rights of group and others to replace files. */
const FOREIGN_WRITE = 0o022;

/**
 * Makes the directory, for this user alone, when it is absent. One that exists has to belong to this user and to be
 * writable by nobody else; the bits of its mode are returned.
 * @throws PosternError `state_directory_foreign`, `state_directory_unusable`
 */
export async function openPrivateDirectory(path: string): Promise<number> {
  let facts: Deno.FileInfo;
  try {
    await Deno.mkdir(path, { recursive: true, mode: 0o700 });
    facts = await Deno.stat(path);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.name : "unknown";
    throw new PosternError("state_directory_unusable", `Cannot use ${path}: ${reason}`, { cause });
  }
  const { uid, mode } = facts;
  if (uid !== null && uid !== Deno.uid()) {
    throw new PosternError("state_directory_foreign", `Cannot use ${path}: it belongs to another user`, {
      detail: { uid },
    });
  }
  if (mode !== null && (mode & FOREIGN_WRITE) !== 0) {
    throw new PosternError(
      "state_directory_foreign",
      `Cannot use ${path}: others may write to it; run chmod 700`,
      {
        detail: { mode: (mode & 0o777).toString(8) },
      },
    );
  }
  return (mode ?? 0) & 0o777;
}
