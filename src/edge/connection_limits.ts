/** How many connections are open, in all and for each address (IPv6: each /64): counted before a byte is read. */
import { networkOf } from "../bytes/mod.ts";
import { PosternError } from "../errors/mod.ts";

export class ConnectionLimits {
  readonly #max: number;
  readonly #maxPerAddress: number;
  readonly #byAddress = new Map<string, number>();
  #open = 0;

  constructor(max: number, maxPerAddress: number) {
    this.#max = max;
    this.#maxPerAddress = maxPerAddress;
  }

  get open(): number {
    return this.#open;
  }

  /** Counts one more; the result takes it back, once. @throws PosternError `viewer_limit` */
  enter(address: string): () => void {
    const admission = this.admit();
    try {
      admission.name(address);
    } catch (error) {
      admission.leave();
      throw error;
    }
    return () => admission.leave();
  }

  /** Counts one more in all, whose address is not known yet. @throws PosternError `viewer_limit` */
  admit(): Admission {
    if (this.#open >= this.#max) throw tooMany(this.#open);
    this.#open++;
    let network: string | undefined;
    let left = false;
    return {
      name: (address) => {
        if (left || network !== undefined) return;
        const named = networkOf(address);
        const count = this.#byAddress.get(named) ?? 0;
        if (count >= this.#maxPerAddress) throw tooMany(this.#open, count);
        this.#byAddress.set(network = named, count + 1);
      },
      leave: () => {
        if (left) return;
        left = true;
        this.#open--;
        if (network !== undefined) this.#forget(network);
      },
    };
  }

  #forget(network: string): void {
    const rest = this.#byAddress.get(network)! - 1;
    if (rest === 0) this.#byAddress.delete(network);
    else this.#byAddress.set(network, rest);
  }
}

/** A connection that is counted. */
export interface Admission {
  /** Counts it for its address as well, once. @throws PosternError `viewer_limit`, and as whoever judges addresses */
  name(address: string): void;
  /** Takes it back, once. */
  leave(): void;
}

function tooMany(open: number, ofAddress?: number): PosternError {
  return new PosternError("viewer_limit", "Cannot take connection: too many are open", {
    detail: { open, ...(ofAddress === undefined ? {} : { of_address: ofAddress }) },
  });
}
