/** Runs expensive hashes few at a time: however many passwords are tried, they take two cores' worth and bounded memory. */

/** Hashes at the same time; each takes 16 to 64 MiB. */
const maxRunning = 2;
/** Hashes that wait: about a second and a half of work. */
export const maxQueuedHashes = 64;

export class HashQueue {
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  /** Runs the work when it is its turn; undefined when too many wait already. */
  run<T>(work: () => Promise<T>): Promise<T> | undefined {
    if (this.#running < maxRunning) return this.#start(work);
    if (this.#waiting.length >= maxQueuedHashes) return undefined;
    return new Promise((resolve, reject) => {
      this.#waiting.push(() => this.#start(work).then(resolve, reject));
    });
  }

  async #start<T>(work: () => Promise<T>): Promise<T> {
    this.#running++;
    try {
      return await work();
    } finally {
      this.#running--;
      this.#waiting.shift()?.();
    }
  }
}
