/** What the datagram queues of all flows of this process may hold together, and what one port may of it. */
export interface DatagramBudgetLimits {
  readonly maxDatagrams: number;
  readonly maxBytes: number;
}

/** 16 MiB of payload and at most some 4 MiB of what each one costs besides. */
const DATAGRAM_BUDGET: DatagramBudgetLimits = Object.freeze({
  maxDatagrams: 16_384,
  maxBytes: 16_777_216,
});

/** Where a flow takes room for what waits in it. */
export interface DatagramRoom {
  /** Takes room for one more; false when there is none. */
  take(bytes: number): boolean;
  give(datagrams: number, bytes: number): void;
}

export class DatagramBudget implements DatagramRoom {
  readonly #limits: DatagramBudgetLimits;
  #datagrams = 0;
  #bytes = 0;

  constructor(limits: DatagramBudgetLimits = DATAGRAM_BUDGET) {
    this.#limits = limits;
  }

  get datagrams(): number {
    return this.#datagrams;
  }
  get bytes(): number {
    return this.#bytes;
  }
  get freeDatagrams(): number {
    return this.#limits.maxDatagrams - this.#datagrams;
  }
  get freeBytes(): number {
    return this.#limits.maxBytes - this.#bytes;
  }

  take(bytes: number): boolean {
    if (this.freeDatagrams <= 0 || bytes > this.freeBytes) return false;
    this.#datagrams++;
    this.#bytes += bytes;
    return true;
  }

  give(datagrams: number, bytes: number): void {
    this.#datagrams -= datagrams;
    this.#bytes -= bytes;
  }
}

/**
 * The part of one user among several: at most as much as is still free. One alone gets half, n that want all of it get
 * 1/(n+1) each, and as much is left for whoever comes next: nobody's queue, however slow its agent, shuts out others.
 */
export class DatagramShare implements DatagramRoom {
  readonly #budget: DatagramBudget;
  #datagrams = 0;
  #bytes = 0;

  constructor(budget: DatagramBudget) {
    this.#budget = budget;
  }

  take(bytes: number): boolean {
    const { freeDatagrams, freeBytes } = this.#budget;
    if (this.#datagrams >= freeDatagrams || this.#bytes + bytes > freeBytes) return false;
    if (!this.#budget.take(bytes)) return false;
    this.#datagrams++;
    this.#bytes += bytes;
    return true;
  }

  give(datagrams: number, bytes: number): void {
    this.#datagrams -= datagrams;
    this.#bytes -= bytes;
    this.#budget.give(datagrams, bytes);
  }
}
