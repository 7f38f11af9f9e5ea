/**
 * Calls between two threads: each side has an object of functions that the other may call, with an answer (`ask`) or without
 * (`tell`). Messages come in order. Both ends are of one build in one process, so that shapes are not checked; what is
 * bounded is how many answers are waited for, and for how long.
 */
import { type ErrorCode, PosternError } from "../errors/mod.ts";
import type { Clock, Log } from "../ports/mod.ts";

// deno-lint-ignore no-explicit-any -- any function will do; its own types are taken from it
type Functions<T> = { [K in keyof T]: (...args: any[]) => unknown };

/** Longest wait for an answer unless another is given. */
export const CALL_TIMEOUT_MS = 10_000;
/** Answers that one side waits for at the same time. */
export const MAX_WAITING_CALLS = 16_384;

interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly detail: PosternError["detail"];
}

type Message =
  | { readonly kind: "ask"; readonly id: number; readonly name: string; readonly args: unknown[] }
  | { readonly kind: "tell"; readonly name: string; readonly args: unknown[] }
  | { readonly kind: "answer"; readonly id: number; readonly value: unknown }
  | { readonly kind: "refusal"; readonly id: number; readonly failure: Failure };

interface Waiting {
  resolve(value: unknown): void;
  reject(error: PosternError): void;
  cancel(): void;
}

export interface CallsOptions<Ours> {
  readonly post: (message: unknown, transfer: Transferable[]) => void;
  readonly ours: Ours;
  readonly clock: Clock;
  readonly log: Log;
}

export class Calls<Ours extends Functions<Ours>, Theirs extends Functions<Theirs>> {
  readonly #options: CallsOptions<Ours>;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #ended = false;

  constructor(options: CallsOptions<Ours>) {
    this.#options = options;
  }

  /** Calls and waits. @throws PosternError what the other side throws, or `worker_unavailable` */
  ask<K extends keyof Theirs & string>(
    name: K,
    ...args: Parameters<Theirs[K]>
  ): Promise<Awaited<ReturnType<Theirs[K]>>> {
    return this.askWithin(CALL_TIMEOUT_MS, name, ...args);
  }

  /** As {@link ask}, with a wait of its own. */
  askWithin<K extends keyof Theirs & string>(
    timeoutMs: number,
    name: K,
    ...args: Parameters<Theirs[K]>
  ): Promise<Awaited<ReturnType<Theirs[K]>>> {
    const { clock, post } = this.#options;
    if (this.#ended) return Promise.reject(unavailable(name, "it has ended"));
    if (this.#waiting.size >= MAX_WAITING_CALLS) {
      return Promise.reject(unavailable(name, "too many answers are waited for"));
    }
    const id = this.#nextId++;
    const result = Promise.withResolvers<unknown>();
    const cancel = clock.schedule(clock.now() + timeoutMs, () => {
      this.#waiting.delete(id);
      result.reject(unavailable(name, "there was no answer in time"));
    });
    this.#waiting.set(id, { resolve: result.resolve, reject: result.reject, cancel });
    post({ kind: "ask", id, name, args } satisfies Message, []);
    return result.promise as Promise<Awaited<ReturnType<Theirs[K]>>>;
  }

  /** Calls and does not wait. */
  tell<K extends keyof Theirs & string>(name: K, ...args: Parameters<Theirs[K]>): void {
    this.hand([], name, ...args);
  }

  /** As {@link tell}, with what changes its owner. */
  hand<K extends keyof Theirs & string>(
    transfer: Transferable[],
    name: K,
    ...args: Parameters<Theirs[K]>
  ): void {
    if (!this.#ended) this.#options.post({ kind: "tell", name, args } satisfies Message, transfer);
  }

  /** Takes what the other side has posted. Never throws. */
  receive(data: unknown): void {
    const message = data as Message;
    switch (message.kind) {
      case "ask":
        return void this.#answer(message.id, message.name, message.args);
      case "tell":
        return void this.#run(message.name, message.args).catch((error) => this.#failed(message.name, error));
      case "answer":
        return this.#take(message.id)?.resolve(message.value);
      case "refusal": {
        const { code, message: text, detail } = message.failure;
        return this.#take(message.id)?.reject(new PosternError(code, text, { detail }));
      }
      default:
        message satisfies never;
    }
  }

  /** The other side is gone: nobody waits any longer. */
  end(): void {
    this.#ended = true;
    for (const [id] of [...this.#waiting]) this.#take(id)?.reject(unavailable("answer", "it has ended"));
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    waiting?.cancel();
    return waiting;
  }

  async #run(name: string, args: unknown[]): Promise<unknown> {
    return await this.#options.ours[name as keyof Ours](...args);
  }

  async #answer(id: number, name: string, args: unknown[]): Promise<void> {
    let message: Message;
    try {
      const value = await this.#run(name, args);
      if (!this.#ended) this.#options.post({ kind: "answer", id, value } satisfies Message, []);
      return;
    } catch (error) {
      if (!(error instanceof PosternError)) this.#failed(name, error);
      const known = error instanceof PosternError ? error : new PosternError("internal_error");
      const { code, detail } = known;
      message = { kind: "refusal", id, failure: { code, message: known.message, detail } };
    }
    if (!this.#ended) this.#options.post(message, []);
  }

  #failed(name: string, error: unknown): void {
    const cause = error instanceof Error ? error.stack : String(error);
    this.#options.log("error", "call between workers failed", { call: name, cause });
  }
}

function unavailable(name: string, state: string): PosternError {
  return new PosternError("worker_unavailable", `Cannot ask another worker for ${name}: ${state}`);
}
