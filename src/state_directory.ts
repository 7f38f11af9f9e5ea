/** What an edge keeps in its state directory besides the database: its static key, its name, the operator's token. */
import { fromBase64Url, toBase64Url } from "./bytes/mod.ts";
import { generateX25519KeyPair, type X25519KeyPair, x25519KeyPair } from "./crypto/mod.ts";
import { createPrivate, openPrivateDirectory, readPrivate, replacePrivate } from "./driver/mod.ts";
import { PosternError } from "./errors/mod.ts";
import type { Clock, Random } from "./ports/mod.ts";

/** Longest key or name. */
const MAX_FILE_BYTES = 1_024;
/** How long an edge that is just ending, or a process that is just starting, may keep the directory. */
const HOLD_ATTEMPTS = 20;
const HOLD_PAUSE_MS = 50;

export class StateDirectory {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Makes the directory, for this user only. @throws PosternError `state_directory_foreign`, `state_directory_unusable` */
  static async open(path: string): Promise<StateDirectory> {
    const mode = await openPrivateDirectory(path);
    if ((mode & 0o077) !== 0) await closeToOthers(path);
    return new StateDirectory(path);
  }

  /**
   * Keeps other edges out until it is disposed of: two that know nothing of each other end each other's channels. A successor
   * shares it with the edge that it takes over from. @throws PosternError `state_directory_in_use`, `state_directory_unusable`
   */
  async hold({ isSuccessor, clock }: { isSuccessor: boolean; clock: Clock }): Promise<Disposable> {
    const path = `${this.path}/edge.lock`;
    let file: Deno.FsFile;
    try {
      file = await Deno.open(path, { create: true, write: true, mode: 0o600 });
    } catch (cause) {
      throw new PosternError("state_directory_unusable", `Cannot use ${path}: it cannot be opened`, {
        cause,
      });
    }
    for (let attempt = 1; !await file.tryLock(true) && !isSuccessor; attempt++) {
      if (attempt === HOLD_ATTEMPTS) {
        file.close();
        throw new PosternError("state_directory_in_use", `Cannot use ${this.path}: another edge does`);
      }
      await new Promise<void>((resolve) => clock.schedule(clock.now() + HOLD_PAUSE_MS, resolve));
    }
    return file;
  }

  get databasePath(): string {
    return `${this.path}/postern.db`;
  }
  /** Where the operator's management token is written; an operator on this machine uses it with `--token-file`. */
  get tokenPath(): string {
    return `${this.path}/management.token`;
  }

  /** The link that makes the first administrator, while there is none. */
  get bootstrapPath(): string {
    return `${this.path}/bootstrap.url`;
  }

  /** The edge's Noise static key: made once, then kept. Agents pin it by the signed candidates. */
  async edgeStatic(random: Random): Promise<X25519KeyPair> {
    const text = await this.#readOrMake(
      "edge.key",
      () => toBase64Url(generateX25519KeyPair(random).privateKey),
    );
    try {
      return x25519KeyPair(fromBase64Url(text));
    } catch (cause) {
      throw new PosternError("state_directory_unusable", `Cannot use ${this.path}/edge.key: it is damaged`, {
        cause,
      });
    }
  }

  /** The edge's name: made once, then kept. */
  edgeId(random: Random): Promise<string> {
    return this.#readOrMake("edge.id", () => `edge-${random(4).toHex()}`);
  }

  /** Replaces the management token, readable by this user only. */
  async writeManagementToken(token: string): Promise<void> {
    await replacePrivate(this.tokenPath, `${token}\n`);
  }

  /** Replaces the link for the first administrator, readable by this user only; undefined: there is one by now. */
  async writeBootstrap(url: string | undefined): Promise<void> {
    if (url !== undefined) return await replacePrivate(this.bootstrapPath, `${url}\n`);
    try {
      await Deno.remove(this.bootstrapPath);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  async #readOrMake(name: string, make: () => string): Promise<string> {
    const path = `${this.path}/${name}`;
    const kept = await readPrivate(path, MAX_FILE_BYTES);
    if (kept !== undefined) return kept.trim();
    // Of two edges that start at once one makes it, and both read that.
    await createPrivate(path, `${make()}\n`);
    return ((await readPrivate(path, MAX_FILE_BYTES)) ?? "").trim();
  }
}

/** Takes the rights of others away, from a directory of our own only: `--state-directory /tmp` must not close /tmp. */
async function closeToOthers(path: string): Promise<void> {
  const names = (await Array.fromAsync(Deno.readDir(path))).map((entry) => entry.name);
  if (names.length > 0 && !names.includes("edge.id") && !names.includes("edge.key")) {
    throw new PosternError(
      "state_directory_unusable",
      `Cannot use ${path}: it is open to others and holds other files`,
    );
  }
  await Deno.chmod(path, 0o700);
}
