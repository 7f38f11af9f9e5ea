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
    const network = networkOf(address);
    const count = this.#byAddress.get(network) ?? 0;
    if (this.#open >= this.#max || count >= this.#maxPerAddress) {
      throw new PosternError("viewer_limit", "Cannot take connection: too many are open", {
        detail: { open: this.#open, of_address: count },
      });
    }
    this.#open++;
    this.#byAddress.set(network, count + 1);
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#open--;
      const rest = this.#byAddress.get(network)! - 1;
      if (rest === 0) this.#byAddress.delete(network);
      else this.#byAddress.set(network, rest);
    };
  }
}
