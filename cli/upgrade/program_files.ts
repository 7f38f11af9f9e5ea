/**
 * The program and what lies beside it.
 *
 * ```
 *   postern                 always a whole program: replaced by rename only
 *   postern.previous        what it was before, for going back
 *   postern.new             being fetched; nobody may run it until it is verified
 *   postern.upgrade.json    how far the last upgrade came
 *   postern.upgrade.lock    held by the process that upgrades; ends with it
 * ```
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { PosternError } from "../../src/errors/mod.ts";
import type { Artifact } from "../../src/release/mod.ts";

const lockAttempts = 20;
const lockPauseMs = 50;
const maxRecordBytes = 65_536;
const programMode = 0o755;
/** Nobody runs what is not verified. */
const stagedMode = 0o600;

const recordSchema = z.object({
  /** trial = in place, and not known to become ready; a process that ends then has to be cleared up after. */
  state: z.enum(["trial", "settled", "rolled_back"]),
  from: z.string(),
  version: z.string(),
  sha256: z.string(),
  /** Of the newest manifest that was taken. */
  newest_created_ms: z.int().optional(),
  /** SHA-256 of a file that did not become ready. */
  failed: z.string().optional(),
  /** Keys that a release named, and the pinned ones that they came from. */
  trust: z.object({ pinned: z.string(), keys: z.array(z.string()).min(1) }).optional(),
});
export type UpgradeRecord = z.infer<typeof recordSchema>;

export class ProgramFiles implements Disposable {
  readonly program: string;
  readonly staged: string;
  readonly previous: string;
  readonly #record: string;
  readonly #lock: Deno.FsFile | undefined;

  private constructor(program: string, lock?: Deno.FsFile) {
    this.program = program;
    this.staged = `${program}.new`;
    this.previous = `${program}.previous`;
    this.#record = `${program}.upgrade.json`;
    this.#lock = lock;
  }

  /** For looking only. Links are followed: what they lead to is what gets replaced. */
  static async at(path: string): Promise<ProgramFiles> {
    return new ProgramFiles(await realPath(path));
  }

  /** For changing. Throws `upgrade_busy`, `upgrade_write_failed`, `upgrade_program_unknown`. */
  static async lock(path: string): Promise<ProgramFiles> {
    const program = await realPath(path);
    const lock = await writing(
      program,
      () => Deno.open(`${program}.upgrade.lock`, { create: true, write: true }),
    );
    // A process that is being started holds what its parent had open for a moment, until it is its own program.
    for (let attempt = 0; attempt < lockAttempts; attempt++) {
      if (await lock.tryLock(true)) return new ProgramFiles(program, lock);
      await new Promise((resolve) => setTimeout(resolve, lockPauseMs));
    }
    lock.close();
    throw new PosternError("upgrade_busy", `Cannot upgrade ${program}: another process does`);
  }

  [Symbol.dispose](): void {
    this.#lock?.close();
  }

  /** What is no record counts as none: it is only written whole. */
  async record(): Promise<UpgradeRecord | undefined> {
    try {
      const { size } = await Deno.stat(this.#record);
      if (size > maxRecordBytes) return undefined;
      return recordSchema.safeParse(JSON.parse(await Deno.readTextFile(this.#record))).data;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound || error instanceof SyntaxError) return undefined;
      throw new PosternError("upgrade_write_failed", `Cannot read ${this.#record}: it is not accessible`, {
        cause: error,
      });
    }
  }

  async write(record: UpgradeRecord): Promise<void> {
    await writing(this.#record, async () => {
      const temporary = `${this.#record}.tmp`;
      using file = await Deno.open(temporary, { write: true, create: true, truncate: true, mode: 0o644 });
      await writeWhole(file, new TextEncoder().encode(`${JSON.stringify(recordSchema.parse(record))}\n`));
      await file.sync();
      await Deno.rename(temporary, this.#record);
      await this.#sync();
    });
  }

  /**
   * Fetches the file beside the program; it stays there only when it is what was signed.
   * @throws PosternError `upgrade_file_too_large`, `upgrade_file_truncated`, `upgrade_file_altered`, `upgrade_write_failed`
   */
  async stage(
    parts: AsyncIterable<Uint8Array>,
    { size, sha256 }: Artifact,
    progress: (bytes: number) => void,
  ): Promise<void> {
    await this.discard();
    const options = { write: true, createNew: true, mode: stagedMode };
    const file = await writing(this.staged, () => Deno.open(this.staged, options));
    try {
      const hash = createHash("sha256");
      let bytes = 0;
      for await (const part of parts) {
        bytes += part.length;
        if (bytes > size) {
          throw new PosternError(
            "upgrade_file_too_large",
            `Cannot take release: its file has more than ${size} bytes`,
          );
        }
        hash.update(part);
        await writing(this.staged, () => writeWhole(file, part));
        progress(bytes);
      }
      if (bytes < size) {
        throw new PosternError(
          "upgrade_file_truncated",
          `Cannot take release: its file has ${bytes} of ${size} bytes`,
        );
      }
      if (hash.digest("hex") !== sha256) {
        throw new PosternError(
          "upgrade_file_altered",
          "Cannot take release: its file is not the one that was signed",
        );
      }
      await writing(this.staged, async () => {
        await file.sync();
        await Deno.chmod(this.staged, programMode);
      });
    } catch (error) {
      await this.discard();
      throw error;
    } finally {
      file.close();
    }
  }

  /** Removes what was fetched, if anything. */
  async discard(): Promise<void> {
    await Deno.remove(this.staged).catch(ignoreAbsent);
  }

  /** Keeps the program of now under a second name. */
  async keepPrevious(): Promise<void> {
    await writing(this.previous, () => this.#copyTo(this.program, this.previous));
  }

  /** The verified file becomes the program, in one step. */
  async place(): Promise<void> {
    await writing(this.program, async () => {
      await Deno.rename(this.staged, this.program);
      await this.#sync();
    });
  }

  /** The previous program becomes the program, in one step. Throws `upgrade_no_previous`. */
  async restorePrevious(): Promise<void> {
    try {
      await Deno.stat(this.previous);
    } catch (cause) {
      throw new PosternError("upgrade_no_previous", `Cannot go back: there is no ${this.previous}`, {
        cause,
      });
    }
    await writing(this.program, () => this.#copyTo(this.previous, this.program));
  }

  /** Whether the program of now is the file with this SHA-256. */
  async isInPlace(sha256: string): Promise<boolean> {
    const hash = createHash("sha256");
    for await (const part of (await Deno.open(this.program)).readable) hash.update(part);
    return hash.digest("hex") === sha256;
  }

  /** By a second name where the file system has them: needs no room. */
  async #copyTo(from: string, to: string): Promise<void> {
    const temporary = `${to}.tmp`;
    await Deno.remove(temporary).catch(ignoreAbsent);
    try {
      await Deno.link(from, temporary);
    } catch {
      await Deno.copyFile(from, temporary);
      using file = await Deno.open(temporary, { read: true });
      await file.sync();
    }
    await Deno.rename(temporary, to);
    // Of two names of one file rename does nothing and leaves both.
    await Deno.remove(temporary).catch(ignoreAbsent);
    await this.#sync();
  }

  /** Names, too, have to outlast a power failure. */
  async #sync(): Promise<void> {
    using directory = await Deno.open(this.program.slice(0, this.program.lastIndexOf("/")) || "/", {
      read: true,
    });
    await directory.sync();
  }
}

async function realPath(path: string): Promise<string> {
  try {
    return await Deno.realPath(path);
  } catch (cause) {
    throw new PosternError("upgrade_program_unknown", `Cannot upgrade ${path}: it is not accessible`, {
      cause,
    });
  }
}

async function writeWhole(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
}

function ignoreAbsent(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

async function writing<T>(path: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : "unknown error";
    throw new PosternError("upgrade_write_failed", `Cannot write ${path}: ${why}`, { cause });
  }
}
