/** Where the datagrams of a udp service go, and what its flows share. */
import { ipBytes } from "../src/bytes/mod.ts";
import type { Address } from "../src/config/mod.ts";
import {
  type DatagramBudget,
  type DatagramNetwork,
  type DatagramSocket,
  ReceiveBuffers,
  systemDatagrams,
} from "../src/driver/mod.ts";
import { PosternError } from "../src/errors/mod.ts";
import type { Clock } from "../src/ports/mod.ts";

/** How long an address of a name is used before the name is asked for again. */
const ADDRESS_LIFE_MS = 30_000;

export class UdpTarget {
  readonly budget: DatagramBudget;
  readonly buffers = new ReceiveBuffers();
  /** Open flows. */
  flows = 0;
  readonly #host: string;
  readonly #network: DatagramNetwork;
  readonly #clock: Clock;
  #address: string | undefined;
  #askAt = Infinity;
  #asking: Promise<string> | undefined;

  constructor(
    options: { target: Address; budget: DatagramBudget; clock: Clock; network?: DatagramNetwork },
  ) {
    this.#host = options.target.host;
    this.budget = options.budget;
    this.#clock = options.clock;
    this.#network = options.network ?? systemDatagrams;
    if (ipBytes(this.#host) !== undefined) this.#address = this.#host;
  }

  /** The address, if it need not be asked for. */
  get known(): string | undefined {
    return this.#clock.now() < this.#askAt ? this.#address : undefined;
  }

  /** @throws PosternError `connect_failed` when the name has no address */
  async address(): Promise<string> {
    return this.known ?? await (this.#asking ??= this.#ask().finally(() => this.#asking = undefined));
  }

  /** A socket of which only the target's own network can know. @throws what the system refuses with */
  bind(address: string): DatagramSocket {
    return this.#network.bind({ hostname: localFor(address), port: 0 });
  }

  async #ask(): Promise<string> {
    try {
      const [first] = await this.#network.lookup(this.#host);
      if (first === undefined) throw new PosternError("connect_failed", "Cannot reach target: no address");
      this.#address = first;
    } catch (error) {
      // An address that was good is better than none.
      if (this.#address === undefined) throw error;
    }
    this.#askAt = this.#clock.now() + ADDRESS_LIFE_MS;
    return this.#address;
  }
}

/** For a target on this machine a socket that nobody else can send to. */
function localFor(address: string): string {
  const bytes = ipBytes(address);
  if (bytes?.length === 4) return bytes[0] === 127 ? "127.0.0.1" : "0.0.0.0";
  return address === "::1" ? "::1" : "::";
}
