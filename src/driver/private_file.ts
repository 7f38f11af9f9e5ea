/** Files that only this user may read: written whole or not at all, and on disk when it is said that they are written. */
import { utf8 } from "../bytes/mod.ts";
import { PosternError } from "../errors/mod.ts";
import type { Clock } from "../ports/mod.ts";

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
      // Unlike rename, link does not replace: of two processes that start at once one wins.
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

/** Replaces the file, or makes it, in one step. Throws `state_unwritable`. */
export async function replacePrivate(path: string, text: string): Promise<void> {
  await guarded(path, async () => {
    const temporary = await writeBeside(path, text);
    try {
      await Deno.rename(temporary, path);
    } catch (error) {
      await Deno.remove(temporary).catch(() => {});
      throw error;
    }
  });
}

/** Longest wait for another process that changes the same file; one that is stopped in the middle holds nobody up for ever. */
const LOCK_WAIT_MS = 5_000;
const LOCK_RETRY_MS = 10;

/**
 * Runs a change of the file while no other process does, by an advisory lock on `PATH.lock`, which ends with its process.
 * After five seconds it runs all the same. Throws `state_unwritable`, and what the work throws.
 */
export async function whileLocked(clock: Clock, path: string, work: () => Promise<void>): Promise<void> {
  const lock = await guarded(
    path,
    () => Deno.open(`${path}.lock`, { create: true, write: true, mode: PRIVATE_FILE }),
  );
  try {
    const until = clock.now() + LOCK_WAIT_MS;
    while (clock.now() < until && !await lock.tryLock(true)) {
      await new Promise<void>((resolve) => clock.schedule(clock.now() + LOCK_RETRY_MS, resolve));
    }
    await work();
  } finally {
    lock.close();
  }
}

async function writeBeside(path: string, text: string): Promise<string> {
  const directory = path.includes("/") ? path.slice(0, path.lastIndexOf("/")) || "/" : ".";
  await Deno.mkdir(directory, { recursive: true, mode: PRIVATE_DIRECTORY });
  const temporary = `${path}.${crypto.randomUUID()}.tmp`;
  const file = await Deno.open(temporary, { write: true, createNew: true, mode: PRIVATE_FILE });
  try {
    const bytes = utf8(text);
    for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
    // Before the rename: after a power failure the name must not stand for an empty file.
    await file.sync();
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw error;
  } finally {
    file.close();
  }
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
