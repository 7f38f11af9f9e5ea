/** One worker, as the main thread holds it: its thread, the calls to it, and what goes with it when it ends. */
import type { AdmittedAgent, AgentSession } from "../edge/mod.ts";
import type { Clock, Log, Revised } from "../ports/mod.ts";
import { Calls } from "./calls.ts";
import type { MainFunctions, WorkerFunctions } from "./protocol.ts";

/** A session of the worker, and the rules that its tunnel has. */
export interface HeldSession {
  readonly session: AgentSession;
  rules: Revised<string> | undefined;
  /** Whether other workers know of it. */
  isLinked: boolean;
}

export interface WorkerHandleOptions {
  readonly index: number;
  /** Module that the worker runs: it calls `runWorker`. */
  readonly entry: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly ours: (handle: WorkerHandle) => MainFunctions;
  /** The thread has ended, by a fault of its own. */
  readonly onEnd: (cause: string) => void;
}

export class WorkerHandle {
  readonly index: number;
  readonly calls: Calls<MainFunctions, WorkerFunctions>;
  readonly sessions = new Map<string, HeldSession>();
  readonly #worker: Worker;
  readonly #tickets = new Map<number, AdmittedAgent>();
  #nextTicket = 1;
  #ended = false;
  /** Whether it listens. */
  isServing = false;

  constructor(options: WorkerHandleOptions) {
    const { index, entry, clock, log, ours, onEnd } = options;
    this.index = index;
    const worker = new Worker(entry, { type: "module", name: `worker ${index}` });
    this.#worker = worker;
    this.calls = new Calls<MainFunctions, WorkerFunctions>({
      ours: ours(this),
      post: (message, transfer) => worker.postMessage(message, transfer),
      clock,
      log,
    });
    worker.onmessage = ({ data }) => {
      if (!this.#ended) this.calls.receive(data);
    };
    worker.onerror = (event) => {
      event.preventDefault(); // it is this worker's end, not that of the process
      if (this.#ended) return;
      this.end();
      onEnd(event.message);
    };
  }

  /** Counts an agent as this worker's until its ticket comes back. */
  keep(agent: AdmittedAgent): number {
    if (this.#ended) agent.leave();
    const ticket = this.#nextTicket++;
    this.#tickets.set(ticket, agent);
    return ticket;
  }

  leave(ticket: number): void {
    this.#tickets.get(ticket)?.leave();
    this.#tickets.delete(ticket);
  }

  get hasEnded(): boolean {
    return this.#ended;
  }

  /** Ends the thread, with whatever it has. Its sessions stay in the map for who has to tell of their end. Idempotent. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.isServing = false;
    this.#worker.terminate();
    this.calls.end();
    for (const agent of this.#tickets.values()) agent.leave();
    this.#tickets.clear();
  }
}
