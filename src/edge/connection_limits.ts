/** How many connections are open, in all and for each address: counted before a byte is read. */
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
    const count = this.#byAddress.get(address) ?? 0;
    if (this.#open >= this.#max || count >= this.#maxPerAddress) {
      throw new PosternError("viewer_limit", "Cannot take connection: too many are open", {
        detail: { open: this.#open, of_address: count },
      });
    }
    this.#open++;
    this.#byAddress.set(address, count + 1);
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#open--;
      const rest = this.#byAddress.get(address)! - 1;
      if (rest === 0) this.#byAddress.delete(address);
      else this.#byAddress.set(address, rest);
    };
  }
}
