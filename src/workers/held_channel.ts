/** The channel of a session as the main thread sees it: where it is in its life, and how to end it. */
import type { SessionChannel } from "../edge/mod.ts";
import { PosternError } from "../errors/mod.ts";
import type { WorkerHandle } from "./worker_handle.ts";

export class HeldChannel implements SessionChannel {
  readonly #id: string;
  readonly #worker: WorkerHandle;
  state: SessionChannel["state"] = "authorizing";
  readonly openStreams = 0;
  readonly rttMs = 0;

  constructor(id: string, worker: WorkerHandle) {
    this.#id = id;
    this.#worker = worker;
  }

  /** Viewers come in elsewhere. @throws PosternError `channel_closed` */
  open(): never {
    throw new PosternError("channel_closed");
  }

  drain(_reason: string, deadlineMs: number): void {
    this.state = "draining";
    this.#worker.calls.tell("drainSession", this.#id, deadlineMs);
  }

  close(error: PosternError | undefined): void {
    this.state = "closing";
    this.#worker.calls.tell("closeSession", this.#id, error?.code ?? "channel_closed");
  }
}
