/** How often a channel may be replaced: so many times in a sliding window, counted beyond the channel's own end. */
export class ReplacementBudget {
  readonly #max: number;
  readonly #windowMs: number;
  readonly #maxChannels: number;
  /** When each channel was replaced, the oldest first. */
  readonly #times = new Map<string, number[]>();

  /** @param maxChannels channels that are counted at the same time: with more, nobody may replace anything */
  constructor(max: number, windowMs: number, maxChannels: number) {
    this.#max = max;
    this.#windowMs = windowMs;
    this.#maxChannels = maxChannels;
  }

  /** Channels that are remembered. */
  get size(): number {
    return this.#times.size;
  }

  /** Takes one replacement of the channel; false when there is none left. */
  take(channelId: string, now: number): boolean {
    const recent = this.#recent(channelId, now);
    if (recent.length >= this.#max) return false;
    if (recent.length === 0 && this.#times.size >= this.#maxChannels) {
      this.prune(now);
      if (this.#times.size >= this.#maxChannels) return false;
    }
    recent.push(now);
    this.#times.set(channelId, recent);
    return true;
  }

  /** Gives back what was taken at `takenAt`, since nothing was replaced. */
  giveBack(channelId: string, takenAt: number): void {
    const times = this.#times.get(channelId);
    const at = times?.lastIndexOf(takenAt) ?? -1;
    if (times === undefined || at < 0) return;
    times.splice(at, 1);
    if (times.length === 0) this.#times.delete(channelId);
  }

  /** Forgets what is long past. */
  prune(now: number): void {
    for (const channelId of [...this.#times.keys()]) this.#recent(channelId, now);
  }

  #recent(channelId: string, now: number): number[] {
    const times = this.#times.get(channelId);
    if (times === undefined) return [];
    while (times.length > 0 && now - times[0] >= this.#windowMs) times.shift();
    if (times.length === 0) this.#times.delete(channelId);
    return times;
  }
}
