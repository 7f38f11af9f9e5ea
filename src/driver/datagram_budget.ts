/** What the datagram queues of all flows of this process may hold together. */
export interface DatagramBudgetLimits {
  readonly maxDatagrams: number;
  readonly maxBytes: number;
}

/** 16 MiB of payload and at most some 4 MiB of what each one costs besides. */
export const DATAGRAM_BUDGET: DatagramBudgetLimits = Object.freeze({
  maxDatagrams: 16_384,
  maxBytes: 16_777_216,
});

export class DatagramBudget {
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

  /** Takes room for one more; false when there is none. */
  take(bytes: number): boolean {
    const { maxDatagrams, maxBytes } = this.#limits;
    if (this.#datagrams >= maxDatagrams || this.#bytes + bytes > maxBytes) return false;
    this.#datagrams++;
    this.#bytes += bytes;
    return true;
  }

  give(datagrams: number, bytes: number): void {
    this.#datagrams -= datagrams;
    this.#bytes -= bytes;
  }
}
