/** Standard input and output as one byte stream: for programs such as ssh that start a command in place of a connection. */
import { PosternError } from "../../src/errors/mod.ts";
import type { ByteStream } from "../../src/ports/mod.ts";

/** The parts of `Deno.stdin` and `Deno.stdout` that are used. */
export interface Stdio {
  readonly stdin: { read(into: Uint8Array): Promise<number | null>; close(): void };
  readonly stdout: { write(from: Uint8Array): Promise<number>; close(): void };
}

export class StdioStream implements ByteStream {
  readonly remoteAddress = "stdio";
  readonly #stdio: Stdio;
  #isInOver = false;
  #isOutOver = false;

  constructor(stdio: Stdio) {
    this.#stdio = stdio;
  }

  async read(into: Uint8Array): Promise<number | null> {
    if (this.#isInOver) return null;
    try {
      return await this.#stdio.stdin.read(into);
    } catch (error) {
      if (this.#isInOver) return null;
      throw broken("read from", error);
    }
  }

  async write(from: Uint8Array): Promise<number> {
    if (this.#isOutOver) throw broken("write to", undefined);
    try {
      return await this.#stdio.stdout.write(from);
    } catch (error) {
      throw broken("write to", error);
    }
  }

  closeWrite(): Promise<void> {
    if (!this.#isOutOver) {
      this.#isOutOver = true;
      closeQuietly(this.#stdio.stdout);
    }
    return Promise.resolve();
  }

  close(): void {
    if (!this.#isInOver) {
      this.#isInOver = true;
      closeQuietly(this.#stdio.stdin);
    }
    this.closeWrite();
  }
}

function closeQuietly(end: { close(): void }): void {
  try {
    end.close();
  } catch {
    // Closed already, by whoever is at its other end.
  }
}

function broken(what: string, cause: unknown): PosternError {
  return new PosternError("connection_closed", `Cannot ${what} standard input and output: closed`, { cause });
}
