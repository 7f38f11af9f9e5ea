/**
 * The channels that an agent has side by side for one service. The first is made as if it were the only one; the others
 * follow once it is online, and go with it. One of those that fails for good is a loss of speed, not of the service.
 */
import type { CarrierPlace } from "../src/channel/mod.ts";
import { toBase64Url } from "../src/bytes/mod.ts";
import type { PosternError } from "../src/errors/mod.ts";
import type { Log, Random } from "../src/ports/mod.ts";
import type { AgentState, AgentStatus, ServiceStatus } from "./status.ts";
import type { Supervisor } from "./supervisor.ts";

/** Bytes of randomness that tell one run of an agent from another. */
const GROUP_BYTES = 16;

export class Carriers {
  /** As {@link Supervisor.online} and {@link Supervisor.done} of the first; done when the others are as well. */
  readonly online: Promise<void>;
  readonly done: Promise<PosternError | undefined>;
  readonly #first: Supervisor;
  #others: readonly Supervisor[] = [];
  #isOver = false;

  constructor(options: {
    readonly count: number;
    /** Starts one; without a place for an only one. */
    readonly supervise: (place: CarrierPlace | undefined) => Supervisor;
    readonly random: Random;
    readonly log: Log;
  }) {
    const { count, supervise, random, log } = options;
    if (count === 1) {
      this.#first = supervise(undefined);
      this.online = this.#first.online;
      this.done = this.#first.done;
      return;
    }
    const group = toBase64Url(random(GROUP_BYTES));
    this.#first = supervise({ group, index: 0 });
    this.online = this.#first.online;
    const startOthers = () => {
      if (this.#isOver) return;
      this.#others = Array.from({ length: count - 1 }, (_, at) => supervise({ group, index: at + 1 }));
      this.#others.forEach(({ done }, at) => {
        done.then((error) => {
          if (error !== undefined) log("warn", "carrier given up", { carrier: at + 1, code: error.code });
        });
      });
    };
    this.online.then(startOthers, () => {});
    this.done = this.#first.done.then(async (error) => {
      this.stop();
      await Promise.all(this.#others.map(({ done }) => done));
      return error;
    });
  }

  get state(): AgentState {
    const { state } = this.#first;
    const isEnding = state === "draining" || state === "closed" || state === "failed";
    return !isEnding && this.isOnline ? "online" : state;
  }
  get since(): number {
    return this.#first.since;
  }
  get rttMs(): number | null {
    return this.#first.rttMs;
  }
  get edge(): string | null {
    return this.#first.edge;
  }
  get lastError(): AgentStatus["last_error"] {
    return this.#first.lastError;
  }
  get isOnline(): boolean {
    return this.#first.isOnline || this.#others.some((each) => each.isOnline);
  }
  get openStreams(): number {
    return this.#others.reduce((sum, { openStreams }) => sum + openStreams, this.#first.openStreams);
  }

  status(): ServiceStatus {
    const status = this.#first.status();
    return status.state !== "online" && this.isOnline ? { ...status, state: "online" } : status;
  }

  /** Puts a new session in place of each. */
  reconnect(): void {
    for (const each of [this.#first, ...this.#others]) each.reconnect();
  }

  /** Lets open streams finish within the drain timeout, then ends all. Idempotent. */
  stop(): void {
    this.#isOver = true;
    for (const each of [this.#first, ...this.#others]) each.stop();
  }
}
