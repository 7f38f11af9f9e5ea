/** What went through this edge in the last hour: one sample every ten seconds, in memory only. */
import { codeOf } from "../errors/mod.ts";
import type { Clock, Log } from "../ports/mod.ts";
import { requestBuckets, type TrafficTotals } from "../telemetry/mod.ts";

const sampleEveryMs = 10_000;
/** An hour. */
const maxSamples = 360;

/** Rates are of the ten seconds before. */
export interface Sample {
  /** Wall clock. */
  readonly atMs: number;
  readonly requestsPerSecond: number;
  readonly failuresPerSecond: number;
  readonly bytesInPerSecond: number;
  readonly bytesOutPerSecond: number;
  /** Of the times from request to response head, in milliseconds; undefined without a request. */
  readonly medianMs: number | undefined;
  readonly p95Ms: number | undefined;
  readonly channels: number;
  readonly streams: number;
}

export interface HistorySource {
  readonly traffic: () => Promise<TrafficTotals>;
  readonly channels: () => Promise<readonly { readonly isOnline: boolean; readonly streams: number }[]>;
}

export class History {
  readonly #source: HistorySource;
  readonly #clock: Clock;
  readonly #log: Log;
  /** A ring: the oldest is overwritten. */
  readonly #samples: Sample[] = [];
  #next = 0;
  #before: { readonly totals: TrafficTotals; readonly nowMs: number } | undefined;
  #cancel: () => void = () => {};
  #isClosed = false;

  constructor(options: { readonly source: HistorySource; readonly clock: Clock; readonly log: Log }) {
    this.#source = options.source;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#schedule();
  }

  /** Oldest first. */
  get samples(): Sample[] {
    return [...this.#samples.slice(this.#next), ...this.#samples.slice(0, this.#next)];
  }

  close(): void {
    this.#isClosed = true;
    this.#cancel();
  }

  #schedule(): void {
    if (this.#isClosed) return;
    this.#cancel = this.#clock.schedule(this.#clock.now() + sampleEveryMs, () => {
      this.#take()
        .catch((error) => this.#log("warn", "traffic was not sampled", { code: codeOf(error) }))
        .finally(() => this.#schedule());
    });
  }

  async #take(): Promise<void> {
    const [totals, channels] = await Promise.all([this.#source.traffic(), this.#source.channels()]);
    const nowMs = this.#clock.now();
    const before = this.#before;
    this.#before = { totals, nowMs };
    if (before === undefined) return;
    const seconds = (nowMs - before.nowMs) / 1_000;
    // A service that has gone takes its numbers with it.
    const rate = (of: (totals: TrafficTotals) => number) =>
      Math.max(0, of(totals) - of(before.totals)) / seconds;
    const buckets = totals.buckets.map((count, at) => Math.max(0, count - before.totals.buckets[at]));
    const sample: Sample = {
      atMs: this.#clock.wall(),
      requestsPerSecond: rate(({ requests }) => requests),
      failuresPerSecond: rate(({ failures }) => failures),
      bytesInPerSecond: rate(({ bytesIn }) => bytesIn),
      bytesOutPerSecond: rate(({ bytesOut }) => bytesOut),
      medianMs: quantileMs(buckets, 0.5),
      p95Ms: quantileMs(buckets, 0.95),
      channels: channels.filter(({ isOnline }) => isOnline).length,
      streams: channels.reduce((sum, channel) => sum + channel.streams, 0),
    };
    this.#samples[this.#next] = sample;
    this.#next = (this.#next + 1) % maxSamples;
  }
}

/** Within its bucket a time may be anything: the bound is approached evenly. */
function quantileMs(buckets: readonly number[], part: number): number | undefined {
  const all = buckets.reduce((sum, count) => sum + count, 0);
  if (all === 0) return undefined;
  let rest = part * all;
  for (const [at, count] of buckets.entries()) {
    if (count > 0 && rest <= count) {
      const low = requestBuckets[at - 1] ?? 0;
      const high = requestBuckets[at] ?? low;
      return (low + (high - low) * rest / count) * 1_000;
    }
    rest -= count;
  }
  return undefined;
}
