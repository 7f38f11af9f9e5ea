/**
 * HTTP/2 requests under way, for each address (IPv6: each /64). A connection of HTTP/1.1 has one, so that the limit of
 * connections bounds them; over HTTP/2 a few connections of one viewer could take every stream of a service.
 */
export class OpenRequests {
  readonly #maxPerNetwork: number;
  readonly #byNetwork = new Map<string, number>();

  constructor(maxPerNetwork: number) {
    this.#maxPerNetwork = maxPerNetwork;
  }

  /** Networks that have requests under way. */
  get networks(): number {
    return this.#byNetwork.size;
  }

  /** Counts one more, which {@link leave} takes back; false when there are too many. */
  enter(network: string): boolean {
    const open = this.#byNetwork.get(network) ?? 0;
    if (open >= this.#maxPerNetwork) return false;
    this.#byNetwork.set(network, open + 1);
    return true;
  }

  leave(network: string): void {
    const rest = this.#byNetwork.get(network)! - 1;
    if (rest === 0) this.#byNetwork.delete(network);
    else this.#byNetwork.set(network, rest);
  }
}
