/**
 * Runs expensive hashes few at a time: however many passwords are tried, they take two cores' worth and bounded memory. All
 * services share it, so none of them, nor any address that tries passwords at many, may keep it from the others.
 */
import { AddressBuckets } from "./token_bucket.ts";

/** Hashes at the same time; each takes 16 to 64 MiB. */
const MAX_RUNNING = 2;
/** Hashes that wait: about a second and a half of work. */
export const MAX_QUEUED_HASHES = 64;
/** Those of one service. */
export const MAX_QUEUED_OF_SERVICE = 16;
/** Failures of one address over all services: forty at once, then one in three seconds. */
const ATTEMPTS = { intervalMs: 3_000, burst: 40 };
const MAX_TRYING_ADDRESSES = 8_192;

interface Waiting {
  readonly service: object;
  readonly start: () => void;
}

export class HashQueue {
  /** Take one for each hash, and give it back where the password was right. */
  readonly attempts: AddressBuckets;
  readonly #waiting: Waiting[] = [];
  readonly #running: object[] = [];

  /** @param seed any 32 random bits */
  constructor(seed: number) {
    this.attempts = new AddressBuckets(ATTEMPTS, MAX_TRYING_ADDRESSES, seed);
  }

  /** Runs the work when it is its turn, services in turn; undefined when too many wait already. */
  run<T>(service: object, work: () => Promise<T>): Promise<T> | undefined {
    if (this.#running.length < MAX_RUNNING) return this.#start(service, work);
    const ofService = this.#waiting.reduce((sum, waiting) => sum + (waiting.service === service ? 1 : 0), 0);
    if (this.#waiting.length >= MAX_QUEUED_HASHES || ofService >= MAX_QUEUED_OF_SERVICE) return undefined;
    return new Promise((resolve, reject) => {
      const start = () => void this.#start(service, work).then(resolve, reject);
      this.#waiting.push({ service, start });
    });
  }

  async #start<T>(service: object, work: () => Promise<T>): Promise<T> {
    this.#running.push(service);
    try {
      return await work();
    } finally {
      this.#running.splice(this.#running.indexOf(service), 1);
      const other = this.#waiting.findIndex((waiting) => !this.#running.includes(waiting.service));
      this.#waiting.splice(Math.max(other, 0), 1)[0]?.start();
    }
  }
}
