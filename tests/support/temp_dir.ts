/** A fresh directory that goes away with its scope: `await using folder = await TempDir.make()`. */
export class TempDir implements AsyncDisposable {
  /** Absolute path, owner only. */
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** @param mode permission bits; 0o755 where another user (PostgreSQL, nginx workers) must pass through. */
  static async make(label = "test", mode = 0o700): Promise<TempDir> {
    const path = await Deno.makeTempDir({ prefix: `postern-${label}-` });
    await Deno.chmod(path, mode);
    return new TempDir(path);
  }

  /** Absolute path of `name` inside. */
  file(name: string): string {
    return `${this.path}/${name}`;
  }

  /** Writes a file, parents included, and returns its absolute path. */
  async write(name: string, content: string | Uint8Array, mode = 0o600): Promise<string> {
    const path = this.file(name);
    await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    if (typeof content === "string") await Deno.writeTextFile(path, content, { mode });
    else await Deno.writeFile(path, content, { mode });
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await Deno.remove(this.path, { recursive: true });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}
