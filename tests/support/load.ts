/** Viewers that ask again and again while something breaks, and remember every request that failed. */
import { RawClient } from "./raw_client.ts";

export interface LoadOptions {
  /** Public port of the edge. */
  readonly port: number;
  readonly host: string;
  readonly path?: string;
  /** Requests under way at the same time: {@link Load.viewers} unless given. */
  readonly viewers?: number;
  /** A fresh connection for each request; otherwise a connection is kept. */
  readonly fresh?: boolean;
  /** Expected body. */
  readonly body: string;
}

/** Pause of a viewer that found nobody listening. */
const refusedPauseMs = 20;
const keptFailures = 20;

/**
 * Ends with `finish()`. A connection that the edge did not accept is tried again; everything else that is not the
 * expected answer is a failure.
 */
export class Load {
  static readonly viewers = 8;
  /** The first failures, and no more than can be read. */
  readonly failures: string[] = [];
  answered = 0;
  /** Requests that met the end of a kept connection before any byte of an answer, and were asked once more (RFC 9112, 9.3.1). */
  resent = 0;
  readonly #options: LoadOptions;
  readonly #running: Promise<unknown>;
  #stopped = false;

  private constructor(options: LoadOptions) {
    this.#options = options;
    const { viewers = Load.viewers } = options;
    this.#running = Promise.all(Array.from({ length: viewers }, () => this.#view()));
  }

  static start(options: LoadOptions): Load {
    return new Load(options);
  }

  /** Resolves when this many more requests were answered. */
  async more(count: number): Promise<void> {
    const wanted = this.answered + count;
    const endMs = performance.now() + 90_000;
    while (this.answered < wanted) {
      if (performance.now() > endMs) {
        throw new Error(
          `only ${this.answered} of ${wanted} requests were answered: ${this.failures.slice(0, 3)}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** Lets the requests under way end; returns the failures. */
  async finish(): Promise<string[]> {
    this.#stopped = true;
    await this.#running;
    return this.failures;
  }

  #fail(what: string): void {
    if (this.failures.length < keptFailures) this.failures.push(what);
  }

  async #view(): Promise<void> {
    const { port, host, path = "/", body, fresh = false } = this.#options;
    let socket: RawClient | undefined;
    let isKept = false;
    while (!this.#stopped) {
      try {
        if (socket === undefined) isKept = false;
        socket ??= await RawClient.connect(port);
      } catch (error) {
        if (!(error instanceof Deno.errors.ConnectionRefused)) this.#fail(`connecting: ${error}`);
        await new Promise((resolve) => setTimeout(resolve, refusedPauseMs));
        continue;
      }
      try {
        await socket.get(host, path, fresh ? ["Connection: close"] : []);
        const response = await socket.response();
        if (response.status === 200 && response.body === body) this.answered++;
        else this.#fail(`${response.status} ${response.body.slice(0, 120)}`);
        isKept = true;
        if (!fresh && response.headers.get("connection") !== "close") continue;
      } catch (error) {
        if (isKept && socket.isUnanswered) this.resent++;
        else this.#fail(`request ${this.answered}: ${error}`);
      }
      socket[Symbol.dispose]();
      socket = undefined;
    }
    socket?.[Symbol.dispose]();
  }
}
