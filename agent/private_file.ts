/** Files that only the agent's user may read: written whole or not at all. */
import { PosternError } from "../src/errors/mod.ts";

const PRIVATE_FILE = 0o600;
const PRIVATE_DIRECTORY = 0o700;
/** Any right of group or others. */
const FOREIGN_RIGHTS = 0o077;

/** Reads a text file; undefined when there is none. Throws `secret_file_permissions`, `secret_file_unreadable`. */
export async function readPrivate(path: string, maxBytes: number): Promise<string | undefined> {
  try {
    const { isFile, mode, size } = await Deno.stat(path);
    if (!isFile || size > maxBytes) throw unreadable(path, "it is no file, or too long");
    if (mode !== null && (mode & FOREIGN_RIGHTS) !== 0) {
      throw new PosternError(
        "secret_file_permissions",
        `Cannot use ${path}: others than its owner may read or write it; run chmod 600`,
      );
    }
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    if (error instanceof PosternError) throw error;
    throw unreadable(path, "it is not accessible", error);
  }
}

/** Writes a new file; false when there is one already, whoever made it. Throws `state_unwritable`. */
export async function createPrivate(path: string, text: string): Promise<boolean> {
  return await guarded(path, async () => {
    const temporary = await writeBeside(path, text);
    try {
      // Unlike rename, link does not replace: of two agents that start at once one wins.
      await Deno.link(temporary, path);
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) return false;
      throw error;
    } finally {
      await Deno.remove(temporary);
    }
  });
}

/** Replaces the file in one step. Throws `state_unwritable`. */
export async function replacePrivate(path: string, text: string): Promise<void> {
  await guarded(path, async () => await Deno.rename(await writeBeside(path, text), path));
}

async function writeBeside(path: string, text: string): Promise<string> {
  const directory = path.includes("/") ? path.slice(0, path.lastIndexOf("/")) || "/" : ".";
  await Deno.mkdir(directory, { recursive: true, mode: PRIVATE_DIRECTORY });
  const temporary = `${path}.${crypto.randomUUID()}.tmp`;
  await Deno.writeTextFile(temporary, text, { createNew: true, mode: PRIVATE_FILE });
  return temporary;
}

async function guarded<T>(path: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    const why = error instanceof Error ? error.message : "unknown error";
    throw new PosternError("state_unwritable", `Cannot write ${path}: ${why}`, { cause: error });
  }
}

function unreadable(path: string, state: string, cause?: unknown): PosternError {
  return new PosternError("secret_file_unreadable", `Cannot read ${path}: ${state}`, { cause });
}
