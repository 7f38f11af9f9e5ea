import type { ByteStream } from "../../src/ports/mod.ts";

interface Write {
  /** A view, as the socket has it: read only when the write is let go. */
  readonly view: Uint8Array;
  readonly done: (bytes: number) => void;
  readonly fail: (error: unknown) => void;
}

/** A socket whose reads and writes settle when a test says so. */
export class ScriptedStream implements ByteStream {
  readonly remoteAddress = "192.0.2.9:50000";
  readonly written: number[] = [];
  readonly writes: Write[] = [];
  readonly calls: string[] = [];
  /** Whether writes go through at once. */
  open = true;
  readonly #arrived: (Uint8Array | null | Error)[] = [];
  #reader: ((what: Uint8Array | null | Error) => void) | undefined;

  /** Bytes, the end, or a failure arrives. */
  arrive(what: Uint8Array | null | Error): void {
    const reader = this.#reader;
    this.#reader = undefined;
    if (reader === undefined) this.#arrived.push(what);
    else reader(what);
  }
  get reading(): boolean {
    return this.#reader !== undefined;
  }

  async read(into: Uint8Array): Promise<number | null> {
    const what = this.#arrived.length > 0
      ? this.#arrived.shift()!
      : await new Promise<Uint8Array | null | Error>((resolve) => this.#reader = resolve);
    if (what === null) return null;
    if (what instanceof Error) throw what;
    const part = what.subarray(0, into.length);
    into.set(part);
    if (part.length < what.length) this.#arrived.unshift(what.subarray(part.length));
    return part.length;
  }

  write(from: Uint8Array): Promise<number> {
    this.calls.push(`write ${from.length}`);
    return new Promise((done, fail) => {
      this.writes.push({ view: from, done, fail });
      if (this.open) this.letGo();
    });
  }

  /** Takes `bytes` of the write that waits, all of it unless told. */
  letGo(bytes?: number): void {
    const { view, done } = this.writes.shift()!;
    const part = view.subarray(0, bytes ?? view.length);
    this.written.push(...part);
    done(part.length);
  }

  closeWrite(): Promise<void> {
    this.calls.push("closeWrite");
    return Promise.resolve();
  }

  close(): void {
    this.calls.push("close");
    for (const { fail } of this.writes.splice(0)) fail(new Error("closed"));
    if (this.#reader !== undefined) this.arrive(null);
  }
}
