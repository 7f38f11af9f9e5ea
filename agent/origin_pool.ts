/**
 * Connections to one target: idle ones are taken again last in, first out, so that those beyond the load grow old and
 * close. An idle connection is watched: whatever the origin sends or ends unasked, it is dropped.
 */
import { type Address, type AgentConfig, formatAddress } from "../src/config/mod.ts";
import { type Deadline, type Deadlines, dialTcp, type Network, type Slabs } from "../src/driver/mod.ts";
import { codeOf } from "../src/errors/mod.ts";
import type { ByteStream, Clock, Log } from "../src/ports/mod.ts";
import type { ResetReason } from "../src/wire/mod.ts";
import { OriginConnection } from "./origin_connection.ts";

/** Waits before another try when nothing listens: an origin that is being restarted is back within 300 ms or is down. */
const REFUSED_RETRY_MS: readonly number[] = [40, 100, 160];
/** Requests that may wait for a connection of one target. */
const MAX_WAITING = 4_096;

export interface OriginPoolOptions {
  readonly target: Address;
  readonly limits: AgentConfig["origin"];
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly slabs: Slabs;
  readonly log: Log;
  /** Name of the service, for the log. */
  readonly service?: () => string;
  readonly network?: Network;
}

interface Waiter {
  readonly fresh: boolean;
  readonly signal: AbortSignal;
  readonly deadline: Deadline;
  readonly resolve: (outcome: OriginConnection | ResetReason | "dial") => void;
}

export class OriginPool {
  readonly #options: OriginPoolOptions;
  readonly #idle: OriginConnection[] = [];
  readonly #waiting: Waiter[] = [];
  /** Connections that stand or are being made. */
  #open = 0;
  #sweep: Deadline | undefined;
  #closed = false;

  constructor(options: OriginPoolOptions) {
    this.#options = options;
  }

  get openConnections(): number {
    return this.#open;
  }
  get idleConnections(): number {
    return this.#idle.length;
  }

  /** An idle connection, if there is one. */
  takeIdle(): OriginConnection | undefined {
    for (;;) {
      const connection = this.#idle.pop();
      if (connection === undefined) return undefined;
      connection.isIdle = false;
      // What came unasked, or the end, may be here before its watcher is told: it must not become the next answer.
      if (connection.reader.available === 0 && !connection.reader.ended) return connection;
      this.drop(connection);
    }
  }

  /**
   * A connection, or why there is none: `origin_refused`, `origin_timeout`, `stream_limit`, `cancelled` (the signal).
   * Give it to {@link giveBack} or {@link drop} in the end. @param fresh not one that was used before
   * @param requestId whom it is for, for the log
   */
  async acquire(
    signal: AbortSignal,
    fresh = false,
    requestId?: string,
  ): Promise<OriginConnection | ResetReason> {
    const idle = fresh ? undefined : this.takeIdle();
    if (idle !== undefined) return idle;
    if (this.#open >= this.#options.limits.maxConnections && !this.#closeOldest()) {
      const outcome = await this.#wait(fresh, signal);
      if (outcome !== "dial") return outcome;
    }
    this.#open++;
    const outcome = await this.#dial(signal, requestId);
    if (typeof outcome === "string") this.#freed();
    return outcome;
  }

  /** The connection may serve another request: everything was written and read. */
  giveBack(connection: OriginConnection): void {
    const { limits, clock } = this.#options;
    connection.detach();
    connection.isReused = true;
    if (this.#closed || connection.isClosed || connection.reader.ended || connection.reader.available > 0) {
      return this.drop(connection);
    }
    const at = this.#waiting.findIndex((waiter) => !waiter.fresh);
    if (at >= 0) return this.#serve(at, connection);
    if (limits.idleKeepAliveMs === 0 || this.#idle.length >= limits.maxIdleConnections) {
      return this.drop(connection);
    }
    connection.isIdle = true;
    connection.idleSince = clock.now();
    connection.reader.release();
    this.#idle.push(connection);
    const onStir = () => {
      if (connection.isIdle) this.#remove(connection);
    };
    connection.reader.fill().then(onStir, onStir);
    this.#armSweep();
  }

  /** The connection is of no further use. Call once for each that was acquired and not given back. */
  drop(connection: OriginConnection): void {
    connection.close();
    this.#freed();
  }

  /** Closes what is idle and lets nothing become idle again. */
  close(): void {
    this.#closed = true;
    this.#sweep?.lift();
    while (this.#waiting.length > 0) this.#serve(0, "draining");
    for (const connection of [...this.#idle]) this.#remove(connection);
  }

  #remove(connection: OriginConnection): void {
    this.#idle.splice(this.#idle.indexOf(connection), 1);
    connection.isIdle = false;
    this.drop(connection);
  }

  /** Makes room for a fresh connection. */
  #closeOldest(): boolean {
    if (this.#idle.length === 0) return false;
    this.#remove(this.#idle[0]);
    return true;
  }

  #freed(): void {
    this.#open--;
    if (this.#waiting.length > 0) this.#serve(0, "dial");
  }

  #serve(at: number, outcome: OriginConnection | ResetReason | "dial"): void {
    const [waiter] = this.#waiting.splice(at, 1);
    waiter.deadline.lift();
    waiter.resolve(outcome);
  }

  #wait(fresh: boolean, signal: AbortSignal): Promise<OriginConnection | ResetReason | "dial"> {
    if (this.#waiting.length >= MAX_WAITING) return Promise.resolve("stream_limit");
    return new Promise((resolve) => {
      const leave = (reason: ResetReason) => {
        const at = this.#waiting.indexOf(waiter);
        if (at >= 0) this.#serve(at, reason);
      };
      const deadline = this.#options.deadlines.set(
        this.#options.limits.connectMs,
        () => leave("stream_limit"),
      );
      const waiter: Waiter = { fresh, signal, deadline, resolve };
      this.#waiting.push(waiter);
      signal.addEventListener("abort", () => leave("cancelled"), { once: true });
    });
  }

  async #dial(signal: AbortSignal, requestId: string | undefined): Promise<OriginConnection | ResetReason> {
    const { target, limits, clock, network, slabs, log, service } = this.#options;
    for (let attempt = 0;; attempt++) {
      let socket: ByteStream;
      try {
        socket = await dialTcp(target.host, target.port, {
          clock,
          signal,
          connectTimeoutMs: limits.connectMs,
          network,
        });
      } catch (error) {
        const code = codeOf(error);
        if (code === "connect_aborted") return "cancelled";
        if (code === "connect_refused" && attempt < REFUSED_RETRY_MS.length) {
          if (await this.#pause(REFUSED_RETRY_MS[attempt], signal)) continue;
          return "cancelled";
        }
        log("warn", "origin unreachable", {
          code,
          service: service?.(),
          request_id: requestId,
          target: formatAddress(target),
          detail: error instanceof Error ? error.message : undefined,
        });
        return code === "connect_timeout" ? "origin_timeout" : "origin_refused";
      }
      if (signal.aborted) {
        socket.close();
        return "cancelled";
      }
      return new OriginConnection(socket, slabs);
    }
  }

  /** False when the signal came first. */
  #pause(ms: number, signal: AbortSignal): Promise<boolean> {
    const { clock } = this.#options;
    return new Promise((resolve) => {
      if (signal.aborted) return resolve(false);
      const onAbort = () => {
        cancel();
        resolve(false);
      };
      const cancel = clock.schedule(clock.now() + ms, () => {
        signal.removeEventListener("abort", onAbort);
        resolve(true);
      });
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }

  #armSweep(): void {
    if (this.#sweep !== undefined) return;
    const { clock, deadlines, limits } = this.#options;
    // The first in the list has been idle for longest: the last one in is the first one out.
    const due = this.#idle[0].idleSince + limits.idleKeepAliveMs - clock.now();
    this.#sweep = deadlines.set(Math.max(0, due), () => {
      this.#sweep = undefined;
      const now = clock.now();
      while (this.#idle.length > 0 && this.#idle[0].idleSince + limits.idleKeepAliveMs <= now) {
        this.#remove(this.#idle[0]);
      }
      if (this.#idle.length > 0) this.#armSweep();
    });
  }
}
